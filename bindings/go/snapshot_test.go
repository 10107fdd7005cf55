// SPDX-License-Identifier: Apache-2.0

package strata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// populated is a store of a few layers of every kind, and its newest snapshot.
func populated(t *testing.T) (*Producer, *Consumer, *Snapshot) {
	t.Helper()
	base := newBase(t)
	p := produce(t, base)
	publish(t, p, func(b *Batch) {
		for i := uint64(0); i < 1000; i += 2 {
			check(t, b.Put(1, i, []byte(fmt.Sprintf("%08d", i)), LayerOptions{}))
		}
		check(t, b.Put(1, 1, []byte("odd"), LayerOptions{}))
		check(t, b.Put(2, 7, nil, LayerOptions{Keywords: []string{""}}))
		_, err := b.PutName(3, "joy", []byte("named"),
			LayerOptions{Frequency: 1.5, Keywords: []string{"emotion", "", "é"}, Alignment: 4096})
		check(t, err)
		check(t, b.NameDimension(3, "Names"))
	})
	c := attach(t, base)
	return p, c, snapshotOf(t, c)
}

func TestFindsByNumberAndByName(t *testing.T) {
	_, _, s := populated(t)
	if textOfLayer(t, s, 1, 998) != "00000998" || textOfLayer(t, s, 1, 3) != "" || textOfLayer(t, s, 9, 9) != "" {
		t.Error("layers by number")
	}
	joy, err := s.FindName(3, "joy")
	check(t, err)
	info, err := joy.Info()
	check(t, err)
	if string(joy.Bytes()) != "named" || joy.Size() != 5 || info.Name != "joy" || info.Frequency != 1.5 ||
		info.ID.Dimension != 3 || info.ID.Layer != LayerNumber("joy") || info.Generation != 2 ||
		info.TypeTag != 0 || info.Checksum == 0 || strings.Join(info.Keywords, "|") != "emotion||é" {
		t.Errorf("the named layer is %+v", info)
	}
	check(t, joy.Verify())
	part := make([]byte, 3)
	check(t, joy.CopyAt(part, 2))
	if string(part) != "med" {
		t.Errorf("a part of it is %q", part)
	}
	if err := joy.CopyAt(part, 3); !errors.Is(err, InvalidArgument) {
		t.Error("beyond its end:", err)
	}
	empty, err := s.Find(2, 7)
	check(t, err)
	if info, err := empty.Info(); err != nil || len(info.Keywords) != 1 || info.Name != "" {
		t.Errorf("the empty layer has %+v, %v", info, err)
	}
	if copied, err := empty.Copy(); err != nil || len(copied) != 0 || !empty.Exists() || empty.Bytes() == nil {
		t.Error("an empty layer exists:", copied, err)
	}
	absent, err := s.FindName(3, "nobody")
	check(t, err)
	if absent.Exists() || absent.Bytes() != nil || absent.Size() != 0 {
		t.Error("found nobody")
	}
	if _, err := absent.Copy(); !errors.Is(err, LayerNotFound) {
		t.Error("the copy of nobody:", err)
	}
}

func TestFindsManyWithOneCall(t *testing.T) {
	_, _, s := populated(t)
	ids := []ID{{Dimension: 3, Layer: LayerNumber("joy")}, {Dimension: 1, Layer: 3}, {Dimension: 1, Layer: 4}}
	var found Layers
	check(t, s.FindMany(ids, &found))
	if found.Len() != 3 || string(found.At(0).Bytes()) != "named" || found.At(1).Exists() ||
		string(found.At(2).Bytes()) != "00000004" {
		t.Error("found others")
	}
	numbers := make([]uint64, 300) // more than C has on its way at once
	for i := range numbers {
		numbers[i] = uint64(i) + 500
	}
	check(t, s.FindIn(1, numbers, &found))
	for i := range numbers {
		layer := found.At(i)
		if layer.Exists() != (i%2 == 0) || i%2 == 0 && string(layer.Bytes()) != fmt.Sprintf("%08d", numbers[i]) {
			t.Fatal("found another layer", numbers[i])
		}
	}
	check(t, s.FindMany(nil, &found))
	check(t, s.FindIn(1, nil, &found))
	if found.Len() != 0 {
		t.Error("found some of none")
	}
	check(t, s.Close())
	if err := s.FindIn(1, numbers, &found); !errors.Is(err, ErrClosed) || found.Len() != 0 {
		t.Error("of a closed snapshot:", err, found.Len())
	}
}

func TestGathersIntoCallersMemory(t *testing.T) {
	_, _, s := populated(t)
	numbers := []uint64{4, 3, 1, 6}
	rows, states := bytes.Repeat([]byte{'x'}, 32), make([]Gathered, 4)
	copied, err := s.Gather(1, numbers, rows, states)
	check(t, err)
	if copied != 2 || string(rows) != "00000004"+strings.Repeat("\x00", 16)+"00000006" ||
		fmt.Sprint(states) != fmt.Sprint([]Gathered{GatheredRow, GatheredNone, GatheredOther, GatheredRow}) {
		t.Errorf("gathered %d, %v: %q", copied, states, rows)
	}
	var beside struct { // a pointer beside the rows is none of C's business
		pointer *int
		rows    [8]byte
	}
	beside.pointer = &copied
	if _, err = s.Gather(1, numbers[:1], beside.rows[:], nil); err != nil || string(beside.rows[:]) != "00000004" {
		t.Error("gathered into a part of a struct:", err)
	}
	if copied, err = s.Gather(1, nil, nil, nil); copied != 0 || err != nil {
		t.Error("gathered none:", copied, err)
	}
	values := make([]quote, 4)
	if copied, err = GatherValues(s, 1, numbers, values, nil); copied != 0 || err != nil {
		t.Error("rows of 16 bytes:", copied, err)
	}
	_, unequal := s.Gather(1, numbers, rows[:31], nil)
	_, fewStates := s.Gather(1, numbers, rows, states[:3])
	_, fewRows := GatherValues(s, 1, numbers, values[:3], nil)
	_, pointers := GatherValues(s, 1, numbers, make([]string, 4), nil)
	for _, err := range []error{unequal, fewStates, fewRows, pointers} {
		if !errors.Is(err, InvalidArgument) {
			t.Error("gathered what does not fit:", err)
		}
	}
}

func TestWalksInOrder(t *testing.T) {
	_, _, s := populated(t)
	cursor, err := s.Walk(1)
	check(t, err)
	defer cursor.Close()
	if cursor.Number() != 0 || cursor.Layer().Exists() {
		t.Error("before the first layer there is one")
	}
	count, last := 0, uint64(0)
	for cursor.Next() {
		if count > 0 && cursor.Number() <= last || !cursor.Layer().Exists() {
			t.Fatal("layer", cursor.Number(), "after", last)
		}
		last = cursor.Number()
		if last%2 == 0 && string(cursor.Layer().Bytes()) != fmt.Sprintf("%08d", last) {
			t.Fatal("another payload of", last)
		}
		count++
	}
	if count != 501 || last != 998 || cursor.Err() != nil || cursor.Next() {
		t.Error("walked", count, "to", last, cursor.Err())
	}
	check(t, cursor.Close())
	check(t, cursor.Close())
	if cursor.Next() || cursor.Layer().Exists() {
		t.Error("walked on after Close")
	}
	if _, err := s.Walk(9); !errors.Is(err, DimensionNotFound) {
		t.Error("walked through nothing:", err)
	}
}

func TestDimensions(t *testing.T) {
	_, _, s := populated(t)
	all, err := s.Dimensions()
	check(t, err)
	if len(all) != 3 || all[0].Name != "D1" || all[0].Layers != 501 || all[2].Name != "Names" ||
		all[2].Dimension != 3 || all[2].Generation != 2 || all[0].LiveBytes == 0 {
		t.Errorf("the dimensions are %+v", all)
	}
	if number, err := s.DimensionNumber("Names"); err != nil || number != 3 {
		t.Error("by name:", number, err)
	}
	if _, err := s.DimensionNumber("Nothing"); !errors.Is(err, DimensionNotFound) {
		t.Error("by another name:", err)
	}
	if layers, err := s.DimensionLayers(1); err != nil || layers != 501 {
		t.Error("layers:", layers, err)
	}
	if _, err := s.DimensionLayers(9); !errors.Is(err, DimensionNotFound) {
		t.Error("layers of none:", err)
	}
	for dimension, expected := range map[uint32]bool{1: true, 9: false} {
		if has, err := s.HasDimension(dimension); err != nil || has != expected {
			t.Error("dimension", dimension, has, err)
		}
	}
	info, err := s.Info()
	check(t, err)
	if info.Generation != 2 || info.Layers != 503 || info.Dimensions != 3 || info.Published.Year() < 2020 {
		t.Errorf("the snapshot is %+v", info)
	}
}

func TestChangesAreThoseBetween(t *testing.T) {
	p, c, before := populated(t)
	publish(t, p, func(b *Batch) {
		check(t, b.Put(1, 3, []byte("three"), LayerOptions{}))
		check(t, b.Put(1, 4, []byte("four"), LayerOptions{}))
		check(t, b.EraseName(3, "joy"))
	})
	after := snapshotOf(t, c)
	changes, err := Changes(before, after)
	check(t, err)
	got := ""
	for _, change := range changes {
		got += fmt.Sprintf("%d/%d %v %q %q; ", change.ID.Dimension, change.ID.Layer%1000, change.Kind,
			change.Before.Bytes(), change.After.Bytes())
	}
	expected := fmt.Sprintf(`1/3 added "" "three"; 1/4 updated "00000004" "four"; 3/%d removed "named" ""; `,
		LayerNumber("joy")%1000)
	if got != expected {
		t.Errorf("got      %s\nexpected %s", got, expected)
	}
	one, err := ChangesIn(before, after, 3)
	check(t, err)
	back, err := Changes(after, before)
	check(t, err)
	all, err := Changes(nil, after)
	check(t, err)
	same, err := Changes(after, after)
	check(t, err)
	if len(one) != 1 || len(back) != 3 || back[0].Kind != Removed || len(all) != 503 || len(same) != 0 {
		t.Error("changes:", len(one), len(back), len(all), len(same))
	}
	if _, err := Changes(before, nil); !errors.Is(err, InvalidArgument) {
		t.Error("changes to nothing:", err)
	}
	_, _, other := populated(t)
	if _, err := Changes(before, other); !errors.Is(err, InvalidArgument) {
		t.Error("changes of two stores:", err)
	}
}

func TestTypesAreThoseOfOtherLanguages(t *testing.T) {
	fnv1a := func(text string) uint64 {
		hash := uint64(0xCBF29CE484222325)
		for i := 0; i < len(text); i++ {
			hash = (hash ^ uint64(text[i])) * 0x100000001B3
		}
		return hash
	}
	number, err := TypeOf[float64]()
	check(t, err)
	quotes, err := TypeOf[quote]()
	check(t, err)
	if number.Tag() != fnv1a("f64:8:8") || quotes.ArrayTag() != fnv1a("Quote[]:16:8") {
		t.Error("other tags")
	}
	base := newBase(t)
	p := produce(t, base)
	publish(t, p, func(b *Batch) {
		check(t, PutValue(b, 1, 1, quote{1.5, 7}, LayerOptions{Frequency: 2}))
		check(t, PutValues(b, 1, 2, []quote{{1, 2}, {3, 4}}, LayerOptions{}))
		check(t, PutValues(b, 1, 3, []uint16{}, LayerOptions{}))
		_, err := PutNameValue(b, 1, "pi", 3.25, LayerOptions{})
		check(t, err)
		_, err = PutNameValues(b, 1, "row", []int8{-1, 0, 1}, LayerOptions{})
		check(t, err)
	})
	s := snapshotOf(t, attach(t, base))
	find := func(number uint64) Layer {
		l, err := s.Find(1, number)
		check(t, err)
		return l
	}
	if q, err := Value[quote](find(1)); err != nil || q != (quote{1.5, 7}) {
		t.Error("the quote is", q, err)
	}
	if qs, err := Values[quote](find(2)); err != nil || fmt.Sprint(qs) != "[{1 2} {3 4}]" {
		t.Error("the quotes are", qs, err)
	}
	if none, err := Values[uint16](find(3)); err != nil || len(none) != 0 {
		t.Error("no numbers are", none, err)
	}
	if pi, err := Value[float64](find(LayerNumber("pi"))); err != nil || pi != 3.25 {
		t.Error("the number is", pi, err)
	}
	if row, err := Values[int8](find(LayerNumber("row"))); err != nil || fmt.Sprint(row) != "[-1 0 1]" {
		t.Error("the row is", row, err)
	}
	_, asArray := Values[quote](find(1))
	_, asOther := Value[float64](find(1))
	_, asOne := Value[quote](find(2))
	for _, err := range []error{asArray, asOther, asOne} {
		if !errors.Is(err, TypeMismatch) {
			t.Error("read as another type:", err)
		}
	}
	type nameless struct{ A uint8 }
	_, ofInt := TypeOf[int]()
	_, ofString := TypeOf[string]()
	_, ofPointer := TypeOf[[2]*uint8]()
	_, ofNameless := TypeOf[nameless]()
	for _, err := range []error{ofInt, ofString, ofPointer, ofNameless} {
		if !errors.Is(err, InvalidArgument) {
			t.Error("a type that means nothing elsewhere:", err)
		}
	}
	if _, err := Value[quote](find(99)); !errors.Is(err, LayerNotFound) {
		t.Error("the value of nobody:", err)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	payload := bytes.Repeat([]byte("unmistakable"), 100)
	publish(t, p, func(b *Batch) {
		check(t, b.Put(1, 5, payload, LayerOptions{}))
		check(t, b.Put(2, 5, []byte("sound"), LayerOptions{}))
	})
	c := attach(t, base)
	s := snapshotOf(t, c)
	sound, err := s.Verify(VerifyOptions{})
	check(t, err)
	if sound.FailureCount != 0 || sound.Layers != 2 || sound.Dimensions != 2 || sound.Generation != 2 ||
		sound.PayloadBytes != uint64(len(payload))+5 {
		t.Errorf("a sound store: %+v", sound)
	}
	damage(t, base, payload)
	damaged, err := s.Verify(VerifyOptions{MaxFailures: 10})
	check(t, err)
	if damaged.FailureCount != 1 || len(damaged.Failures) != 1 {
		t.Fatalf("a damaged store: %+v", damaged)
	}
	failure := damaged.Failures[0]
	if failure.Dimension == nil || *failure.Dimension != 1 || failure.Layer == nil || *failure.Layer != 5 ||
		failure.File == "" || failure.What == "" {
		t.Errorf("the failure is %+v", failure)
	}
	layer, err := s.Find(1, 5)
	check(t, err)
	if err := layer.Verify(); !errors.Is(err, Corrupt) {
		t.Error("the damaged layer:", err)
	}
	two, nine := uint32(2), uint32(9)
	if other, err := s.Verify(VerifyOptions{Dimension: &two}); err != nil || other.FailureCount != 0 || other.Layers != 1 {
		t.Errorf("the other dimension: %+v, %v", other, err)
	}
	if _, err := s.Verify(VerifyOptions{Dimension: &nine}); !errors.Is(err, DimensionNotFound) {
		t.Error("no dimension:", err)
	}
}

// damage changes a byte of what is found once in the files of the store.
func damage(t *testing.T, base string, payload []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(base, "store", "*"))
	check(t, err)
	found := 0
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // a directory
		}
		if at := bytes.Index(content, payload); at >= 0 {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			check(t, err)
			_, err = file.WriteAt([]byte{'!'}, int64(at))
			check(t, err)
			check(t, file.Close())
			found++
		}
	}
	if found != 1 {
		t.Fatalf("the payload is in %d files of %v", found, files)
	}
}

func TestStoresAsAWhole(t *testing.T) {
	p, c, s := populated(t)
	base := c.options.BasePath
	names, err := Stores(base)
	check(t, err)
	if fmt.Sprint(names) != "[store]" {
		t.Error("the stores are", names)
	}
	if none, err := Stores(filepath.Join(base, "nothing")); err != nil || len(none) != 0 {
		t.Error("no stores are", none, err)
	}
	info, err := Inspect("store", base)
	check(t, err)
	if info.Generation != 2 || info.Layers != 503 || info.ProducerPID != os.Getpid() || len(info.ID) != 32 ||
		info.MemoryLimit != 64<<20 || info.LiveBytes == 0 || info.Published.Before(info.Created) {
		t.Errorf("the store is %+v", info)
	}
	for _, statistics := range []func() ([]byte, error){c.Statistics, p.Statistics,
		func() ([]byte, error) { return Statistics("store", base) }} {
		text, err := statistics()
		check(t, err)
		var parsed map[string]any
		if err := json.Unmarshal(text, &parsed); err != nil || len(parsed) == 0 {
			t.Errorf("statistics: %v: %s", err, text)
		}
	}
	textOfLayer(t, s, 1, 2) // maps the region
	if memory, err := c.Memory(); err != nil || memory.MappedRegions == 0 {
		t.Errorf("the consumer takes %+v, %v", memory, err)
	}
	if oldest, newest, err := c.Retained(); err != nil || oldest != 2 || newest != 2 {
		t.Error("retained:", oldest, newest, err)
	}
	if at, err := c.SnapshotAt(2); err != nil || at.Generation() != s.Generation() {
		t.Error("the same generation:", err)
	}
	for _, generation := range []uint64{0, 1, 99} {
		if _, err := c.SnapshotAt(generation); !errors.Is(err, GenerationNotRetained) {
			t.Error("generation", generation, err)
		}
	}
	if err := RemoveStore("store", base); !errors.Is(err, ProducerActive) {
		t.Error("removed under its producer:", err)
	}
	check(t, p.Close())
	check(t, RemoveStore("store", base))
	if _, err := Inspect("store", base); !errors.Is(err, StoreNotFound) {
		t.Error("inspected nothing:", err)
	}
	if _, err := Statistics("store", base); !errors.Is(err, StoreNotFound) {
		t.Error("statistics of nothing:", err)
	}
	if err := RemoveStore("store", base); !errors.Is(err, StoreNotFound) {
		t.Error("removed nothing:", err)
	}
	if Version() == "" {
		t.Error("no version")
	}
}

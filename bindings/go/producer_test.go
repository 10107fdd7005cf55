// SPDX-License-Identifier: Apache-2.0

package strata

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func TestABatchIsPublishedWholeOrNotAtAll(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	c := attach(t, base)
	b, err := p.Batch()
	check(t, err)
	check(t, b.Put(1, 1, []byte("one"), LayerOptions{Keywords: []string{"word"}}))
	number, err := b.PutName(1, "name", []byte("named"), LayerOptions{})
	check(t, err)
	check(t, b.Build(1, 2, 5, LayerOptions{Alignment: 4096}, func(room []byte) error {
		if string(room) != strings.Repeat("\x00", 5) {
			t.Errorf("the room holds %q", room)
		}
		copy(room, "built")
		return nil
	}))
	built, err := b.BuildName(1, "room", 0, LayerOptions{}, func(room []byte) error { return nil })
	check(t, err)
	check(t, b.Put(5, 5, []byte("goes"), LayerOptions{}))
	check(t, b.RemoveDimension(5))
	quotes, err := b.Dimension("Quotes")
	check(t, err)
	check(t, b.Put(quotes, 1, []byte("quote"), LayerOptions{}))
	if c.Generation() != 1 || b.Len() == 0 || number != LayerNumber("name") || built != LayerNumber("room") {
		t.Error("before crystallizing:", c.Generation(), b.Len(), number, built)
	}
	generation, err := b.Crystallize()
	check(t, err)
	if generation != 2 || p.Generation() != 2 || c.Generation() != 2 || b.Len() != 0 {
		t.Error("after crystallizing:", generation, p.Generation(), b.Len())
	}
	s := snapshotOf(t, c)
	layer, err := s.Find(1, 2)
	check(t, err)
	if string(layer.Bytes()) != "built" || uintptr(unsafe.Pointer(&layer.Bytes()[0]))%4096 != 0 {
		t.Error("built in place:", layer.Bytes())
	}
	if info, err := s.Info(); err != nil || info.Layers != 5 || info.Dimensions != 2 {
		t.Errorf("published %+v, %v", info, err)
	}
	check(t, b.Erase(1, 1))
	check(t, b.EraseName(1, "name"))
	check(t, b.NameDimension(1, "First"))
	b.Clear()
	check(t, b.Put(1, 9, []byte("nine"), LayerOptions{}))
	check(t, b.Close())
	check(t, b.Close())
	if _, err := b.Crystallize(); !errors.Is(err, ErrClosed) || c.Generation() != 2 || b.Len() != 0 {
		t.Error("a closed batch:", err)
	}
	failed := errors.New("failed")
	publish(t, p, func(b *Batch) {
		if err := b.Build(1, 3, 1, LayerOptions{}, func([]byte) error { return failed }); err != failed {
			t.Error("fill's error is", err)
		}
		if err := b.Build(1, 3, -1, LayerOptions{}, nil); !errors.Is(err, InvalidArgument) {
			t.Error("a negative size:", err)
		}
		b.Clear()
	})
	if c.Generation() != 2 {
		t.Error("a cleared batch published")
	}
}

func TestModesLimitsAndOptions(t *testing.T) {
	base := newBase(t)
	open := func(mode OpenMode) error {
		p, err := Produce("store", ProducerOptions{BasePath: base, Mode: mode, MemoryLimit: 64 << 20})
		if err == nil {
			err = p.Close()
		}
		return err
	}
	for _, step := range []struct {
		mode OpenMode
		code error
	}{{Open, StoreNotFound}, {Create, nil}, {Create, StoreExists}, {Open, nil}, {Replace, nil}, {9, InvalidArgument}} {
		if err := open(step.mode); !errors.Is(err, step.code) && err != step.code {
			t.Error("mode", step.mode, err)
		}
	}
	p := produce(t, base)
	if err := open(Open); !errors.Is(err, ProducerActive) {
		t.Error("a second producer:", err)
	}
	check(t, p.SetMemoryLimit(1<<20))
	b, err := p.Batch()
	check(t, err)
	var e *Error
	err = b.Put(1, 1, make([]byte, 2<<20), LayerOptions{})
	if !errors.As(err, &e) || e.Code != LimitExceeded || e.Limit != 1<<20 || e.Needed == 0 || b.Len() != 0 {
		t.Error("beyond the limit:", err)
	}
	for _, options := range []LayerOptions{{Alignment: 48}, {Keywords: []string{strings.Repeat("x", 1<<17)}}} {
		if err := b.Put(1, 1, nil, options); !errors.Is(err, InvalidArgument) {
			t.Error("options that there are not:", err)
		}
	}
	check(t, p.SetMemoryLimit(64<<20))
	publish(t, p, func(b *Batch) { check(t, b.Put(1, 1, make([]byte, 2<<20), LayerOptions{})) })
	if err := p.SetMemoryLimit(1 << 20); !errors.Is(err, LimitExceeded) {
		t.Error("a limit below what is in use:", err)
	}
	publish(t, p, func(b *Batch) { check(t, b.Erase(1, 1)) })
	if freed, err := p.Trim(); err != nil || freed < 2<<20 {
		t.Error("trimmed", freed, err)
	}
	generation, err := p.AddDimension(42, "Answers", DimensionOptions{MaxBytes: 1 << 20})
	check(t, err)
	if again, err := p.AddDimension(42, "Answers", DimensionOptions{MaxBytes: 1 << 20}); err != nil || again != generation {
		t.Error("added again:", again, err)
	}
	if _, err := p.AddDimension(42, "", DimensionOptions{MaxBytes: 2 << 20}); !errors.Is(err, DimensionExists) {
		t.Error("added with another size:", err)
	}
	if generation, err = p.AddCoreDimensions(); err != nil || generation != p.Generation() {
		t.Error("core dimensions:", generation, err)
	}
	if number, err := snapshotOf(t, attach(t, base)).DimensionNumber("Security"); err != nil || number != 14 {
		t.Error("the last core dimension is", number, err)
	}
	check(t, p.Close())
	check(t, p.Close())
	_, batchErr := p.Batch()
	_, addErr := p.AddCoreDimensions()
	_, trimErr := p.Trim()
	_, crystallizeErr := b.Crystallize()
	for _, err := range []error{batchErr, addErr, trimErr, crystallizeErr, p.SetMemoryLimit(1), b.Erase(1, 1),
		b.Put(1, 1, nil, LayerOptions{})} {
		if !errors.Is(err, ErrClosed) {
			t.Error("a closed producer says", err)
		}
	}
	check(t, open(Open)) // the store is free
}

func TestGoroutinesShareAProducerAndABatch(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	shared, err := p.Batch()
	check(t, err)
	var group sync.WaitGroup
	for d := uint32(1); d <= 4; d++ {
		group.Add(1)
		go func(d uint32) {
			defer group.Done()
			own, err := p.Batch()
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			for i := uint64(0); i < 25; i++ {
				text := []byte(fmt.Sprint(d, i))
				if err := own.Put(d, i, text, LayerOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := own.Crystallize(); err != nil {
					t.Error(err)
				}
				if err := shared.Put(9, uint64(d)*100+i, text, LayerOptions{}); err != nil {
					t.Error(err)
				}
			}
		}(d)
	}
	group.Wait()
	generation, err := shared.Crystallize()
	check(t, err)
	s := snapshotOf(t, attach(t, base))
	info, err := s.Info()
	check(t, err)
	if generation != 102 || info.Layers != 200 || textOfLayer(t, s, 3, 24) != "3 24" || textOfLayer(t, s, 9, 324) != "3 24" {
		t.Errorf("%d: %+v", generation, info)
	}
}

func TestWhatIsRetainedIsFoundByNumberAndByTime(t *testing.T) {
	base := newBase(t)
	p, err := Produce("store", ProducerOptions{BasePath: base, MemoryLimit: 64 << 20, RetainFor: time.Hour})
	check(t, err)
	defer p.Close()
	c := attach(t, base)
	for digit := byte(0); digit < 5; digit++ {
		b, err := p.Batch()
		check(t, err)
		check(t, b.Put(1, 1, []byte{digit}, LayerOptions{}))
		generation, err := b.Crystallize()
		check(t, err)
		check(t, b.Close())
		s, err := c.SnapshotAt(generation)
		check(t, err)
		info, err := s.Info()
		check(t, err)
		check(t, s.Close())
		same, err := c.SnapshotAtTime(info.Published)
		check(t, err)
		if layer, err := same.Find(1, 1); err != nil || layer.Bytes()[0] != digit {
			t.Error("at that time:", layer, err)
		}
		check(t, same.Close())
	}
	if oldest, newest, err := c.Retained(); err != nil || newest-oldest < 4 {
		t.Error("retained:", oldest, newest, err)
	}
	newest, err := c.SnapshotAtTime(time.Now().AddDate(1000, 0, 0))
	check(t, err)
	if newest.Generation() != p.Generation() {
		t.Error("in a thousand years:", newest.Generation())
	}
	check(t, newest.Close())
	for _, early := range []time.Time{{}, time.Unix(0, 0)} {
		if _, err := c.SnapshotAtTime(early); !errors.Is(err, GenerationNotRetained) {
			t.Error("at", early, err)
		}
	}
}

func TestDimensionsMoveAndTellHowTheyDiffer(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	c := attach(t, base)
	_, err := p.AddDimension(3, "Three", DimensionOptions{})
	check(t, err)
	b, err := p.Batch()
	check(t, err)
	defer b.Close()
	check(t, b.Put(5, 1, []byte("stays"), LayerOptions{}))
	_, err = b.Crystallize()
	check(t, err)
	before := snapshotOf(t, c)
	moved, err := p.MoveDimension(5, DimensionOptions{OwnRegion: true})
	check(t, err)
	after := snapshotOf(t, c)
	if moved != before.Generation()+1 || textOfLayer(t, after, 5, 1) != "stays" {
		t.Error("moved:", moved)
	}
	if layers, err := Changes(before, after); err != nil || len(layers) != 0 {
		t.Error("layers that a move changed:", layers, err)
	}
	if _, err := p.MoveDimension(9, DimensionOptions{}); !errors.Is(err, DimensionNotFound) {
		t.Error("a dimension that is not there:", err)
	}
	check(t, b.NameDimension(3, "Drei"))
	check(t, b.RemoveDimension(5))
	check(t, b.NameDimension(8, "Eight"))
	_, err = b.Crystallize()
	check(t, err)
	last := snapshotOf(t, c)
	told, err := DimensionChanges(after, last)
	check(t, err)
	if text := fmt.Sprint(told); text != "[{3 renamed Three Drei} {5 removed D5 } {8 added  Eight}]" {
		t.Error("told:", text)
	}
	if all, err := DimensionChanges(nil, last); err != nil || len(all) != 2 {
		t.Error("of an empty store:", all, err)
	}
	if none, err := DimensionChanges(before, after); err != nil || len(none) != 0 {
		t.Error("of a move:", none, err)
	}
	if _, err := DimensionChanges(last, nil); !errors.Is(err, InvalidArgument) {
		t.Error("with nothing:", err)
	}
	check(t, before.Close())
	if _, err := DimensionChanges(before, last); !errors.Is(err, ErrClosed) {
		t.Error("with a closed one:", err)
	}
}

func TestBookmarksOutliveTheirProducer(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	commit := func(p *Producer, text string) uint64 {
		b, err := p.Batch()
		check(t, err)
		defer b.Close()
		check(t, b.Put(1, 1, []byte(text), LayerOptions{}))
		generation, err := b.Crystallize()
		check(t, err)
		return generation
	}
	kept := commit(p, "before")
	if set, err := p.SetBookmark("before-import", 0); err != nil || set != kept {
		t.Error("set:", set, err)
	}
	check(t, p.Close())
	p = produce(t, base)
	commit(p, "import 1")
	newest := commit(p, "import 2")
	c := attach(t, base)
	all, err := c.Bookmarks()
	check(t, err)
	if len(all) != 1 || all[0].Name != "before-import" || all[0].Generation != kept ||
		time.Since(all[0].Made) > time.Hour {
		t.Error("the bookmarks are", all)
	}
	s, err := c.SnapshotAtBookmark("before-import")
	check(t, err)
	defer s.Close()
	check(t, p.RemoveBookmark("before-import"))
	if text := textOfLayer(t, s, 1, 1); text != "before" || s.Generation() != kept {
		t.Error("read by its bookmark:", text, s.Generation())
	}
	if _, err := c.SnapshotAtBookmark("before-import"); !errors.Is(err, BookmarkNotFound) {
		t.Error("removed:", err)
	}
	if err := p.RemoveBookmark("before-import"); !errors.Is(err, BookmarkNotFound) {
		t.Error("removed twice:", err)
	}
	if none, err := c.Bookmarks(); err != nil || len(none) != 0 {
		t.Error("left:", none, err)
	}
	if _, err := p.SetBookmark("", 0); !errors.Is(err, InvalidName) {
		t.Error("without a name:", err)
	}
	if _, err := p.SetBookmark("x", newest+1); !errors.Is(err, GenerationNotRetained) {
		t.Error("of what was never published:", err)
	}
	check(t, p.Close())
	if _, err := p.SetBookmark("x", 0); !errors.Is(err, ErrClosed) {
		t.Error("closed:", err)
	}
}

func TestGenerationsBecomeDurable(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	c := attach(t, base)
	b, err := p.Batch()
	check(t, err)
	defer b.Close()
	commit := func(text string) uint64 {
		check(t, b.Put(1, 1, []byte(text), LayerOptions{}))
		generation, err := b.Crystallize()
		check(t, err)
		return generation
	}
	first := commit("one")
	if p.DurableGeneration() != 0 {
		t.Error("durable before anybody asked:", p.DurableGeneration())
	}
	made, err := p.Checkpoint()
	check(t, err)
	if seen, err := c.DurableGeneration(); made != first || err != nil || seen != first {
		t.Error("checkpoint:", first, made, seen, err)
	}
	second := commit("two")
	check(t, p.WaitDurable(second))
	if p.DurableGeneration() != second {
		t.Error("waited for", second, "durable is", p.DurableGeneration())
	}
	if err := p.WaitDurable(second + 1); !errors.Is(err, InvalidArgument) {
		t.Error("what was never published:", err)
	}
	each, err := Produce("each", ProducerOptions{BasePath: base, Durability: DurabilityEachCommit})
	check(t, err)
	if each.DurableGeneration() != each.Generation() {
		t.Error("each commit:", each.DurableGeneration(), each.Generation())
	}
	check(t, each.Close())
	if _, err := each.Checkpoint(); !errors.Is(err, ErrClosed) {
		t.Error("closed:", err)
	}
	if err := each.WaitDurable(1); !errors.Is(err, ErrClosed) || each.DurableGeneration() != 0 {
		t.Error("closed:", err)
	}
	odd := ProducerOptions{BasePath: base, Durability: DurabilityEachCommit + 1}
	if _, err := Produce("odd", odd); !errors.Is(err, InvalidArgument) {
		t.Error("no such policy:", err)
	}
}

func TestADimensionIsCleared(t *testing.T) {
	base := newBase(t)
	p := produce(t, base)
	c := attach(t, base)
	b, err := p.Batch()
	check(t, err)
	check(t, b.Put(7, 1, []byte("old"), LayerOptions{}))
	_, err = b.Crystallize()
	check(t, err)
	check(t, b.ClearDimension(7))
	check(t, b.ClearDimension(8)) // there is none
	check(t, b.Put(7, 2, []byte("new"), LayerOptions{}))
	_, err = b.Crystallize()
	check(t, err)
	s := snapshotOf(t, c)
	gone, err := s.Find(7, 1)
	check(t, err)
	if gone.Exists() || textOfLayer(t, s, 7, 2) != "new" {
		t.Error("not cleared")
	}
	check(t, b.Close())
	if err := b.ClearDimension(7); !errors.Is(err, ErrClosed) {
		t.Error("a closed batch:", err)
	}
}

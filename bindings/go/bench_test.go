// SPDX-License-Identifier: Apache-2.0

package strata

import (
	"fmt"
	"math/rand"
	"syscall"
	"testing"
)

const (
	benchLayers = 10_000
	benchBytes  = 256
	benchBatch  = 128
)

// begin starts the clock; what it gives stops it and reports processor time, so that other programs do
// not count.
func begin(b *testing.B) (end func()) {
	used := func() int64 {
		var usage syscall.Rusage
		check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
		return usage.Utime.Nano() + usage.Stime.Nano()
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := used()
	return func() {
		b.StopTimer()
		b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op")
	}
}

var benchSum int // so that no look-up can be left out

// benchStore has layers of 256 bytes, random keys to them, and the same in a map.
func benchStore(b *testing.B) (*Snapshot, []uint64, map[uint64][]byte) {
	base := newBase(b)
	p, err := Produce("store", ProducerOptions{BasePath: base})
	check(b, err)
	b.Cleanup(func() { p.Close() })
	table := make(map[uint64][]byte)
	publish(b, p, func(batch *Batch) {
		for i := uint64(0); i < benchLayers; i++ {
			table[i] = make([]byte, benchBytes)
			check(b, batch.Put(1, i, table[i], LayerOptions{}))
			_, err := batch.PutName(2, fmt.Sprint("name ", i), table[i], LayerOptions{})
			check(b, err)
		}
	})
	keys := make([]uint64, 1<<16)
	for i := range keys {
		keys[i] = uint64(rand.Intn(benchLayers))
	}
	s := snapshotOf(b, attach(b, base))
	return s, keys, table
}

func BenchmarkMap(b *testing.B) {
	_, keys, table := benchStore(b)
	defer begin(b)()
	for i := 0; i < b.N; i++ {
		benchSum += int(table[keys[i%len(keys)]][0])
	}
}

func BenchmarkFind(b *testing.B) {
	s, keys, _ := benchStore(b)
	defer begin(b)()
	for i := 0; i < b.N; i++ {
		layer, err := s.Find(1, keys[i%len(keys)])
		if err != nil {
			b.Fatal(err)
		}
		benchSum += int(layer.Bytes()[0])
	}
}

func BenchmarkFindName(b *testing.B) {
	s, keys, _ := benchStore(b)
	names := make([]string, len(keys))
	for i := range names {
		names[i] = fmt.Sprint("name ", keys[i])
	}
	defer begin(b)()
	for i := 0; i < b.N; i++ {
		layer, err := s.FindName(2, names[i%len(names)])
		if err != nil {
			b.Fatal(err)
		}
		benchSum += int(layer.Bytes()[0])
	}
}

// An operation is one layer of a batch.
func BenchmarkFindIn128(b *testing.B) {
	s, keys, _ := benchStore(b)
	var found Layers
	defer begin(b)()
	for i := 0; i < b.N; i += benchBatch {
		at := i % len(keys)
		if err := s.FindIn(1, keys[at:at+benchBatch], &found); err != nil {
			b.Fatal(err)
		}
		for j := 0; j < benchBatch; j++ {
			benchSum += int(found.At(j).Bytes()[0])
		}
	}
}

// An operation is one layer of a batch, copied.
func BenchmarkGather128(b *testing.B) {
	s, keys, _ := benchStore(b)
	rows := make([]byte, benchBatch*benchBytes)
	defer begin(b)()
	for i := 0; i < b.N; i += benchBatch {
		at := i % len(keys)
		if _, err := s.Gather(1, keys[at:at+benchBatch], rows, nil); err != nil {
			b.Fatal(err)
		}
		benchSum += int(rows[0])
	}
}

// An operation is one layer of the walk.
func BenchmarkWalk(b *testing.B) {
	s, _, _ := benchStore(b)
	defer begin(b)()
	for i := 0; i < b.N; {
		cursor, err := s.Walk(1)
		if err != nil {
			b.Fatal(err)
		}
		for ; i < b.N && cursor.Next(); i++ {
			benchSum += int(cursor.Layer().Bytes()[0])
		}
		cursor.Close()
	}
}

func BenchmarkCopy(b *testing.B) {
	s, keys, _ := benchStore(b)
	to := make([]byte, benchBytes)
	defer begin(b)()
	for i := 0; i < b.N; i++ {
		layer, err := s.Find(1, keys[i%len(keys)])
		if err == nil {
			err = layer.CopyAt(to, 0)
		}
		if err != nil {
			b.Fatal(err)
		}
		benchSum += int(to[0])
	}
}

func BenchmarkSnapshotAndClose(b *testing.B) {
	base := newBase(b)
	p := produce(b, base)
	publish(b, p, func(batch *Batch) { check(b, batch.Put(1, 1, []byte("x"), LayerOptions{})) })
	c := attach(b, base)
	defer begin(b)()
	for i := 0; i < b.N; i++ {
		s, err := c.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkPutAndCrystallize(b *testing.B) {
	base := newBase(b)
	p := produce(b, base)
	batch, err := p.Batch()
	check(b, err)
	payload := make([]byte, benchBytes)
	defer begin(b)()
	for i := 0; i < b.N; i++ {
		check(b, batch.Put(1, uint64(i%100), payload, LayerOptions{}))
		if _, err := batch.Crystallize(); err != nil {
			b.Fatal(err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

import "strconv"

// Layers is a list that one call fills, to be used again and again. For one goroutine at a time.
type Layers struct {
	snapshot *Snapshot
	places   []place
}

func (l *Layers) Len() int { return len(l.places) }

// At gives the i-th; like Find's, it may not exist.
func (l *Layers) At(i int) Layer { return Layer{l.snapshot, l.places[i]} }

func (l *Layers) resize(snapshot *Snapshot, count int) {
	l.snapshot = snapshot
	if cap(l.places) < count {
		l.places = make([]place, count)
	}
	l.places = l.places[:count]
}

// FindMany looks up layers of any dimensions with one call of C, the latency of memory overlapped:
// found.At(i) is that of ids[i]. On an error found is empty.
func (s *Snapshot) FindMany(ids []ID, found *Layers) error {
	found.resize(s, len(ids))
	if !s.enter() {
		found.resize(nil, 0)
		return ErrClosed
	}
	defer s.leave()
	e := C.go_find_many(s.c, pointerTo(ids), C.size_t(len(ids)), pointerTo(found.places))
	if e != nil {
		found.resize(nil, 0)
	}
	return errorOf(e)
}

// FindIn is FindMany for layers of one dimension.
func (s *Snapshot) FindIn(dimension uint32, layers []uint64, found *Layers) error {
	found.resize(s, len(layers))
	if !s.enter() {
		found.resize(nil, 0)
		return ErrClosed
	}
	defer s.leave()
	e := C.go_find_in(s.c, C.uint32_t(dimension), pointerTo(layers), C.size_t(len(layers)),
		pointerTo(found.places))
	if e != nil {
		found.resize(nil, 0)
	}
	return errorOf(e)
}

// Gathered says of each row what Gather did.
type Gathered uint8

const (
	GatheredNone  Gathered = C.STRATA_GATHERED_NONE  // there is no such layer: the row is zeroed
	GatheredRow   Gathered = C.STRATA_GATHERED       // copied
	GatheredOther Gathered = C.STRATA_GATHERED_OTHER // of another size than a row: the row is zeroed
)

// Gather copies the payloads of layers of one dimension, all of one size, to rows, one behind the
// other, with one call of C: a row has len(rows) / len(layers) bytes. states, if it is not nil, gets a
// word about each. Returns how many were copied. Guarded as Layer.Copy; on an error the results are
// unspecified.
func (s *Snapshot) Gather(dimension uint32, layers []uint64, rows []byte, states []Gathered) (int, error) {
	row := 0
	if len(layers) > 0 {
		row = len(rows) / len(layers)
	}
	if row*len(layers) != len(rows) {
		return 0, misuse("gather layers", strconv.Itoa(len(rows))+" bytes of rows cannot be divided among "+
			strconv.Itoa(len(layers))+" layers")
	}
	if states != nil && len(states) != len(layers) {
		return 0, misuse("gather layers", strconv.Itoa(len(states))+" states for "+
			strconv.Itoa(len(layers))+" layers")
	}
	if !s.enter() {
		return 0, ErrClosed
	}
	defer s.leave()
	r := C.go_gather(s.c, C.uint32_t(dimension), pointerTo(layers), C.size_t(len(layers)),
		pointerTo(rows), C.size_t(row), pointerTo(states))
	return int(r.value), errorOf(r.error)
}

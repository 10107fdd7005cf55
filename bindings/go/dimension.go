// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

import "runtime"

// DimensionInfo is what the directory of a generation says of a dimension.
type DimensionInfo struct {
	Dimension  uint32
	Name       string
	Layers     uint64
	LiveBytes  uint64 // of blocks that this generation uses, index included
	Generation uint64 // that changed the dimension last
}

// Dimensions lists all, ascending by number. O(dimensions).
func (s *Snapshot) Dimensions() ([]DimensionInfo, error) {
	if !s.enter() {
		return nil, ErrClosed
	}
	defer s.leave()
	r := C.go_dimensions(s.c)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	list := (*C.strata_dimension_list)(r.handle)
	defer C.strata_dimension_list_free(list)
	all := make([]DimensionInfo, C.strata_dimension_list_size(list))
	for i := range all {
		at := C.go_dimension_at(list, C.size_t(i))
		if at.error != nil {
			return nil, errorOf(at.error)
		}
		all[i] = DimensionInfo{
			Dimension:  uint32(at.info.dimension),
			Name:       goString(at.info.name),
			Layers:     uint64(at.info.layers),
			LiveBytes:  uint64(at.info.live_bytes),
			Generation: uint64(at.info.generation),
		}
	}
	return all, nil
}

// HasDimension tells whether there is one of that number.
func (s *Snapshot) HasDimension(dimension uint32) (bool, error) {
	if !s.enter() {
		return false, ErrClosed
	}
	defer s.leave()
	r := C.go_has_dimension(s.c, C.uint32_t(dimension))
	return r.value != 0, errorOf(r.error)
}

// DimensionNumber is the number of the dimension called name (the lowest, if several are), else
// DimensionNotFound. The first call on a snapshot is O(dimensions).
func (s *Snapshot) DimensionNumber(name string) (uint32, error) {
	if !s.enter() {
		return 0, ErrClosed
	}
	defer s.leave()
	r := C.go_dimension_number(s.c, name)
	return uint32(r.value), errorOf(r.error)
}

// DimensionLayers is how many layers a dimension has; DimensionNotFound if there is none.
func (s *Snapshot) DimensionLayers(dimension uint32) (uint64, error) {
	if !s.enter() {
		return 0, ErrClosed
	}
	defer s.leave()
	r := C.go_dimension_layers(s.c, C.uint32_t(dimension))
	return uint64(r.value), errorOf(r.error)
}

// Cursor walks through the layers of a dimension, ascending by number, and asks C for many at a time.
// For one goroutine at a time.
//
//	cursor, err := snapshot.Walk(1)
//	...
//	defer cursor.Close()
//	for cursor.Next() {
//		use(cursor.Number(), cursor.Layer())
//	}
//	if cursor.Err() != nil { ... }
type Cursor struct {
	snapshot *Snapshot
	c        *C.strata_cursor
	numbers  [256]uint64
	places   [256]place
	at, size int
	err      error
}

// Walk begins before the first layer. DimensionNotFound if there is no such dimension. The cursor holds
// the generation until it is closed.
func (s *Snapshot) Walk(dimension uint32) (*Cursor, error) {
	if !s.enter() {
		return nil, ErrClosed
	}
	defer s.leave()
	r := C.go_cursor(s.c, C.uint32_t(dimension))
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	cursor := &Cursor{snapshot: s, c: (*C.strata_cursor)(r.handle), at: -1}
	runtime.SetFinalizer(cursor, (*Cursor).Close)
	return cursor, nil
}

// Next moves on; false at the end, and where damaged bytes (Err) end the walk.
func (c *Cursor) Next() bool {
	if c.at+1 < c.size {
		c.at++
		return true
	}
	c.at, c.size = -1, 0
	if c.c == nil || c.err != nil {
		return false
	}
	r := C.go_cursor_next(c.c, pointerTo(c.numbers[:]), pointerTo(c.places[:]), C.size_t(len(c.numbers)))
	if r.error != nil {
		c.err = errorOf(r.error)
		return false
	}
	c.size = int(r.value)
	if c.size == 0 {
		return false
	}
	c.at = 0
	return true
}

// Number is that of the layer where Next has stopped; 0 before and after.
func (c *Cursor) Number() uint64 {
	if c.at < 0 {
		return 0
	}
	return c.numbers[c.at]
}

// Layer is the one where Next has stopped; it belongs to the snapshot, not to the cursor.
func (c *Cursor) Layer() Layer {
	if c.at < 0 {
		return Layer{}
	}
	return Layer{c.snapshot, c.places[c.at]}
}

// Err is what ended the walk early; nil at its end.
func (c *Cursor) Err() error { return c.err }

// Close gives the cursor back. A second Close does nothing.
func (c *Cursor) Close() error {
	runtime.SetFinalizer(c, nil)
	C.strata_cursor_close(c.c)
	c.c, c.at, c.size = nil, -1, 0
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

import (
	"math"
	"runtime"
	"time"
	"unsafe"
)

// Snapshot is one generation of the whole store, unchanged while it is open. Its methods may be called
// by any goroutine. It may outlive its consumer.
type Snapshot struct {
	handle
	c          *C.strata_snapshot
	generation uint64
}

// Snapshot takes the newest generation. Errors: Corrupt, Truncated, System.
func (c *Consumer) Snapshot() (*Snapshot, error) { return c.snapshot(0) }

// SnapshotAt takes an earlier generation that the producer retains, else GenerationNotRetained.
func (c *Consumer) SnapshotAt(generation uint64) (*Snapshot, error) {
	if generation == 0 { // which never was
		return nil, &Error{Code: GenerationNotRetained, Operation: "take snapshot", Path: c.name,
			Hint:    "generations start at 1; Retained tells which there are",
			Message: "strata: take snapshot: there is no generation 0"}
	}
	return c.snapshot(generation)
}

// SnapshotAtTime takes what was current at a time, by the producer's clock: the newest generation that
// is retained and was published then or earlier, else GenerationNotRetained.
func (c *Consumer) SnapshotAtTime(at time.Time) (*Snapshot, error) {
	return c.taken(func() C.go_handle { return C.go_snapshot_at_time(c.c, C.int64_t(nanoseconds(at))) })
}

// nanoseconds since 1970, the nearest that 64 bits can say: UnixNano is undefined beyond.
func nanoseconds(at time.Time) int64 {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	switch {
	case at.Before(first):
		return math.MinInt64
	case at.After(last):
		return math.MaxInt64
	}
	return at.UnixNano()
}

func (c *Consumer) snapshot(generation uint64) (*Snapshot, error) {
	return c.taken(func() C.go_handle { return C.go_snapshot(c.c, C.uint64_t(generation)) })
}

func (c *Consumer) taken(take func() C.go_handle) (*Snapshot, error) {
	if !c.enter() {
		return nil, ErrClosed
	}
	defer c.leave()
	r := take()
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	handle := (*C.strata_snapshot)(r.handle)
	snapshot := &Snapshot{c: handle, generation: uint64(C.strata_snapshot_generation(handle))}
	snapshot.free = func() { C.strata_snapshot_release(handle) }
	runtime.SetFinalizer(snapshot, (*Snapshot).Close)
	return snapshot, nil
}

// Close releases the snapshot: from here on no slice of its layers may be read. A second Close does
// nothing.
func (s *Snapshot) Close() error {
	if s.close() {
		runtime.SetFinalizer(s, nil)
	}
	return nil
}

// Generation stays known when the snapshot is closed.
func (s *Snapshot) Generation() uint64 { return s.generation }

// SnapshotInfo is what the root of a generation says.
type SnapshotInfo struct {
	Generation         uint64
	Published          time.Time // by the producer's clock
	Layers, Dimensions uint64
}

func (s *Snapshot) Info() (SnapshotInfo, error) {
	if !s.enter() {
		return SnapshotInfo{}, ErrClosed
	}
	defer s.leave()
	r := C.go_snapshot_describe(s.c)
	return SnapshotInfo{
		Generation: uint64(r.info.generation),
		Published:  time.Unix(0, int64(r.info.published_at_ns)),
		Layers:     uint64(r.info.layers),
		Dimensions: uint64(r.info.dimensions),
	}, errorOf(r.error)
}

// Find looks a layer up by its number. One that there is not is no error: Layer.Exists tells. Errors
// are what keeps it from being read: Corrupt, Truncated, PermissionDenied, NotTrusted, System.
func (s *Snapshot) Find(dimension uint32, layer uint64) (Layer, error) {
	if !s.enter() {
		return Layer{}, ErrClosed
	}
	defer s.leave()
	return s.found(C.go_find(unsafe.Pointer(s.c), C.uint32_t(dimension), C.uint64_t(layer)))
}

// FindName looks up the layer that was put under this name. As Find.
func (s *Snapshot) FindName(dimension uint32, name string) (Layer, error) {
	if !s.enter() {
		return Layer{}, ErrClosed
	}
	defer s.leave()
	return s.found(C.go_find_name(unsafe.Pointer(s.c), C.uint32_t(dimension), name))
}

func (s *Snapshot) found(r C.go_layer) (Layer, error) {
	if r.error != nil {
		return Layer{}, errorOf(r.error)
	}
	return Layer{s, *(*place)(unsafe.Pointer(&r.layer))}, nil
}

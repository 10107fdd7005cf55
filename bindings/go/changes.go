// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

import "unsafe"

// ChangeKind says what happened to a layer.
type ChangeKind uint32

const (
	Added   ChangeKind = C.STRATA_ADDED
	Updated ChangeKind = C.STRATA_UPDATED
	Removed ChangeKind = C.STRATA_REMOVED
)

func (k ChangeKind) String() string {
	switch k {
	case Added:
		return "added"
	case Updated:
		return "updated"
	case Removed:
		return "removed"
	}
	return "unknown"
}

// Change is one layer that differs. Before belongs to the earlier snapshot, After to the later one;
// of a layer that was added, or removed, one does not exist.
type Change struct {
	ID            ID
	Kind          ChangeKind
	Before, After Layer
}

// Changes is everything that differs, ascending by ID. before may be nil: an empty store. Either may be
// the older one. O(changes), not O(layers). Errors: InvalidArgument (of different stores), Corrupt.
func Changes(before, after *Snapshot) ([]Change, error) { return changes(before, after, 0, 0) }

// ChangesIn is Changes of one dimension.
func ChangesIn(before, after *Snapshot, dimension uint32) ([]Change, error) {
	return changes(before, after, 1, dimension)
}

// DimensionChange is a dimension that one of two snapshots does not have, or has under another name.
type DimensionChange struct {
	Dimension     uint32
	Kind          DimensionChangeKind
	Before, After string // its names; Before is empty if it was added, After if it was removed
}

// DimensionChangeKind says what happened to a dimension.
type DimensionChangeKind uint32

const (
	DimensionAdded   DimensionChangeKind = C.STRATA_DIMENSION_ADDED
	DimensionRemoved DimensionChangeKind = C.STRATA_DIMENSION_REMOVED
	DimensionRenamed DimensionChangeKind = C.STRATA_DIMENSION_RENAMED
)

func (k DimensionChangeKind) String() string {
	switch k {
	case DimensionAdded:
		return "added"
	case DimensionRemoved:
		return "removed"
	case DimensionRenamed:
		return "renamed"
	}
	return "unknown"
}

// DimensionChanges is all of them, ascending by number; also those without a layer, of which Changes
// has nothing to say. before may be nil: an empty store. Errors as Changes.
func DimensionChanges(before, after *Snapshot) ([]DimensionChange, error) {
	from, leave, err := pair(before, after)
	if err != nil {
		return nil, err
	}
	defer leave()
	r := C.go_dimension_changes(from, after.c)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	list := (*C.strata_dimension_changes)(r.handle)
	defer C.strata_dimension_changes_free(list)
	var all []DimensionChange
	for i := C.size_t(0); i < C.strata_dimension_changes_size(list); i++ {
		r := C.go_dimension_change_at(list, i)
		if r.error != nil {
			return nil, errorOf(r.error)
		}
		all = append(all, DimensionChange{
			Dimension: uint32(r.change.dimension),
			Kind:      DimensionChangeKind(r.change.kind),
			Before:    goString(r.change.before),
			After:     goString(r.change.after),
		})
	}
	return all, nil
}

func changes(before, after *Snapshot, one C.int, dimension uint32) ([]Change, error) {
	from, leave, err := pair(before, after)
	if err != nil {
		return nil, err
	}
	defer leave()
	r := C.go_changes(from, after.c, one, C.uint32_t(dimension))
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	list := (*C.strata_changes)(r.handle)
	defer C.strata_changes_free(list)
	size := int(C.strata_changes_size(list))
	if size == 0 {
		return nil, nil
	}
	all := make([]Change, size)
	for i, c := range unsafe.Slice(C.strata_changes_data(list), size) {
		all[i] = Change{
			ID:     ID{Dimension: uint32(c.id.dimension), Layer: uint64(c.id.layer)},
			Kind:   ChangeKind(c.kind),
			Before: Layer{before, *(*place)(unsafe.Pointer(&c.before))},
			After:  Layer{after, *(*place)(unsafe.Pointer(&c.after))},
		}
	}
	return all, nil
}

// pair enters both snapshots; before may be nil, which C calls NULL. leave leaves them.
func pair(before, after *Snapshot) (from *C.strata_snapshot, leave func(), err error) {
	if after == nil {
		return nil, nil, misuse("compare snapshots", "after is nil")
	}
	if !after.enter() {
		return nil, nil, ErrClosed
	}
	if before == nil {
		return nil, after.leave, nil
	}
	if !before.enter() {
		after.leave()
		return nil, nil, ErrClosed
	}
	return before.c, func() { before.leave(); after.leave() }, nil
}

// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_producer.h"
// #include "shim_snapshot.h"
import "C"

import "time"

// Bookmark is a generation that is kept under a name until that is taken away, whoever is producer
// meanwhile.
type Bookmark struct {
	Name       string
	Generation uint64
	Made       time.Time // when this generation got the name
}

// SetBookmark gives a generation a name: the newest one (0), or one that is retained or has another
// bookmark. A name that is taken moves. It gives the generation. Errors: InvalidName,
// GenerationNotRetained, LimitExceeded (a store has 64), NoSpace, PermissionDenied.
func (p *Producer) SetBookmark(name string, generation uint64) (uint64, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.leave()
	r := C.go_set_bookmark(p.c, name, C.uint64_t(generation))
	return uint64(r.value), errorOf(r.error)
}

// RemoveBookmark takes a name away. Snapshots by it stay; what nobody reads comes free. Else
// BookmarkNotFound.
func (p *Producer) RemoveBookmark(name string) error {
	if !p.enter() {
		return ErrClosed
	}
	defer p.leave()
	return errorOf(C.go_remove_bookmark(p.c, name))
}

// SnapshotAtBookmark takes the generation that has this bookmark, else BookmarkNotFound. It reads a
// small file: some 20 microseconds.
func (c *Consumer) SnapshotAtBookmark(name string) (*Snapshot, error) {
	return c.taken(func() C.go_handle { return C.go_snapshot_bookmark(c.c, name) })
}

// Bookmarks gives all of the store, by name.
func (c *Consumer) Bookmarks() ([]Bookmark, error) {
	if !c.enter() {
		return nil, ErrClosed
	}
	defer c.leave()
	r := C.go_bookmarks(c.c)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	list := (*C.strata_bookmark_list)(r.handle)
	defer C.strata_bookmark_list_free(list)
	all := make([]Bookmark, C.strata_bookmark_list_size(list))
	for i := range all {
		b := C.go_bookmark_get(list, C.size_t(i))
		all[i] = Bookmark{goString(b.name), uint64(b.generation), time.Unix(0, int64(b.made_at_ns))}
	}
	return all, nil
}

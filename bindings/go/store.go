// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_consumer.h"
import "C"

import (
	"io/fs"
	"time"
)

// StoreInfo is what can be known of a store without its producer. Numbers of the newest generation
// are of one moment; the rest was read at about the same time.
type StoreInfo struct {
	ID                         string // 32 hexadecimal digits: another store of the name differs
	FormatVersion, Owner       uint32 // Owner: user id
	Mode                       fs.FileMode
	Created, Published         time.Time
	ProducerPID                int    // in its own pid namespace; 0: there is none
	Readers                    uint64 // pins
	Generation, OldestRetained uint64
	Dimensions, Layers         uint64
	MemoryLimit, LiveBytes     uint64
	CommittedBytes             uint64
	RegionMaxBytes             uint64
}

// Inspect looks at a store without attaching to it. Errors as Attach.
func Inspect(name, base string) (StoreInfo, error) {
	path, free, err := basePath(base)
	if err != nil {
		return StoreInfo{}, err
	}
	defer free()
	r := C.go_inspect(name, path)
	if r.error != nil {
		return StoreInfo{}, errorOf(r.error)
	}
	i := &r.info
	return StoreInfo{
		ID:             C.GoString(&i.id[0]),
		FormatVersion:  uint32(i.format_version),
		Owner:          uint32(i.owner),
		Mode:           fs.FileMode(i.mode),
		Created:        time.Unix(0, int64(i.created_at_ns)),
		Published:      time.Unix(0, int64(i.published_at_ns)),
		ProducerPID:    int(i.producer_pid),
		Readers:        uint64(i.readers),
		Generation:     uint64(i.generation),
		OldestRetained: uint64(i.oldest_retained),
		Dimensions:     uint64(i.dimensions),
		Layers:         uint64(i.layers),
		MemoryLimit:    uint64(i.memory_limit),
		LiveBytes:      uint64(i.live_bytes),
		CommittedBytes: uint64(i.committed_bytes),
		RegionMaxBytes: uint64(i.region_max_bytes),
	}, nil
}

// Statistics of a store, as JSON: statistics.hpp says what each means. Errors as Attach.
func Statistics(name, base string) ([]byte, error) {
	path, free, err := basePath(base)
	if err != nil {
		return nil, err
	}
	defer free()
	return textOf(C.go_statistics(name, path))
}

// Stores gives the names of all stores under a base path ("": the default one), sorted; none if there
// is no such directory.
func Stores(base string) ([]string, error) {
	path, free, err := basePath(base)
	if err != nil {
		return nil, err
	}
	defer free()
	r := C.go_stores(path)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	list := (*C.strata_store_list)(r.handle)
	defer C.strata_store_list_free(list)
	names := make([]string, C.strata_store_list_size(list))
	for i := range names {
		names[i] = goString(C.strata_store_list_name(list, C.size_t(i)))
	}
	return names, nil
}

// RemoveStore removes a store for good: its name disappears atomically. Attached consumers keep what
// they have mapped. Errors: StoreNotFound, ProducerActive, PermissionDenied, System.
func RemoveStore(name, base string) error {
	path, free, err := basePath(base)
	if err != nil {
		return err
	}
	defer free()
	return errorOf(C.go_remove_store(name, path))
}

// Version of the library: "major.minor.patch".
func Version() string { return C.GoString(C.strata_version()) }

func goString(s C.strata_string) string { return C.GoStringN(s.data, C.int(s.size)) }

// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

import "unsafe"

// place is C's strata_layer without a pointer, so that the garbage collector and cgo's checks need not
// look at lists of them. The memory is not Go's.
type place struct {
	data  uintptr
	size  uint64
	token uint64
}

func (p place) c() C.strata_layer { return *(*C.strata_layer)(unsafe.Pointer(&p)) }

func (p place) pointer() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p.data)) }

// The layouts that are shared with C: neither is negative.
const (
	_ = uint(unsafe.Sizeof(place{}) - C.sizeof_strata_layer)
	_ = uint(C.sizeof_strata_layer - unsafe.Sizeof(place{}))
	_ = uint(unsafe.Sizeof(ID{}) - C.sizeof_strata_id)
	_ = uint(C.sizeof_strata_id - unsafe.Sizeof(ID{}))
)

// ID names one layer by numbers.
type ID struct {
	Dimension uint32
	reserved  uint32 // as strata_id has it
	Layer     uint64
}

// LayerNumber is the number of the layer called name.
func LayerNumber(name string) uint64 { return uint64(C.go_layer_number(name)) }

// Layer is one published, immutable layer. It refers to its snapshot, and is of use while that is
// open. The zero Layer does not exist.
type Layer struct {
	snapshot *Snapshot
	place    place
}

// Exists tells whether there is such a layer. One of no bytes exists.
func (l Layer) Exists() bool { return l.place.data != 0 }

// Size of the payload in bytes.
func (l Layer) Size() int { return int(l.place.size) }

// Bytes is the payload in place: valid until the snapshot is closed, and not to be written to (which
// would fault: it is mapped read-only). nil if the layer does not exist or the snapshot is closed. See
// the package's Memory: keep the Snapshot, by its deferred Close, for as long as the slice.
func (l Layer) Bytes() []byte {
	if !l.Exists() || l.snapshot.closed() {
		return nil
	}
	return unsafe.Slice((*byte)(l.place.pointer()), l.Size())
}

// enter begins a call on the layer; leave must follow if there is no error.
func (l Layer) enter(operation string) error {
	if !l.Exists() {
		return &Error{Code: LayerNotFound, Operation: operation,
			Message: "strata: " + operation + ": there is no such layer",
			Hint:    "ask Layer.Exists first"}
	}
	if !l.snapshot.enter() {
		return ErrClosed
	}
	return nil
}

// Copy is a copy of the payload. A file that was cut short is an error: Truncated. A microsecond and
// the copy.
func (l Layer) Copy() ([]byte, error) {
	to := make([]byte, l.Size())
	if err := l.CopyAt(to, 0); err != nil {
		return nil, err
	}
	return to, nil
}

// CopyAt fills `to` with the payload from offset on, as Copy; InvalidArgument beyond its end.
func (l Layer) CopyAt(to []byte, offset uint64) error {
	if err := l.enter("copy layer"); err != nil {
		return err
	}
	defer l.snapshot.leave()
	return errorOf(C.go_layer_copy(l.place.c(), C.uint64_t(offset), pointerTo(to), C.size_t(len(to))))
}

// Text is a copy of the payload as a string.
func (l Layer) Text() (string, error) {
	bytes, err := l.Copy()
	return string(bytes), err
}

// LayerInfo is what is stored beside a payload; copies.
type LayerInfo struct {
	ID         ID
	Generation uint64  // in which this version was published
	Frequency  float64 // Hz
	Checksum   uint64
	TypeTag    uint64 // 0: plain bytes
	Name       string // "": the layer has a number only
	Keywords   []string
}

// Info reads the layer's header and metadata; Corrupt if that is damaged.
func (l Layer) Info() (LayerInfo, error) {
	if err := l.enter("describe layer"); err != nil {
		return LayerInfo{}, err
	}
	defer l.snapshot.leave()
	r := C.go_layer_describe(l.place.c())
	if r.error != nil {
		return LayerInfo{}, errorOf(r.error)
	}
	info := LayerInfo{
		ID:         ID{Dimension: uint32(r.info.dimension), Layer: uint64(r.info.layer)},
		Generation: uint64(r.info.generation),
		Frequency:  float64(r.info.frequency),
		Checksum:   uint64(r.info.checksum),
		TypeTag:    uint64(r.info.type_tag),
		Name:       goString(r.info.name),
	}
	if count := uintptr(r.info.keywords); count > 0 {
		words := (*C.strata_string)(C.calloc(C.size_t(count), C.sizeof_strata_string))
		if words == nil {
			return LayerInfo{}, errorOf(&C.go_out_of_memory)
		}
		defer C.free(unsafe.Pointer(words))
		if e := C.go_layer_keywords(l.place.c(), words, C.size_t(count)); e != nil {
			return LayerInfo{}, errorOf(e)
		}
		info.Keywords = make([]string, count)
		for i, word := range unsafe.Slice(words, count) {
			info.Keywords[i] = goString(word)
		}
	}
	return info, nil
}

// Verify recomputes the checksum over all bytes: Corrupt if it does not match, Truncated if the file
// was cut short. O(size).
func (l Layer) Verify() error {
	if err := l.enter("verify layer"); err != nil {
		return err
	}
	defer l.snapshot.leave()
	return errorOf(C.go_layer_verify(l.place.c()))
}

// pointerTo gives the first byte's address, NULL of none.
func pointerTo[T any](slice []T) C.go_memory {
	if len(slice) == 0 {
		return nil
	}
	return C.go_memory(unsafe.Pointer(&slice[0]))
}

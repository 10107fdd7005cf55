// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_producer.h"
import "C"

import (
	"sync"
	"unsafe"
)

// Batch is a set of changes that become visible together, or not at all. It locks itself: goroutines
// may share one, though each with its own is quicker.
type Batch struct {
	producer *Producer
	mutex    sync.Mutex
	c        *C.strata_batch // nil: closed
}

// LayerOptions are what a layer carries beside its payload; zero is the default everywhere.
type LayerOptions struct {
	Frequency float64 // Hz
	Keywords  []string
	Alignment uint32 // of the payload: a power of two, 8 (also 0) to 4096
	TypeTag   uint64 // 0: plain bytes; PutValue and PutValues set it
}

// Put copies data in as the new version of the layer; a dimension that is not there is added. After an
// error (LimitExceeded, NoSpace, LayerTooLarge, InvalidArgument) the batch is as it was.
func (b *Batch) Put(dimension uint32, layer uint64, data []byte, options LayerOptions) error {
	_, err := b.put(dimension, layer, 0, "", data, options)
	return err
}

// PutName is Put for a layer with a name, and gives its number. NameCollision, here or from
// Crystallize, if that number belongs to another name.
func (b *Batch) PutName(dimension uint32, name string, data []byte, options LayerOptions) (uint64, error) {
	return b.put(dimension, 0, 1, name, data, options)
}

// PutValue puts one T, for Value of every language that calls the type the same.
func PutValue[T any](b *Batch, dimension uint32, layer uint64, value T, options LayerOptions) error {
	_, err := putTyped(b, dimension, layer, 0, "", []T{value}, options, 0)
	return err
}

// PutNameValue is PutValue for a layer with a name, and gives its number.
func PutNameValue[T any](b *Batch, dimension uint32, name string, value T, options LayerOptions) (uint64, error) {
	return putTyped(b, dimension, 0, 1, name, []T{value}, options, 0)
}

// PutValues puts an array of T, for Values.
func PutValues[T any](b *Batch, dimension uint32, layer uint64, values []T, options LayerOptions) error {
	_, err := putTyped(b, dimension, layer, 0, "", values, options, 1)
	return err
}

// PutNameValues is PutValues for a layer with a name, and gives its number.
func PutNameValues[T any](b *Batch, dimension uint32, name string, values []T, options LayerOptions) (uint64, error) {
	return putTyped(b, dimension, 0, 1, name, values, options, 1)
}

func putTyped[T any](b *Batch, dimension uint32, layer uint64, named C.int, name string, values []T,
	options LayerOptions, array C.uint32_t) (uint64, error) {
	t, err := TypeOf[T]()
	if err != nil {
		return 0, err
	}
	options.TypeTag = t.tag(array)
	return b.put(dimension, layer, named, name, bytesOf(values, t), options)
}

var someByte [1]byte // the address of no bytes

func (b *Batch) put(dimension uint32, layer uint64, named C.int, name string, data []byte,
	options LayerOptions) (uint64, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.c == nil {
		return 0, ErrClosed
	}
	words, sizes := joined(options.Keywords)
	r := C.go_put(b.c, C.uint32_t(dimension), C.uint64_t(layer), named, name, pointerTo(data),
		C.size_t(len(data)), C.double(options.Frequency), C.uint32_t(options.Alignment),
		C.uint64_t(options.TypeTag), pointerTo(words), pointerTo(sizes), C.size_t(len(sizes)))
	return uint64(r.value), errorOf(r.error)
}

// joined is the form of keywords that C may see: Go memory without Go pointers in it.
func joined(keywords []string) (words []byte, sizes []uint64) {
	for _, keyword := range keywords {
		words = append(words, keyword...)
		sizes = append(sizes, uint64(len(keyword)))
	}
	if len(sizes) > 0 && len(words) == 0 {
		words = someByte[:]
	}
	return words, sizes
}

// Build has fill write the payload in place, without a copy: room has size bytes, zeroed, and must not
// be used after fill has returned, nor the batch in it. What fill leaves is what Crystallize publishes;
// if it fails, Clear or Close drop it. Errors are fill's, and those of Put.
func (b *Batch) Build(dimension uint32, layer uint64, size int, options LayerOptions,
	fill func(room []byte) error) error {
	_, err := b.build(dimension, layer, 0, "", size, options, fill)
	return err
}

// BuildName is Build for a layer with a name, and gives its number.
func (b *Batch) BuildName(dimension uint32, name string, size int, options LayerOptions,
	fill func(room []byte) error) (uint64, error) {
	return b.build(dimension, 0, 1, name, size, options, fill)
}

func (b *Batch) build(dimension uint32, layer uint64, named C.int, name string, size int,
	options LayerOptions, fill func(room []byte) error) (uint64, error) {
	if size < 0 {
		return 0, misuse("build layer", "a size is not negative")
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.c == nil {
		return 0, ErrClosed
	}
	words, sizes := joined(options.Keywords)
	r := C.go_loan(b.c, C.uint32_t(dimension), C.uint64_t(layer), named, name, C.size_t(size),
		C.double(options.Frequency), C.uint32_t(options.Alignment), C.uint64_t(options.TypeTag),
		pointerTo(words), pointerTo(sizes), C.size_t(len(sizes)))
	if r.error != nil {
		return 0, errorOf(r.error)
	}
	return uint64(r.layer), fill(unsafe.Slice((*byte)(r.room), size))
}

// Erase removes a layer; no effect if there is none.
func (b *Batch) Erase(dimension uint32, layer uint64) error {
	return b.call(func() *C.strata_error {
		return C.go_erase(b.c, C.uint32_t(dimension), C.uint64_t(layer))
	})
}

// EraseName removes the layer of that name; no effect if there is none.
func (b *Batch) EraseName(dimension uint32, name string) error {
	return b.call(func() *C.strata_error { return C.go_erase_name(b.c, C.uint32_t(dimension), name) })
}

// RemoveDimension removes a dimension with all its layers, those put earlier in this batch included.
func (b *Batch) RemoveDimension(dimension uint32) error {
	return b.call(func() *C.strata_error { return C.go_remove_dimension(b.c, C.uint32_t(dimension)) })
}

// ClearDimension removes all layers that the dimension has when the batch is crystallized but those that
// this batch puts; no effect if there is no such dimension.
func (b *Batch) ClearDimension(dimension uint32) error {
	return b.call(func() *C.strata_error { return C.go_clear_dimension(b.c, C.uint32_t(dimension)) })
}

// NameDimension adds an empty dimension, or renames it.
func (b *Batch) NameDimension(dimension uint32, name string) error {
	return b.call(func() *C.strata_error {
		return C.go_name_dimension(b.c, C.uint32_t(dimension), name)
	})
}

func (b *Batch) call(action func() *C.strata_error) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.c == nil {
		return ErrClosed
	}
	return errorOf(action())
}

// Dimension gives the number of the dimension called name, to put into: a new one is added if there is
// none. O(dimensions). InvalidArgument: a name of 0 bytes, or of more than 55.
func (b *Batch) Dimension(name string) (uint32, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.c == nil {
		return 0, ErrClosed
	}
	r := C.go_batch_dimension(b.c, name)
	return uint32(r.value), errorOf(r.error)
}

// Crystallize publishes all of it atomically, gives the generation, and leaves the batch empty for the
// next use. After an error (LimitExceeded, NoSpace, NameCollision, DimensionNotFound, StoreReplaced)
// nothing was published, and the call may be repeated. An empty batch publishes nothing.
func (b *Batch) Crystallize() (uint64, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.c == nil {
		return 0, ErrClosed
	}
	r := C.go_crystallize(b.c)
	return uint64(r.value), errorOf(r.error)
}

// Clear drops all changes.
func (b *Batch) Clear() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	C.strata_batch_clear(b.c)
}

// Len is the number of changes that wait.
func (b *Batch) Len() int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return int(C.strata_batch_size(b.c))
}

// Close drops what was not published, and the batch. A second Close does nothing.
func (b *Batch) Close() error {
	b.producer.mutex.Lock()
	defer b.producer.mutex.Unlock()
	delete(b.producer.batches, b)
	b.end()
	return nil
}

// end gives the batch back; with the producer's lock held.
func (b *Batch) end() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	C.strata_batch_free(b.c)
	b.c = nil
}

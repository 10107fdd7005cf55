// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_consumer.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// TrustedOwner says who may own a store for it to be attached.
type TrustedOwner uint32

const (
	TrustSelfOrRoot TrustedOwner = C.STRATA_TRUST_SELF_OR_ROOT
	TrustAnybody    TrustedOwner = C.STRATA_TRUST_ANYBODY
	TrustUser       TrustedOwner = C.STRATA_TRUST_USER // ConsumerOptions.Owner, or root
)

// NoLookupCache is for ConsumerOptions.LookupCacheBytes.
const NoLookupCache = ^uint64(0)

// ConsumerOptions of Attach; zero is the default everywhere.
type ConsumerOptions struct {
	BasePath         string        // "": /dev/shm/strata, or STRATA_BASE_PATH
	WaitForStore     time.Duration // how long to wait for the store to appear
	TrustedOwner     TrustedOwner
	Owner            uint32 // user id, for TrustUser
	NoIdlePin        bool   // no background thread; then the last snapshot's end is a system call
	LookupCacheBytes uint64 // 0: an eighth of the store, 64 MiB for all of the process
}

// Consumer is a process's read-only end of a store. It writes to nothing that is shared. Its methods
// may be called by any goroutine.
type Consumer struct {
	handle
	c       *C.strata_consumer
	name    string
	options ConsumerOptions

	mutex sync.Mutex
	waits map[*C.strata_cancellation]struct{} // of those that wait now
}

// Attach attaches to a store: some 25 microseconds, whatever its size. Errors: StoreNotFound,
// NotAStore, FormatVersion, ByteOrder, PermissionDenied, NotTrusted, Corrupt, Truncated, InvalidName,
// System.
func Attach(name string, options ConsumerOptions) (*Consumer, error) {
	var c C.strata_attach_options
	c.trusted_owner = C.uint32_t(options.TrustedOwner)
	c.owner = C.uint32_t(options.Owner)
	c.no_idle_pin = flag(options.NoIdlePin)
	if options.WaitForStore > 0 {
		c.wait_for_store_ms = C.uint64_t((options.WaitForStore + time.Millisecond - 1) / time.Millisecond)
	}
	c.lookup_cache_bytes = C.uint64_t(options.LookupCacheBytes)
	base, free, err := basePath(options.BasePath)
	if err != nil {
		return nil, err
	}
	defer free()
	r := C.go_attach(name, base, c)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	handle := (*C.strata_consumer)(r.handle)
	consumer := &Consumer{c: handle, name: name, options: options}
	consumer.free = func() { C.strata_detach(handle) }
	runtime.SetFinalizer(consumer, (*Consumer).Close)
	return consumer, nil
}

// Reattach attaches anew under the same name and options: for StoreWasReplaced. The old consumer and
// its snapshots stay as they are, until they are closed.
func (c *Consumer) Reattach() (*Consumer, error) { return Attach(c.name, c.options) }

// Close detaches. Waits of other goroutines end with ErrClosed; snapshots stay valid. A second Close
// does nothing.
func (c *Consumer) Close() error {
	if c.close() {
		runtime.SetFinalizer(c, nil)
		c.mutex.Lock()
		defer c.mutex.Unlock()
		for wait := range c.waits {
			C.strata_cancellation_request(wait)
		}
	}
	return nil
}

// Generation is the newest published one; 0 if the consumer is closed.
func (c *Consumer) Generation() uint64 {
	if !c.enter() {
		return 0
	}
	defer c.leave()
	return uint64(C.strata_generation(c.c))
}

// DurableGeneration is the newest one that survives a power failure; 0: there is none. DurabilityLost: a
// flush failed, and nothing newer will become durable.
func (c *Consumer) DurableGeneration() (uint64, error) {
	if !c.enter() {
		return 0, ErrClosed
	}
	defer c.leave()
	r := C.go_durable_generation(c.c)
	return uint64(r.value), errorOf(r.error)
}

// Retained gives the oldest and the newest generation that SnapshotAt can take now.
func (c *Consumer) Retained() (oldest, newest uint64, err error) {
	if !c.enter() {
		return 0, 0, ErrClosed
	}
	defer c.leave()
	r := C.go_retained(c.c)
	return uint64(r.oldest), uint64(r.newest), errorOf(r.error)
}

// ProducerPID is the process that produces, in its own pid namespace; 0: there is none.
func (c *Consumer) ProducerPID() (int, error) {
	if !c.enter() {
		return 0, ErrClosed
	}
	defer c.leave()
	r := C.go_producer_pid(c.c)
	return int(r.value), errorOf(r.error)
}

// StoreWasReplaced tells whether the attached store was removed, or another one has its name now.
func (c *Consumer) StoreWasReplaced() (bool, error) {
	if !c.enter() {
		return false, ErrClosed
	}
	defer c.leave()
	r := C.go_store_replaced(c.c)
	return r.value != 0, errorOf(r.error)
}

// Statistics of the store, as JSON: statistics.hpp says what each means.
func (c *Consumer) Statistics() ([]byte, error) {
	if !c.enter() {
		return nil, ErrClosed
	}
	defer c.leave()
	return textOf(C.go_consumer_statistics_json(c.c))
}

// ConsumerMemory is what a consumer takes of its process's memory.
type ConsumerMemory struct {
	LookupCacheBytes, LookupCacheLimit           uint64
	CachedDimensions, CachedLists, MappedRegions uint64
}

func (c *Consumer) Memory() (ConsumerMemory, error) {
	if !c.enter() {
		return ConsumerMemory{}, ErrClosed
	}
	defer c.leave()
	r := C.go_consumer_describe(c.c)
	return ConsumerMemory{
		LookupCacheBytes: uint64(r.statistics.lookup_cache_bytes),
		LookupCacheLimit: uint64(r.statistics.lookup_cache_limit),
		CachedDimensions: uint64(r.statistics.cached_dimensions),
		CachedLists:      uint64(r.statistics.cached_lists),
		MappedRegions:    uint64(r.statistics.mapped_regions),
	}, errorOf(r.error)
}

// WaitResult is how a wait ended.
type WaitResult int

const (
	Changed          WaitResult = C.STRATA_WAIT_CHANGED        // there is a newer generation
	ProducerGone     WaitResult = C.STRATA_WAIT_PRODUCER_GONE  // nothing newer, and nobody to publish it
	WaitStoreChanged WaitResult = C.STRATA_WAIT_STORE_REPLACED // removed, or another one: Reattach
	Cancelled        WaitResult = C.STRATA_WAIT_CANCELLED      // the error says by whom
)

// Wait sleeps in the kernel until a generation newer than `seen` is published, the producer goes, the
// store is replaced, or ctx is done (then with ctx.Err()). It takes a thread for as long as it
// sleeps, which it gives back whatever ends it.
func (c *Consumer) Wait(ctx context.Context, seen uint64) (WaitResult, error) {
	return c.wait(ctx, seen, false)
}

// WaitThrough is Wait, but the producer's end does not end it: another one may come.
func (c *Consumer) WaitThrough(ctx context.Context, seen uint64) (WaitResult, error) {
	return c.wait(ctx, seen, true)
}

func (c *Consumer) wait(ctx context.Context, seen uint64, through bool) (WaitResult, error) {
	if !c.enter() {
		return Cancelled, ErrClosed
	}
	defer c.leave()
	if err := ctx.Err(); err != nil {
		return Cancelled, err
	}
	made := C.go_cancellation_new()
	if made.error != nil {
		return Cancelled, errorOf(made.error)
	}
	cancellation := (*C.strata_cancellation)(made.handle)
	defer C.strata_cancellation_free(cancellation)
	if !c.beginWait(cancellation) {
		return Cancelled, ErrClosed
	}
	defer c.endWait(cancellation)
	if ctx.Done() != nil {
		over, watched := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-ctx.Done():
				C.strata_cancellation_request(cancellation)
			case <-over:
			}
		}()
		defer func() {
			close(over)
			<-watched // it must not touch what is freed next
		}()
	}
	r := C.go_wait(c.c, C.uint64_t(seen), flag(through), cancellation)
	if r.error != nil {
		return Cancelled, errorOf(r.error)
	}
	result := WaitResult(r.value)
	if result == Cancelled {
		if err := ctx.Err(); err != nil {
			return Cancelled, err
		}
		return Cancelled, ErrClosed
	}
	return result, nil
}

// beginWait has Close end the wait; false if it has been called already.
func (c *Consumer) beginWait(cancellation *C.strata_cancellation) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed() {
		return false
	}
	if c.waits == nil {
		c.waits = make(map[*C.strata_cancellation]struct{})
	}
	c.waits[cancellation] = struct{}{}
	return true
}

func (c *Consumer) endWait(cancellation *C.strata_cancellation) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.waits, cancellation)
}

// Follow calls each with a snapshot of the newest generation, now and whenever there is a newer one;
// generations between are left out. It closes the snapshot when each returns. It ends with the error
// of each, with ctx.Err(), with StoreReplaced, or with another one of Wait's.
func (c *Consumer) Follow(ctx context.Context, each func(*Snapshot) error) error {
	for {
		snapshot, err := c.Snapshot()
		if err != nil {
			return err
		}
		seen := snapshot.Generation()
		err = func() error {
			defer snapshot.Close()
			return each(snapshot)
		}()
		if err != nil {
			return err
		}
		result, err := c.WaitThrough(ctx, seen)
		if err != nil {
			return err
		}
		if result == WaitStoreChanged {
			return &Error{Code: StoreReplaced, Operation: "follow", Path: c.name,
				Hint:    "Reattach",
				Message: "strata: follow: the store " + c.name + " was replaced or removed"}
		}
	}
}

func flag(on bool) C.uint32_t {
	if on {
		return 1
	}
	return 0
}

// basePath gives C's string, NULL for the default, and what frees it.
func basePath(path string) (*C.char, func(), error) {
	if path == "" {
		return nil, func() {}, nil
	}
	for i := 0; i < len(path); i++ {
		if path[i] == 0 {
			return nil, nil, misuse("open store", "the base path has a zero byte")
		}
	}
	c := C.CString(path)
	return c, func() { C.free(unsafe.Pointer(c)) }, nil
}

// textOf takes the text over.
func textOf(r C.go_text) ([]byte, error) {
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	defer C.strata_free(unsafe.Pointer(r.text))
	return C.GoBytes(unsafe.Pointer(r.text), C.int(r.size)), nil
}

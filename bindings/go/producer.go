// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_producer.h"
// #include "shim_consumer.h"
import "C"

import (
	"io/fs"
	"math"
	"sync"
	"time"
)

// OpenMode says what Produce does with a store that is there, or is not.
type OpenMode uint32

const (
	OpenOrCreate OpenMode = C.STRATA_OPEN_OR_CREATE
	Create       OpenMode = C.STRATA_CREATE  // StoreExists if there is one
	Open         OpenMode = C.STRATA_OPEN    // StoreNotFound if there is none
	Replace      OpenMode = C.STRATA_REPLACE // creates; one whose producer is gone is replaced
)

// SlowReaders says what happens when there is no room while readers hold memory back.
type SlowReaders uint32

const (
	SlowReadersFail     SlowReaders = C.STRATA_SLOW_READERS_FAIL
	SlowReadersWait     SlowReaders = C.STRATA_SLOW_READERS_WAIT
	SlowReadersRelocate SlowReaders = C.STRATA_SLOW_READERS_RELOCATE
)

// Durability says when what is published becomes durable: survives the machine, not only its processes.
type Durability uint32

const (
	DurabilityAutomatic  Durability = C.STRATA_DURABILITY_AUTOMATIC // off where files are in memory alone, else background
	DurabilityOff        Durability = C.STRATA_DURABILITY_OFF       // only Checkpoint and WaitDurable
	DurabilityBackground Durability = C.STRATA_DURABILITY_BACKGROUND
	DurabilityEachCommit Durability = C.STRATA_DURABILITY_EACH_COMMIT // Crystallize returns when it is durable
)

// ProducerOptions of Produce; zero is the default everywhere, which producer.hpp names.
type ProducerOptions struct {
	BasePath           string // "": /dev/shm/strata, or STRATA_BASE_PATH
	Mode               OpenMode
	MemoryLimit        uint64 // bytes, of the store in all; 0: 280 MiB
	RegionMaxBytes     uint64
	RegionInitialBytes uint64
	OwnRegions         bool          // a file for each dimension
	Retain             uint32        // earlier generations that stay readable
	RetainFor          time.Duration // those of the last so long stay readable, too
	RetainBytes        uint64        // for what both keep; 0: the limit alone bounds it
	WarningThreshold   float64       // share of the limit that statistics report; 0: 0.75
	AccessMode         fs.FileMode
	AccessGroup        *uint32
	SlowReaders        SlowReaders
	SlowReadersWait    time.Duration // 0: a second

	Durability            Durability
	DurabilityInterval    time.Duration // of DurabilityBackground, after a commit; 0: a second
	DurabilityGenerations uint64        // and after so many; 0: that does not matter
}

// Producer is the one writer of a store. Its methods may be called by any goroutine.
type Producer struct {
	handle
	c *C.strata_producer

	mutex   sync.Mutex
	batches map[*Batch]struct{}
}

// Produce opens or creates a store. There is one producer of each. Errors: ProducerActive, StoreExists,
// StoreNotFound, InvalidName, InvalidArgument, LimitExceeded, NoSpace, PermissionDenied, Corrupt,
// System.
func Produce(name string, options ProducerOptions) (*Producer, error) {
	var c C.strata_producer_options
	c.open_mode = C.uint32_t(options.Mode)
	c.memory_limit = C.uint64_t(options.MemoryLimit)
	c.region_max_bytes = C.uint64_t(options.RegionMaxBytes)
	c.region_initial_bytes = C.uint64_t(options.RegionInitialBytes)
	c.own_regions = flag(options.OwnRegions)
	c.retain = C.uint32_t(options.Retain)
	if options.RetainFor > 0 {
		c.retain_for_ns = C.uint64_t(options.RetainFor)
	}
	c.retain_bytes = C.uint64_t(options.RetainBytes)
	c.warning_threshold = C.double(options.WarningThreshold)
	c.access_mode = C.uint32_t(options.AccessMode)
	if options.AccessGroup != nil {
		c.has_access_group, c.access_group = 1, C.uint32_t(*options.AccessGroup)
	}
	c.slow_readers = C.uint32_t(options.SlowReaders)
	if options.SlowReadersWait > 0 {
		c.slow_readers_wait_ms = C.uint64_t((options.SlowReadersWait + time.Millisecond - 1) / time.Millisecond)
	}
	c.durability = C.uint32_t(options.Durability)
	if options.DurabilityInterval > 0 {
		interval := (options.DurabilityInterval-1)/time.Millisecond + 1 // rounded up
		if interval > math.MaxUint32 {
			interval = math.MaxUint32
		}
		c.durability_interval_ms = C.uint32_t(interval)
	}
	c.durability_generations = C.uint64_t(options.DurabilityGenerations)
	base, free, err := basePath(options.BasePath)
	if err != nil {
		return nil, err
	}
	defer free()
	r := C.go_produce(name, base, c)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	handle := (*C.strata_producer)(r.handle)
	producer := &Producer{c: handle, batches: make(map[*Batch]struct{})}
	producer.free = func() { C.strata_producer_close(handle) }
	return producer, nil
}

// Close lets others produce; the store stays. What its batches had not published is dropped. A second
// Close does nothing. There is no finalizer: a producer lives until it is closed, or the process ends.
func (p *Producer) Close() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for batch := range p.batches {
		batch.end()
	}
	p.batches = nil
	p.close()
	return nil
}

// Generation is the last published one; 0 if the producer is closed.
func (p *Producer) Generation() uint64 {
	if !p.enter() {
		return 0
	}
	defer p.leave()
	return uint64(C.strata_producer_generation(p.c))
}

// DurableGeneration is the last one that survives a power failure; 0: there is none, or the producer is
// closed.
func (p *Producer) DurableGeneration() uint64 {
	if !p.enter() {
		return 0
	}
	defer p.leave()
	return uint64(C.strata_producer_durable_generation(p.c))
}

// Checkpoint makes the newest generation durable and gives it; commits go on meanwhile. DurabilityLost:
// a flush failed, now or before; it is never tried again.
func (p *Producer) Checkpoint() (uint64, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.leave()
	r := C.go_checkpoint(p.c)
	return uint64(r.value), errorOf(r.error)
}

// WaitDurable returns when the generation is durable; those who wait share a flush. Errors as of
// Checkpoint; InvalidArgument: it was not published.
func (p *Producer) WaitDurable(generation uint64) error {
	if !p.enter() {
		return ErrClosed
	}
	defer p.leave()
	return errorOf(C.go_wait_durable(p.c, C.uint64_t(generation)))
}

// Statistics of the store, as JSON, all tables brought up to date.
func (p *Producer) Statistics() ([]byte, error) {
	if !p.enter() {
		return nil, ErrClosed
	}
	defer p.leave()
	return textOf(C.go_producer_statistics_json(p.c))
}

// SetMemoryLimit changes it; LimitExceeded if more is in use.
func (p *Producer) SetMemoryLimit(bytes uint64) error {
	if !p.enter() {
		return ErrClosed
	}
	defer p.leave()
	return errorOf(C.go_set_memory_limit(p.c, C.uint64_t(bytes)))
}

// Trim frees what no reader needs, then gives free memory back to the system: so many bytes.
func (p *Producer) Trim() (uint64, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.leave()
	r := C.go_trim(p.c)
	return uint64(r.value), errorOf(r.error)
}

// DimensionOptions: a dimension that is given a size or an access has a file of its own.
type DimensionOptions struct {
	OwnRegion              bool
	InitialBytes, MaxBytes uint64
	AccessMode             fs.FileMode // 0: the producer's
	AccessGroup            *uint32
}

// AddDimension publishes a dimension if it is not there yet, and gives the generation; "" is the
// default name. DimensionExists if it is there with other sizes.
func (p *Producer) AddDimension(dimension uint32, name string, options DimensionOptions) (uint64, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.leave()
	r := C.go_add_dimension(p.c, C.uint32_t(dimension), name, options.given())
	return uint64(r.value), errorOf(r.error)
}

// MoveDimension moves a dimension to a region file of its own if the options ask for one, else to the
// shared ones, as one generation, in which no layer changes. It copies every layer. Errors, after
// which it is where it was: DimensionNotFound, InvalidArgument, LimitExceeded, NoSpace.
func (p *Producer) MoveDimension(dimension uint32, options DimensionOptions) (uint64, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.leave()
	r := C.go_move_dimension(p.c, C.uint32_t(dimension), options.given())
	return uint64(r.value), errorOf(r.error)
}

func (options DimensionOptions) given() C.strata_dimension_options {
	var c C.strata_dimension_options
	c.own_region = flag(options.OwnRegion)
	c.initial_bytes = C.uint64_t(options.InitialBytes)
	c.max_bytes = C.uint64_t(options.MaxBytes)
	c.access_mode = C.uint32_t(options.AccessMode)
	if options.AccessGroup != nil {
		c.has_access_group, c.access_group = 1, C.uint32_t(*options.AccessGroup)
	}
	return c
}

// AddCoreDimensions publishes the core dimensions 1 to 14, as far as they are not there yet.
func (p *Producer) AddCoreDimensions() (uint64, error) {
	if !p.enter() {
		return 0, ErrClosed
	}
	defer p.leave()
	r := C.go_add_core_dimensions(p.c)
	return uint64(r.value), errorOf(r.error)
}

// Batch makes a new, empty batch. Close it, also after Crystallize, or have Producer.Close do so.
func (p *Producer) Batch() (*Batch, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.enter() {
		return nil, ErrClosed
	}
	defer p.leave()
	r := C.go_batch(p.c)
	if r.error != nil {
		return nil, errorOf(r.error)
	}
	batch := &Batch{producer: p, c: (*C.strata_batch)(r.handle)}
	p.batches[batch] = struct{}{}
	return batch, nil
}

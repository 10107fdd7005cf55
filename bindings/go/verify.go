// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

// VerifyOptions of Snapshot.Verify; zero is the default everywhere.
type VerifyOptions struct {
	Dimension   *uint32 // nil: all
	MaxFailures uint64  // that are reported one by one; all are counted. 0: 100
}

// Verification is what Verify found.
type Verification struct {
	Generation, Dimensions, Layers, PayloadBytes uint64 // what was looked at
	FailureCount                                 uint64 // 0: all is well
	Failures                                     []Failure
}

// Failure is one thing that is wrong.
type Failure struct {
	Dimension *uint32 // nil: the root or the directory of dimensions
	Layer     *uint64 // nil: the region, its index or its record
	Offset    uint64  // in the file, where known
	File      string  // name in the store's directory
	What      string
}

// Verify checks every byte that the generation reaches, some 10 GB/s. Damage is in the result, it is no
// error. Errors: DimensionNotFound, OutOfMemory.
func (s *Snapshot) Verify(options VerifyOptions) (Verification, error) {
	if !s.enter() {
		return Verification{}, ErrClosed
	}
	defer s.leave()
	var c C.strata_verify_options
	c.max_failures = C.uint64_t(options.MaxFailures)
	if options.Dimension != nil {
		c.one_dimension = 1
		c.dimension = C.uint32_t(*options.Dimension)
	}
	r := C.go_verify(s.c, c)
	defer C.strata_verification_free(r.verification)
	if r.error != nil {
		return Verification{}, errorOf(r.error)
	}
	result := Verification{
		Generation:   uint64(r.summary.generation),
		Dimensions:   uint64(r.summary.dimensions),
		Layers:       uint64(r.summary.layers),
		PayloadBytes: uint64(r.summary.payload_bytes),
		FailureCount: uint64(r.summary.failures),
	}
	for i := C.size_t(0); i < C.size_t(r.summary.remembered_failures); i++ {
		f := C.go_verify_failure(r.verification, i)
		if f.error != nil {
			return Verification{}, errorOf(f.error)
		}
		failure := Failure{Offset: uint64(f.failure.offset), File: goString(f.failure.file),
			What: goString(f.failure.what)}
		if f.failure.has_dimension != 0 {
			dimension := uint32(f.failure.dimension)
			failure.Dimension = &dimension
		}
		if f.failure.has_layer != 0 {
			layer := uint64(f.failure.layer)
			failure.Layer = &layer
		}
		result.Failures = append(result.Failures, failure)
	}
	return result, nil
}

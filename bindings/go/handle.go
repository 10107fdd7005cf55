// SPDX-License-Identifier: Apache-2.0

package strata

import "sync/atomic"

// handle counts who is in a function of the C ABI, so that closing waits for nobody and the memory
// goes when the last call returns.
type handle struct {
	state atomic.Int64 // calls under way, and the two bits
	free  func()       // must not refer to the handle: it would never be collected
}

const (
	closedBit = 1 << 62 // no further calls
	freedBit  = 1 << 61 // given back
)

// enter begins a call; false if the handle is closed. After true, leave must follow.
func (h *handle) enter() bool {
	if h.state.Add(1)&closedBit == 0 {
		return true
	}
	h.leave()
	return false
}

// leave ends a call. The last one of a closed handle frees.
func (h *handle) leave() {
	if h.state.Add(-1) == closedBit {
		h.freeOnce()
	}
}

// close lets no further calls in; false if that was done before.
func (h *handle) close() bool {
	for {
		state := h.state.Load()
		if state&closedBit != 0 {
			return false
		}
		if h.state.CompareAndSwap(state, state|closedBit) {
			if state == 0 {
				h.freeOnce()
			}
			return true
		}
	}
}

// freeOnce: several may see the count at zero, since calls that are refused count for a moment.
func (h *handle) freeOnce() {
	if h.state.CompareAndSwap(closedBit, closedBit|freedBit) {
		h.free()
	}
}

func (h *handle) closed() bool { return h.state.Load()&closedBit != 0 }

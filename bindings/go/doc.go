// SPDX-License-Identifier: Apache-2.0

// Package strata shares versioned, read-mostly data between the processes of one machine: one
// Producer publishes layers, any number of Consumers read them in place, strictly read-only.
//
//	consumer, err := strata.Attach("market", strata.ConsumerOptions{})
//	...
//	defer consumer.Close()
//	snapshot, err := consumer.Snapshot()      // consistent, unchanged while it is open
//	...
//	defer snapshot.Close()
//	layer, err := snapshot.Find(1, 5)
//	if layer.Exists() {
//		use(layer.Bytes())                // in place, until snapshot.Close
//	}
//
// # Memory
//
// A Layer refers to its snapshot. Bytes, and Values, are slices of the mapping: they are valid until
// the snapshot is closed, and must not be written to. The garbage collector does not see them, so the
// Snapshot must stay reachable for as long: defer its Close, which keeps it so. A snapshot that nobody
// refers to any more is closed by its finalizer, but a snapshot is memory that the producer cannot
// reuse: close it. Everything else that this package returns is a copy.
//
// A file that somebody cuts short under its mapping is an error of Copy, Text, Gather, Value and
// Verify; the plain read of a slice faults, as with any mapped file.
//
// # Goroutines
//
// Consumers, snapshots, layers and producers may be used and closed by any goroutine at any time: who
// comes too late gets ErrClosed, and memory is given back when the last call has returned. A batch
// locks itself. Cursors and Layers (the lists) belong to one goroutine at a time.
//
// # Costs
//
// A look-up costs some 140 nanoseconds, of which the call of C is nearly all: with many layers use
// FindMany, FindIn, Gather and Walk, which make one call for many. Reading a slice costs nothing.
package strata

// SPDX-License-Identifier: Apache-2.0

package strata

// #cgo pkg-config: strata-c
// #include "shim.h"
import "C"

import (
	"errors"
	"syscall"
)

// ErrClosed is what everything returns whose consumer, snapshot, producer or batch is closed.
var ErrClosed = errors.New("strata: already closed")

// Code says what went wrong. Each is an error, to be compared with: errors.Is(err, strata.Corrupt).
type Code int32

const (
	StoreNotFound         Code = C.STRATA_STORE_NOT_FOUND
	StoreExists           Code = C.STRATA_STORE_EXISTS
	NotAStore             Code = C.STRATA_NOT_A_STORE
	FormatVersion         Code = C.STRATA_FORMAT_VERSION
	ByteOrder             Code = C.STRATA_BYTE_ORDER
	PermissionDenied      Code = C.STRATA_PERMISSION_DENIED
	NotTrusted            Code = C.STRATA_NOT_TRUSTED
	Corrupt               Code = C.STRATA_CORRUPT
	Truncated             Code = C.STRATA_TRUNCATED
	InvalidName           Code = C.STRATA_INVALID_NAME
	InvalidArgument       Code = C.STRATA_INVALID_ARGUMENT
	ProducerActive        Code = C.STRATA_PRODUCER_ACTIVE
	DimensionNotFound     Code = C.STRATA_DIMENSION_NOT_FOUND
	LayerNotFound         Code = C.STRATA_LAYER_NOT_FOUND
	DimensionExists       Code = C.STRATA_DIMENSION_EXISTS
	LayerTooLarge         Code = C.STRATA_LAYER_TOO_LARGE
	LimitExceeded         Code = C.STRATA_LIMIT_EXCEEDED
	NoSpace               Code = C.STRATA_NO_SPACE
	NameCollision         Code = C.STRATA_NAME_COLLISION
	TypeMismatch          Code = C.STRATA_TYPE_MISMATCH
	GenerationNotRetained Code = C.STRATA_GENERATION_NOT_RETAINED
	WrongProcess          Code = C.STRATA_WRONG_PROCESS
	StoreReplaced         Code = C.STRATA_STORE_REPLACED
	System                Code = C.STRATA_SYSTEM
	FileNotFound          Code = C.STRATA_FILE_NOT_FOUND
	FileExists            Code = C.STRATA_FILE_EXISTS
	EndOfFile             Code = C.STRATA_END_OF_FILE
	WouldDeadlock         Code = C.STRATA_WOULD_DEADLOCK
	DurabilityLost        Code = C.STRATA_DURABILITY_LOST
	NotRecovered          Code = C.STRATA_NOT_RECOVERED
	BookmarkNotFound      Code = C.STRATA_BOOKMARK_NOT_FOUND
	OutOfMemory           Code = C.STRATA_OUT_OF_MEMORY
	Internal              Code = C.STRATA_INTERNAL
)

// Error is the code's name: "limit_exceeded".
func (c Code) Error() string { return C.GoString(C.strata_status_name(C.strata_status(c))) }

// Error is what strata refuses, or cannot do. errors.Is knows its Code and its Errno.
type Error struct {
	Code      Code
	Operation string        // "attach"
	Path      string        // of the file or store, where there is one
	Hint      string        // what to try
	Message   string        // one line: operation, path, what happened, hint
	Errno     syscall.Errno // 0: no system call failed
	Needed    uint64        // bytes asked for, where that is meaningful
	Limit     uint64        // the limit that was hit, in bytes
	Current   uint64        // bytes in use when it was hit
}

func (e *Error) Error() string { return e.Message }

// Is tells errors.Is whether target is this error's code or errno.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Code:
		return e.Code == t
	case syscall.Errno:
		return e.Errno != 0 && e.Errno == t
	}
	return false
}

// errorOf takes the error over; nil for nil.
func errorOf(e *C.strata_error) error {
	if e == nil {
		return nil
	}
	defer C.go_error_free(e)
	return &Error{
		Code:      Code(e.code),
		Operation: C.GoString(&e.operation[0]),
		Path:      C.GoString(&e.path[0]),
		Hint:      C.GoString(&e.hint[0]),
		Message:   C.GoString(&e.message[0]),
		Errno:     syscall.Errno(e.os_error),
		Needed:    uint64(e.needed),
		Limit:     uint64(e.limit),
		Current:   uint64(e.current),
	}
}

// misuse is an error that no call of C was needed for.
func misuse(operation, message string) error {
	return &Error{Code: InvalidArgument, Operation: operation,
		Message: "strata: " + operation + ": " + message}
}

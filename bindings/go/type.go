// SPDX-License-Identifier: Apache-2.0

package strata

// #include "shim_snapshot.h"
import "C"

import (
	"reflect"
	"strconv"
	"unsafe"
)

// Named is a struct that other languages know under a name: Go's layout of it must be C's, which holds
// for structs of numbers, arrays and such structs. strata checks that there is no pointer in it.
//
//	type Quote struct { Price float64; Size uint64 }
//	func (Quote) StrataTypeName() string { return "Quote" }
type Named interface{ StrataTypeName() string }

// Type is what a tag is made of: FNV-1a of "name:size:alignment", of an array "name[]:size:alignment".
type Type struct {
	Name            string // "f64", "u8", or that of a Named
	Size, Alignment uint64 // bytes
}

// Tag is that of one value, ArrayTag of any number of them.
func (t Type) Tag() uint64      { return t.tag(0) }
func (t Type) ArrayTag() uint64 { return t.tag(1) }

func (t Type) tag(array C.uint32_t) uint64 {
	return uint64(C.go_type_tag(t.Name, C.uint64_t(t.Size), C.uint64_t(t.Alignment), array))
}

func (t Type) expect(layer Layer, array C.uint32_t) error {
	if err := layer.enter("read layer as " + t.Name); err != nil {
		return err
	}
	defer layer.snapshot.leave()
	return errorOf(C.go_layer_expect(layer.place.c(), t.Name, C.uint64_t(t.Size),
		C.uint64_t(t.Alignment), array))
}

var scalarNames = map[reflect.Kind]string{
	reflect.Bool: "bool",
	reflect.Int8: "i8", reflect.Int16: "i16", reflect.Int32: "i32", reflect.Int64: "i64",
	reflect.Uint8: "u8", reflect.Uint16: "u16", reflect.Uint32: "u32", reflect.Uint64: "u64",
	reflect.Float32: "f32", reflect.Float64: "f64",
}

// TypeOf describes T: a number of fixed size, a bool, or a Named. InvalidArgument for others: int and
// uint have no size that other languages know, and pointers mean nothing in another process.
func TypeOf[T any]() (Type, error) {
	var value T
	t := reflect.TypeOf(&value).Elem()
	size, alignment := uint64(t.Size()), uint64(t.Align())
	if !plain(t) {
		return Type{}, misuse("describe "+t.String(), "it holds pointers, or sizes of this machine's own")
	}
	if named, ok := any(value).(Named); ok {
		return Type{named.StrataTypeName(), size, alignment}, nil
	}
	if name, ok := scalarNames[t.Kind()]; ok && t.PkgPath() == "" {
		return Type{name, size, alignment}, nil
	}
	return Type{}, misuse("describe "+t.String(), "it needs a method StrataTypeName() string")
}

// plain tells whether the bytes of a type mean the same in every process.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return plain(t.Elem())
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			if !plain(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return scalarNames[t.Kind()] != ""
}

// Value is a copy of the layer's one T; TypeMismatch unless it was put as one, in whatever language.
func Value[T any](layer Layer) (T, error) {
	var value T
	t, err := TypeOf[T]()
	if err == nil {
		err = t.expect(layer, 0)
	}
	if err == nil && t.Size > 0 {
		err = layer.CopyAt(unsafe.Slice((*byte)(unsafe.Pointer(&value)), t.Size), 0)
	}
	return value, err
}

// Values is the layer's array of T in place, borrowed as Layer.Bytes is; TypeMismatch unless it was put
// as one.
func Values[T any](layer Layer) ([]T, error) {
	t, err := TypeOf[T]()
	if err == nil {
		err = t.expect(layer, 1)
	}
	if err != nil || t.Size == 0 {
		return nil, err
	}
	return unsafe.Slice((*T)(layer.place.pointer()), layer.place.size/t.Size), nil
}

// GatherValues is Snapshot.Gather into values: each layer is to have the size of a T. Only the size is
// compared, not the tag.
func GatherValues[T any](s *Snapshot, dimension uint32, layers []uint64, rows []T, states []Gathered) (int, error) {
	t, err := TypeOf[T]()
	if err != nil {
		return 0, err
	}
	if len(rows) != len(layers) {
		return 0, misuse("gather layers", strconv.Itoa(len(rows))+" rows for "+
			strconv.Itoa(len(layers))+" layers")
	}
	return s.Gather(dimension, layers, bytesOf(rows, t), states)
}

// bytesOf gives the memory of values, for as long as they live.
func bytesOf[T any](values []T, t Type) []byte {
	if len(values) == 0 || t.Size == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), uint64(len(values))*t.Size)
}

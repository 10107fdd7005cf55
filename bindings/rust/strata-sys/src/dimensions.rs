// SPDX-License-Identifier: Apache-2.0
//! The dimensions of a snapshot, and walking through one: strata/c/dimensions.h.

use std::os::raw::{c_char, c_int};

use crate::*;

#[repr(C)]
pub struct strata_dimension_list {
    opaque: [u8; 0],
}

#[repr(C)]
pub struct strata_cursor {
    opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_dimension_info {
    pub struct_size: u32,
    pub dimension: u32,
    pub name: strata_string,
    pub layers: u64,
    pub live_bytes: u64,
    pub generation: u64,
}

extern "C" {
    pub fn strata_has_dimension(
        snapshot: *const strata_snapshot,
        dimension: u32,
        has: *mut c_int,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimension_number(
        snapshot: *const strata_snapshot,
        name: *const c_char,
        name_size: usize,
        dimension: *mut u32,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimension_layers(
        snapshot: *const strata_snapshot,
        dimension: u32,
        layers: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimensions(
        snapshot: *const strata_snapshot,
        list: *mut *mut strata_dimension_list,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimension_list_size(list: *const strata_dimension_list) -> usize;
    pub fn strata_dimension_list_get(
        list: *const strata_dimension_list,
        index: usize,
        info: *mut strata_dimension_info,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimension_list_free(list: *mut strata_dimension_list);
    pub fn strata_cursor_open(
        snapshot: *mut strata_snapshot,
        dimension: u32,
        cursor: *mut *mut strata_cursor,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_cursor_next(
        cursor: *mut strata_cursor,
        numbers: *mut u64,
        layers: *mut strata_layer,
        room: usize,
        count: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_cursor_close(cursor: *mut strata_cursor);
}

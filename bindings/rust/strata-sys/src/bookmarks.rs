// SPDX-License-Identifier: Apache-2.0
//! Generations that are kept under names: strata/c/bookmarks.h.

use std::os::raw::c_char;

use crate::*;

#[repr(C)]
pub struct strata_bookmark_list {
    opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_bookmark {
    pub struct_size: u32,
    pub reserved: u32,
    pub generation: u64,
    pub made_at_ns: i64,
    pub name: strata_string,
}

extern "C" {
    pub fn strata_set_bookmark(
        producer: *mut strata_producer,
        name: *const c_char,
        name_size: usize,
        generation: u64,
        set: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_remove_bookmark(
        producer: *mut strata_producer,
        name: *const c_char,
        name_size: usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_snapshot_take_bookmark(
        consumer: *mut strata_consumer,
        name: *const c_char,
        name_size: usize,
        snapshot: *mut *mut strata_snapshot,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_bookmarks(
        consumer: *const strata_consumer,
        list: *mut *mut strata_bookmark_list,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_bookmark_list_size(list: *const strata_bookmark_list) -> usize;
    pub fn strata_bookmark_list_get(
        list: *const strata_bookmark_list,
        index: usize,
        bookmark: *mut strata_bookmark,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_bookmark_list_free(list: *mut strata_bookmark_list);
}

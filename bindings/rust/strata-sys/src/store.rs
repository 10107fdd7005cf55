// SPDX-License-Identifier: Apache-2.0
//! Stores as a whole: strata/c/store.h.

use std::os::raw::c_char;

use crate::*;

#[repr(C)]
pub struct strata_store_list {
    opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_store_info {
    pub struct_size: u32,
    pub format_version: u32,
    pub owner: u32,
    pub mode: u32,
    pub id: [c_char; 40],
    pub created_at_ns: i64,
    pub published_at_ns: i64,
    pub producer_pid: i64,
    pub readers: u64,
    pub generation: u64,
    pub oldest_retained: u64,
    pub dimensions: u64,
    pub layers: u64,
    pub memory_limit: u64,
    pub live_bytes: u64,
    pub committed_bytes: u64,
    pub region_max_bytes: u64,
}

extern "C" {
    pub fn strata_inspect(
        name: *const c_char,
        name_size: usize,
        base_path: *const c_char,
        info: *mut strata_store_info,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_statistics_json(
        name: *const c_char,
        name_size: usize,
        base_path: *const c_char,
        json: *mut *mut c_char,
        json_size: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_consumer_statistics_json(
        consumer: *mut strata_consumer,
        json: *mut *mut c_char,
        json_size: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_list_stores(
        base_path: *const c_char,
        list: *mut *mut strata_store_list,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_store_list_size(list: *const strata_store_list) -> usize;
    pub fn strata_store_list_name(list: *const strata_store_list, index: usize) -> strata_string;
    pub fn strata_store_list_free(list: *mut strata_store_list);
    pub fn strata_remove_store(
        name: *const c_char,
        name_size: usize,
        base_path: *const c_char,
        error: *mut strata_error,
    ) -> strata_status;
}

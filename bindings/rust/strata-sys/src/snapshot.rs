// SPDX-License-Identifier: Apache-2.0
//! One generation, and look-ups in it: strata/c/snapshot.h.

use std::os::raw::{c_char, c_void};

use crate::*;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_snapshot_info {
    pub struct_size: u32,
    pub reserved: u32,
    pub generation: u64,
    pub published_at_ns: i64,
    pub layers: u64,
    pub dimensions: u64,
}

pub const STRATA_GATHERED_NONE: u8 = 0;
pub const STRATA_GATHERED: u8 = 1;
pub const STRATA_GATHERED_OTHER: u8 = 2;

extern "C" {
    pub fn strata_snapshot_take(
        consumer: *mut strata_consumer,
        snapshot: *mut *mut strata_snapshot,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_snapshot_take_at(
        consumer: *mut strata_consumer,
        generation: u64,
        snapshot: *mut *mut strata_snapshot,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_snapshot_take_at_time(
        consumer: *mut strata_consumer,
        time_ns: i64,
        snapshot: *mut *mut strata_snapshot,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_snapshot_ref(snapshot: *mut strata_snapshot) -> *mut strata_snapshot;
    pub fn strata_snapshot_release(snapshot: *mut strata_snapshot);
    pub fn strata_snapshot_generation(snapshot: *const strata_snapshot) -> u64;
    pub fn strata_snapshot_describe(
        snapshot: *const strata_snapshot,
        info: *mut strata_snapshot_info,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_find(
        snapshot: *const strata_snapshot,
        dimension: u32,
        layer: u64,
        found: *mut strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_find_name(
        snapshot: *const strata_snapshot,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        found: *mut strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_get(
        snapshot: *const strata_snapshot,
        dimension: u32,
        layer: u64,
        found: *mut strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_get_name(
        snapshot: *const strata_snapshot,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        found: *mut strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_find_many(
        snapshot: *const strata_snapshot,
        ids: *const strata_id,
        count: usize,
        found: *mut strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_find_in(
        snapshot: *const strata_snapshot,
        dimension: u32,
        layers: *const u64,
        count: usize,
        found: *mut strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_gather(
        snapshot: *const strata_snapshot,
        dimension: u32,
        layers: *const u64,
        count: usize,
        rows: *mut c_void,
        row_bytes: usize,
        state: *mut u8,
        copied: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
}

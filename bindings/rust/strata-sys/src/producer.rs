// SPDX-License-Identifier: Apache-2.0
//! The one writer of a store: strata/c/producer.h.

use std::os::raw::c_char;

use crate::*;

#[repr(C)]
pub struct strata_producer {
    opaque: [u8; 0],
}

pub const STRATA_OPEN_OR_CREATE: u32 = 0;
pub const STRATA_CREATE: u32 = 1;
pub const STRATA_OPEN: u32 = 2;
pub const STRATA_REPLACE: u32 = 3;

pub const STRATA_SLOW_READERS_FAIL: u32 = 0;
pub const STRATA_SLOW_READERS_WAIT: u32 = 1;
pub const STRATA_SLOW_READERS_RELOCATE: u32 = 2;

pub const STRATA_DURABILITY_AUTOMATIC: u32 = 0;
pub const STRATA_DURABILITY_OFF: u32 = 1;
pub const STRATA_DURABILITY_BACKGROUND: u32 = 2;
pub const STRATA_DURABILITY_EACH_COMMIT: u32 = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_producer_options {
    pub struct_size: u32,
    pub open_mode: u32,
    pub memory_limit: u64,
    pub region_max_bytes: u64,
    pub region_initial_bytes: u64,
    pub own_regions: u32,
    pub retain: u32,
    pub warning_threshold: f64,
    pub access_mode: u32,
    pub has_access_group: u32,
    pub access_group: u32,
    pub slow_readers: u32,
    pub slow_readers_wait_ms: u64,
    pub base_path: *const c_char,
    pub retain_for_ns: u64,
    pub retain_bytes: u64,
    pub durability: u32,
    pub durability_interval_ms: u32,
    pub durability_generations: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_dimension_options {
    pub struct_size: u32,
    pub own_region: u32,
    pub initial_bytes: u64,
    pub max_bytes: u64,
    pub access_mode: u32,
    pub has_access_group: u32,
    pub access_group: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_producer_statistics {
    pub struct_size: u32,
    pub reserved: u32,
    pub generation: u64,
    pub memory_limit: u64,
    pub committed_bytes: u64,
    pub live_bytes: u64,
    pub limbo_bytes: u64,
    pub layers: u64,
    pub dimensions: u64,
    pub commits: u64,
    pub allocation_failures: u64,
}

extern "C" {
    pub fn strata_produce(
        name: *const c_char,
        name_size: usize,
        options: *const strata_producer_options,
        producer: *mut *mut strata_producer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_producer_close(producer: *mut strata_producer);
    pub fn strata_producer_generation(producer: *const strata_producer) -> u64;
    pub fn strata_producer_durable_generation(producer: *const strata_producer) -> u64;
    pub fn strata_checkpoint(
        producer: *mut strata_producer,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_wait_durable(
        producer: *mut strata_producer,
        generation: u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_producer_describe(
        producer: *const strata_producer,
        statistics: *mut strata_producer_statistics,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_producer_statistics_json(
        producer: *const strata_producer,
        json: *mut *mut c_char,
        json_size: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_set_memory_limit(
        producer: *mut strata_producer,
        bytes: u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_trim(
        producer: *mut strata_producer,
        bytes: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_add_dimension(
        producer: *mut strata_producer,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        options: *const strata_dimension_options,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_move_dimension(
        producer: *mut strata_producer,
        dimension: u32,
        options: *const strata_dimension_options,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_add_core_dimensions(
        producer: *mut strata_producer,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
}

// SPDX-License-Identifier: Apache-2.0
//! A process's read-only end of a store: strata/c/consumer.h.

use std::os::raw::{c_char, c_int};

use crate::*;

#[repr(C)]
pub struct strata_consumer {
    opaque: [u8; 0],
}

#[repr(C)]
pub struct strata_snapshot {
    opaque: [u8; 0],
}

#[repr(C)]
pub struct strata_cancellation {
    opaque: [u8; 0],
}

pub const STRATA_TRUST_SELF_OR_ROOT: u32 = 0;
pub const STRATA_TRUST_ANYBODY: u32 = 1;
pub const STRATA_TRUST_USER: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_attach_options {
    pub struct_size: u32,
    pub trusted_owner: u32,
    pub owner: u32,
    pub no_idle_pin: u32,
    pub wait_for_store_ms: u64,
    pub lookup_cache_bytes: u64,
    pub base_path: *const c_char,
}

pub type strata_wait_result = u32;
pub const STRATA_WAIT_CHANGED: strata_wait_result = 0;
pub const STRATA_WAIT_TIMEOUT: strata_wait_result = 1;
pub const STRATA_WAIT_PRODUCER_GONE: strata_wait_result = 2;
pub const STRATA_WAIT_STORE_REPLACED: strata_wait_result = 3;
pub const STRATA_WAIT_CANCELLED: strata_wait_result = 4;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_wait_options {
    pub struct_size: u32,
    pub wait_for_producer: u32,
    pub has_timeout: u32,
    pub reserved: u32,
    pub timeout_ns: i64,
    pub cancellation: *mut strata_cancellation,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_consumer_statistics {
    pub struct_size: u32,
    pub reserved: u32,
    pub lookup_cache_bytes: u64,
    pub lookup_cache_limit: u64,
    pub cached_dimensions: u64,
    pub cached_lists: u64,
    pub mapped_regions: u64,
}

pub const STRATA_NO_LOOKUP_CACHE: u64 = u64::MAX;

extern "C" {
    pub fn strata_attach(
        name: *const c_char,
        name_size: usize,
        options: *const strata_attach_options,
        consumer: *mut *mut strata_consumer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_detach(consumer: *mut strata_consumer);
    pub fn strata_reattach(
        consumer: *mut strata_consumer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_generation(consumer: *const strata_consumer) -> u64;
    pub fn strata_durable_generation(
        consumer: *const strata_consumer,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_retained(
        consumer: *const strata_consumer,
        oldest: *mut u64,
        newest: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_wait(
        consumer: *mut strata_consumer,
        seen: u64,
        options: *const strata_wait_options,
        result: *mut strata_wait_result,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_cancellation_new(
        cancellation: *mut *mut strata_cancellation,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_cancellation_request(cancellation: *mut strata_cancellation);
    pub fn strata_cancellation_free(cancellation: *mut strata_cancellation);
    pub fn strata_event_descriptor(
        consumer: *mut strata_consumer,
        descriptor: *mut c_int,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_acknowledge_event(
        consumer: *mut strata_consumer,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_producer_pid(
        consumer: *const strata_consumer,
        pid: *mut i64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_store_replaced(
        consumer: *const strata_consumer,
        replaced: *mut c_int,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_consumer_describe(
        consumer: *const strata_consumer,
        statistics: *mut strata_consumer_statistics,
        error: *mut strata_error,
    ) -> strata_status;
}

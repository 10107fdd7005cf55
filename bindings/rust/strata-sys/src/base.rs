// SPDX-License-Identifier: Apache-2.0
//! Status codes, errors, strings, versions: strata/c/base.h.

use std::os::raw::{c_char, c_void};

pub type strata_status = i32;

pub const STRATA_OK: strata_status = 0;
pub const STRATA_STORE_NOT_FOUND: strata_status = 1;
pub const STRATA_STORE_EXISTS: strata_status = 2;
pub const STRATA_NOT_A_STORE: strata_status = 3;
pub const STRATA_FORMAT_VERSION: strata_status = 4;
pub const STRATA_BYTE_ORDER: strata_status = 5;
pub const STRATA_PERMISSION_DENIED: strata_status = 6;
pub const STRATA_NOT_TRUSTED: strata_status = 7;
pub const STRATA_CORRUPT: strata_status = 8;
pub const STRATA_TRUNCATED: strata_status = 9;
pub const STRATA_INVALID_NAME: strata_status = 10;
pub const STRATA_INVALID_ARGUMENT: strata_status = 11;
pub const STRATA_PRODUCER_ACTIVE: strata_status = 12;
pub const STRATA_DIMENSION_NOT_FOUND: strata_status = 13;
pub const STRATA_LAYER_NOT_FOUND: strata_status = 14;
pub const STRATA_DIMENSION_EXISTS: strata_status = 15;
pub const STRATA_LAYER_TOO_LARGE: strata_status = 16;
pub const STRATA_LIMIT_EXCEEDED: strata_status = 17;
pub const STRATA_NO_SPACE: strata_status = 18;
pub const STRATA_NAME_COLLISION: strata_status = 19;
pub const STRATA_TYPE_MISMATCH: strata_status = 20;
pub const STRATA_GENERATION_NOT_RETAINED: strata_status = 21;
pub const STRATA_WRONG_PROCESS: strata_status = 22;
pub const STRATA_STORE_REPLACED: strata_status = 23;
pub const STRATA_SYSTEM: strata_status = 24;
pub const STRATA_FILE_NOT_FOUND: strata_status = 25;
pub const STRATA_FILE_EXISTS: strata_status = 26;
pub const STRATA_END_OF_FILE: strata_status = 27;
pub const STRATA_WOULD_DEADLOCK: strata_status = 28;
pub const STRATA_DURABILITY_LOST: strata_status = 29;
pub const STRATA_NOT_RECOVERED: strata_status = 30;
pub const STRATA_BOOKMARK_NOT_FOUND: strata_status = 31;
pub const STRATA_OUT_OF_MEMORY: strata_status = 1000;
pub const STRATA_INTERNAL: strata_status = 1001;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_error {
    pub struct_size: u32,
    pub code: strata_status,
    pub os_error: i32,
    pub reserved: u32,
    pub needed: u64,
    pub limit: u64,
    pub current: u64,
    pub message: [c_char; 1024],
    pub operation: [c_char; 256],
    pub path: [c_char; 512],
    pub hint: [c_char; 256],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_string {
    pub data: *const c_char,
    pub size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_id {
    pub dimension: u32,
    pub reserved: u32,
    pub layer: u64,
}

extern "C" {
    pub fn strata_version() -> *const c_char;
    pub fn strata_abi_version() -> u32;
    pub fn strata_status_name(status: strata_status) -> *const c_char;
    pub fn strata_free(text: *mut c_void);
}

// SPDX-License-Identifier: Apache-2.0
//! A descriptor that tells when a store may have appeared: strata/c/store_watch.h.

use std::os::raw::{c_char, c_int};

use crate::*;

#[repr(C)]
pub struct strata_store_watch {
    opaque: [u8; 0],
}

extern "C" {
    pub fn strata_store_watch_open(
        name: *const c_char,
        name_size: usize,
        base_path: *const c_char,
        watch: *mut *mut strata_store_watch,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_store_watch_descriptor(
        watch: *const strata_store_watch,
        descriptor: *mut c_int,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_store_watch_present(
        watch: *mut strata_store_watch,
        present: *mut c_int,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_store_watch_close(watch: *mut strata_store_watch);
}

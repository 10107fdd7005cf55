// SPDX-License-Identifier: Apache-2.0
//! Checking every byte: strata/c/verify.h.

use crate::*;

#[repr(C)]
pub struct strata_verification {
    opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_verify_options {
    pub struct_size: u32,
    pub one_dimension: u32,
    pub dimension: u32,
    pub reserved: u32,
    pub max_failures: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_verify_summary {
    pub struct_size: u32,
    pub reserved: u32,
    pub generation: u64,
    pub dimensions: u64,
    pub layers: u64,
    pub payload_bytes: u64,
    pub failures: u64,
    pub remembered_failures: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_verify_failure {
    pub struct_size: u32,
    pub has_dimension: u32,
    pub has_layer: u32,
    pub dimension: u32,
    pub layer: u64,
    pub offset: u64,
    pub file: strata_string,
    pub what: strata_string,
}

extern "C" {
    pub fn strata_verify(
        snapshot: *const strata_snapshot,
        options: *const strata_verify_options,
        verification: *mut *mut strata_verification,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_verification_describe(
        verification: *const strata_verification,
        summary: *mut strata_verify_summary,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_verification_failure(
        verification: *const strata_verification,
        index: usize,
        failure: *mut strata_verify_failure,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_verification_free(verification: *mut strata_verification);
}

// SPDX-License-Identifier: Apache-2.0
//! Changes that become visible together: strata/c/batch.h.

use std::os::raw::{c_char, c_void};

use crate::*;

#[repr(C)]
pub struct strata_batch {
    opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_layer_options {
    pub struct_size: u32,
    pub alignment: u32,
    pub frequency: f64,
    pub type_tag: u64,
    pub keywords: *const strata_string,
    pub keyword_count: usize,
}

extern "C" {
    pub fn strata_batch_new(
        producer: *mut strata_producer,
        batch: *mut *mut strata_batch,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_batch_free(batch: *mut strata_batch);
    pub fn strata_put(
        batch: *mut strata_batch,
        dimension: u32,
        layer: u64,
        data: *const c_void,
        size: usize,
        options: *const strata_layer_options,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_put_name(
        batch: *mut strata_batch,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        data: *const c_void,
        size: usize,
        options: *const strata_layer_options,
        layer: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_loan(
        batch: *mut strata_batch,
        dimension: u32,
        layer: u64,
        size: usize,
        options: *const strata_layer_options,
        room: *mut *mut c_void,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_loan_name(
        batch: *mut strata_batch,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        size: usize,
        options: *const strata_layer_options,
        room: *mut *mut c_void,
        layer: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_erase(
        batch: *mut strata_batch,
        dimension: u32,
        layer: u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_erase_name(
        batch: *mut strata_batch,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_remove_dimension(
        batch: *mut strata_batch,
        dimension: u32,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_clear_dimension(
        batch: *mut strata_batch,
        dimension: u32,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_batch_dimension(
        batch: *mut strata_batch,
        name: *const c_char,
        name_size: usize,
        dimension: *mut u32,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_name_dimension(
        batch: *mut strata_batch,
        dimension: u32,
        name: *const c_char,
        name_size: usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_crystallize(
        batch: *mut strata_batch,
        generation: *mut u64,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_batch_clear(batch: *mut strata_batch);
    pub fn strata_batch_size(batch: *const strata_batch) -> usize;
}

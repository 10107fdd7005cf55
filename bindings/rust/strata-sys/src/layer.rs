// SPDX-License-Identifier: Apache-2.0
//! Views of one layer: strata/c/layer.h.

use std::os::raw::{c_char, c_void};

use crate::*;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_layer {
    pub data: *const c_void,
    pub size: u64,
    pub token: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_layer_info {
    pub struct_size: u32,
    pub dimension: u32,
    pub layer: u64,
    pub generation: u64,
    pub frequency: f64,
    pub checksum: u64,
    pub type_tag: u64,
    pub keywords: u64,
    pub name: strata_string,
}

extern "C" {
    pub fn strata_layer_describe(
        layer: *const strata_layer,
        info: *mut strata_layer_info,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_layer_keywords(
        layer: *const strata_layer,
        first: usize,
        keywords: *mut strata_string,
        room: usize,
        count: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_layer_copy(
        layer: *const strata_layer,
        offset: u64,
        to: *mut c_void,
        size: usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_layer_verify(
        layer: *const strata_layer,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_layer_number(name: *const c_char, name_size: usize) -> u64;
}

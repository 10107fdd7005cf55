// SPDX-License-Identifier: Apache-2.0
//! Type tags: strata/c/type_tag.h.

use std::os::raw::c_char;

use crate::*;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_type {
    pub name: *const c_char,
    pub name_size: usize,
    pub size: u64,
    pub alignment: u64,
    pub array: u32,
    pub reserved: u32,
}

extern "C" {
    pub fn strata_type_tag(r#type: *const strata_type) -> u64;
    pub fn strata_type_tag_text(
        tag: u64,
        text: *mut *mut c_char,
        text_size: *mut usize,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_layer_expect(
        layer: *const strata_layer,
        r#type: *const strata_type,
        error: *mut strata_error,
    ) -> strata_status;
}

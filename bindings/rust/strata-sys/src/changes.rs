// SPDX-License-Identifier: Apache-2.0
//! The difference of two snapshots: strata/c/changes.h.

use crate::*;

#[repr(C)]
pub struct strata_changes {
    opaque: [u8; 0],
}

pub const STRATA_ADDED: u32 = 0;
pub const STRATA_UPDATED: u32 = 1;
pub const STRATA_REMOVED: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_change {
    pub id: strata_id,
    pub kind: u32,
    pub reserved: u32,
    pub before: strata_layer,
    pub after: strata_layer,
}

#[repr(C)]
pub struct strata_dimension_changes {
    opaque: [u8; 0],
}

pub const STRATA_DIMENSION_ADDED: u32 = 0;
pub const STRATA_DIMENSION_REMOVED: u32 = 1;
pub const STRATA_DIMENSION_RENAMED: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct strata_dimension_change {
    pub struct_size: u32,
    pub dimension: u32,
    pub kind: u32,
    pub reserved: u32,
    pub before: strata_string,
    pub after: strata_string,
}

extern "C" {
    pub fn strata_dimension_changes_between(
        before: *mut strata_snapshot,
        after: *mut strata_snapshot,
        changes: *mut *mut strata_dimension_changes,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimension_changes_size(changes: *const strata_dimension_changes) -> usize;
    pub fn strata_dimension_changes_get(
        changes: *const strata_dimension_changes,
        index: usize,
        change: *mut strata_dimension_change,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_dimension_changes_free(changes: *mut strata_dimension_changes);
    pub fn strata_changes_between(
        before: *mut strata_snapshot,
        after: *mut strata_snapshot,
        changes: *mut *mut strata_changes,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_changes_in(
        before: *mut strata_snapshot,
        after: *mut strata_snapshot,
        dimension: u32,
        changes: *mut *mut strata_changes,
        error: *mut strata_error,
    ) -> strata_status;
    pub fn strata_changes_size(changes: *const strata_changes) -> usize;
    pub fn strata_changes_data(changes: *const strata_changes) -> *const strata_change;
    pub fn strata_changes_free(changes: *mut strata_changes);
}

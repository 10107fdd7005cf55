// SPDX-License-Identifier: Apache-2.0
//! The difference of two snapshots of one store.

use std::mem::{size_of, zeroed};
use std::ptr::null_mut;

use strata_sys as sys;

use crate::error::{call, Error};
use crate::layer::{Found, Id, Layer};
use crate::snapshot::Snapshot;
use crate::text::string_of;

/// What happened to a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ChangeKind {
    Added,
    Updated,
    Removed,
}

/// One layer that differs.
#[derive(Clone, Copy)]
pub struct Change<'snap> {
    /// Which one.
    pub id: Id,
    /// What happened to it.
    pub kind: ChangeKind,
    /// In the earlier snapshot; none if it was added.
    pub before: Option<Layer<'snap>>,
    /// In the later snapshot; none if it was removed.
    pub after: Option<Layer<'snap>>,
}

/// Everything that differs, ascending by id. `before` may be none: an empty store. Either may be
/// the older one. O(changes), not O(layers). Errors: `INVALID_ARGUMENT` (of different stores),
/// `CORRUPT`, `OUT_OF_MEMORY`.
pub fn changes<'s>(
    before: Option<&'s Snapshot>,
    after: &'s Snapshot,
) -> Result<Vec<Change<'s>>, Error> {
    collected(|list, e| unsafe { sys::strata_changes_between(raw(before), after.raw(), list, e) })
}

/// As `changes`, of one dimension.
pub fn changes_in<'s>(
    before: Option<&'s Snapshot>,
    after: &'s Snapshot,
    dimension: u32,
) -> Result<Vec<Change<'s>>, Error> {
    collected(|list, e| unsafe {
        sys::strata_changes_in(raw(before), after.raw(), dimension, list, e)
    })
}

/// What happened to a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DimensionChangeKind {
    Added,
    Removed,
    Renamed,
}

/// A dimension that one of two snapshots does not have, or has under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionChange {
    /// Its number.
    pub dimension: u32,
    /// What happened to it.
    pub kind: DimensionChangeKind,
    /// Its name; empty if it was added.
    pub before: String,
    /// Its name; empty if it was removed.
    pub after: String,
}

/// Dimensions that were added, removed or renamed, ascending by number; also those without a layer,
/// of which `changes` has nothing to say. Errors as there.
pub fn dimension_changes(
    before: Option<&Snapshot>,
    after: &Snapshot,
) -> Result<Vec<DimensionChange>, Error> {
    let mut list = DimensionList(null_mut());
    call(|e| unsafe {
        sys::strata_dimension_changes_between(raw(before), after.raw(), &mut list.0, e)
    })?;
    let count = unsafe { sys::strata_dimension_changes_size(list.0) };
    let mut all = Vec::with_capacity(count);
    for index in 0..count {
        // Safe: numbers and pointers, of which zero is a value.
        let mut change: sys::strata_dimension_change = unsafe { zeroed() };
        change.struct_size = size_of::<sys::strata_dimension_change>() as u32;
        call(|e| unsafe { sys::strata_dimension_changes_get(list.0, index, &mut change, e) })?;
        all.push(DimensionChange {
            dimension: change.dimension,
            kind: match change.kind {
                sys::STRATA_DIMENSION_ADDED => DimensionChangeKind::Added,
                sys::STRATA_DIMENSION_REMOVED => DimensionChangeKind::Removed,
                _ => DimensionChangeKind::Renamed,
            },
            before: string_of(change.before),
            after: string_of(change.after),
        });
    }
    Ok(all)
}

/// Gives the list back.
struct DimensionList(*mut sys::strata_dimension_changes);
impl Drop for DimensionList {
    fn drop(&mut self) {
        unsafe { sys::strata_dimension_changes_free(self.0) }
    }
}

fn raw(snapshot: Option<&Snapshot>) -> *mut sys::strata_snapshot {
    snapshot.map_or(null_mut(), Snapshot::raw)
}

/// Gives the list back.
struct List(*mut sys::strata_changes);
impl Drop for List {
    fn drop(&mut self) {
        unsafe { sys::strata_changes_free(self.0) }
    }
}

fn collected<'s>(
    compare: impl FnOnce(*mut *mut sys::strata_changes, *mut sys::strata_error) -> i32,
) -> Result<Vec<Change<'s>>, Error> {
    let mut list = List(null_mut());
    call(|e| compare(&mut list.0, e))?;
    let count = unsafe { sys::strata_changes_size(list.0) };
    if count == 0 {
        return Ok(Vec::new());
    }
    // Safe: so many lie there, for as long as the list is held; the layers are of the snapshots.
    let all = unsafe { std::slice::from_raw_parts(sys::strata_changes_data(list.0), count) };
    Ok(all
        .iter()
        .map(|change| Change {
            id: Id::of(change.id),
            kind: match change.kind {
                sys::STRATA_ADDED => ChangeKind::Added,
                sys::STRATA_UPDATED => ChangeKind::Updated,
                _ => ChangeKind::Removed,
            },
            before: unsafe { Found::new(change.before) }.get(),
            after: unsafe { Found::new(change.after) }.get(),
        })
        .collect())
}

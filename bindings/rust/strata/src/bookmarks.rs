// SPDX-License-Identifier: Apache-2.0
//! Generations that are kept under names, whoever is producer meanwhile.

use std::mem::{size_of, zeroed};
use std::ptr::null_mut;
use std::time::SystemTime;

use strata_sys as sys;

use crate::error::{call, Error};
use crate::snapshot::time_of;
use crate::text::string_of;

/// A named generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// 1 to 63 bytes.
    pub name: String,
    /// What it keeps.
    pub generation: u64,
    /// When this generation got the name.
    pub made_at: SystemTime,
}

/// Gives the list back.
struct List(*mut sys::strata_bookmark_list);
impl Drop for List {
    fn drop(&mut self) {
        unsafe { sys::strata_bookmark_list_free(self.0) }
    }
}

/// Safe for a consumer that lives.
pub(crate) unsafe fn bookmarks_of(
    consumer: *const sys::strata_consumer,
) -> Result<Vec<Bookmark>, Error> {
    let mut list = List(null_mut());
    call(|e| unsafe { sys::strata_bookmarks(consumer, &mut list.0, e) })?;
    (0..unsafe { sys::strata_bookmark_list_size(list.0) })
        .map(|index| {
            // Safe: numbers and a pointer, of which zero is a value.
            let mut raw: sys::strata_bookmark = unsafe { zeroed() };
            raw.struct_size = size_of::<sys::strata_bookmark>() as u32;
            call(|e| unsafe { sys::strata_bookmark_list_get(list.0, index, &mut raw, e) })?;
            Ok(Bookmark {
                name: string_of(raw.name),
                generation: raw.generation,
                made_at: time_of(raw.made_at_ns),
            })
        })
        .collect()
}

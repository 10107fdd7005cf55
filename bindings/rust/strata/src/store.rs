// SPDX-License-Identifier: Apache-2.0
//! Stores as a whole, by name.

use std::ffi::CStr;
use std::mem::{size_of, zeroed};
use std::path::Path;
use std::ptr::null_mut;
use std::time::SystemTime;

use strata_sys as sys;

use crate::error::{call, Error};
use crate::snapshot::time_of;
use crate::text::{given_text, string_of, BasePath};

/// What can be known of a store without its producer. Numbers of the newest generation are of one
/// moment; the rest was read at about the same time.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct StoreInfo {
    /// 32 hexadecimal digits: another store of the name differs.
    pub id: String,
    pub format_version: u32,
    /// User id.
    pub owner: u32,
    /// Permission bits of the directory.
    pub mode: u32,
    pub created_at: SystemTime,
    pub published_at: SystemTime,
    /// In its own pid namespace.
    pub producer_pid: Option<i64>,
    /// Pins.
    pub readers: u64,
    pub generation: u64,
    pub oldest_retained: u64,
    pub dimensions: u64,
    pub layers: u64,
    pub memory_limit: u64,
    pub live_bytes: u64,
    pub committed_bytes: u64,
    pub region_max_bytes: u64,
}

/// Looks at a store without attaching to it. Errors as [`crate::Consumer::attach`].
pub fn inspect(name: &str, base_path: Option<&Path>) -> Result<StoreInfo, Error> {
    let base = BasePath::new(base_path)?;
    // Safe: numbers, of which zero is a value.
    let mut info: sys::strata_store_info = unsafe { zeroed() };
    info.struct_size = size_of::<sys::strata_store_info>() as u32;
    call(|e| unsafe {
        sys::strata_inspect(name.as_ptr().cast(), name.len(), base.as_ptr(), &mut info, e)
    })?;
    Ok(StoreInfo {
        // Safe: terminated.
        id: unsafe { CStr::from_ptr(info.id.as_ptr()) }.to_string_lossy().into_owned(),
        format_version: info.format_version,
        owner: info.owner,
        mode: info.mode,
        created_at: time_of(info.created_at_ns),
        published_at: time_of(info.published_at_ns),
        producer_pid: (info.producer_pid != 0).then(|| info.producer_pid),
        readers: info.readers,
        generation: info.generation,
        oldest_retained: info.oldest_retained,
        dimensions: info.dimensions,
        layers: info.layers,
        memory_limit: info.memory_limit,
        live_bytes: info.live_bytes,
        committed_bytes: info.committed_bytes,
        region_max_bytes: info.region_max_bytes,
    })
}

/// Statistics of a store, as JSON. Errors as [`crate::Consumer::attach`].
pub fn statistics(name: &str, base_path: Option<&Path>) -> Result<String, Error> {
    let base = BasePath::new(base_path)?;
    given_text(|text, size, e| unsafe {
        let (data, length) = (name.as_ptr().cast(), name.len());
        sys::strata_statistics_json(data, length, base.as_ptr(), text, size, e)
    })
}

/// Gives the list back.
struct List(*mut sys::strata_store_list);
impl Drop for List {
    fn drop(&mut self) {
        unsafe { sys::strata_store_list_free(self.0) }
    }
}

/// The names of all stores under a base path, sorted; none if there is no such directory.
pub fn stores(base_path: Option<&Path>) -> Result<Vec<String>, Error> {
    let base = BasePath::new(base_path)?;
    let mut list = List(null_mut());
    call(|e| unsafe { sys::strata_list_stores(base.as_ptr(), &mut list.0, e) })?;
    let count = unsafe { sys::strata_store_list_size(list.0) };
    Ok((0..count)
        .map(|index| string_of(unsafe { sys::strata_store_list_name(list.0, index) }))
        .collect())
}

/// Removes a store for good: its name disappears atomically. Attached consumers keep what they have
/// mapped. Errors: `STORE_NOT_FOUND`, `PRODUCER_ACTIVE`, `PERMISSION_DENIED`, `SYSTEM`.
pub fn remove_store(name: &str, base_path: Option<&Path>) -> Result<(), Error> {
    let base = BasePath::new(base_path)?;
    call(|e| unsafe {
        sys::strata_remove_store(name.as_ptr().cast(), name.len(), base.as_ptr(), e)
    })
}

/// "major.minor.patch" of the library.
pub fn version() -> &'static str {
    // Safe: valid for ever, and ASCII.
    unsafe { CStr::from_ptr(sys::strata_version()) }.to_str().unwrap_or("")
}

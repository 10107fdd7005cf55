// SPDX-License-Identifier: Apache-2.0
//! Strings on their way to C and back.

use std::ffi::CString;
use std::os::raw::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null;

use strata_sys as sys;

use crate::error::{call, Error};

/// A base path for C; none is the default one.
pub(crate) struct BasePath(Option<CString>);

impl BasePath {
    pub(crate) fn new(path: Option<&Path>) -> Result<BasePath, Error> {
        let text = path.map(|path| CString::new(path.as_os_str().as_bytes())).transpose();
        Ok(BasePath(
            text.map_err(|_| Error::misuse("open store", "the base path has a zero byte"))?,
        ))
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ref().map_or(null(), |text| text.as_ptr())
    }
}

/// Bytes that belong to somebody who lives for `'a`.
///
/// # Safety
/// They do, and do not change meanwhile.
pub(crate) unsafe fn borrowed<'a>(text: sys::strata_string) -> &'a [u8] {
    if text.size == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(text.data.cast(), text.size) }
}

pub(crate) fn string_of(text: sys::strata_string) -> String {
    // Safe: copied before the caller's borrow ends.
    String::from_utf8_lossy(unsafe { borrowed(text) }).into_owned()
}

/// What a function gives in memory of C's.
pub(crate) fn given_text(
    function: impl FnOnce(*mut *mut c_char, *mut usize, *mut sys::strata_error) -> i32,
) -> Result<String, Error> {
    let mut text: *mut c_char = std::ptr::null_mut();
    let mut size = 0;
    call(|error| function(&mut text, &mut size, error))?;
    let copy = string_of(sys::strata_string { data: text, size });
    // Safe: the function gave it, nobody else has it.
    unsafe { sys::strata_free(text.cast::<c_void>()) };
    Ok(copy)
}

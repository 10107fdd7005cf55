// SPDX-License-Identifier: Apache-2.0
//! Errors: what the library says, as a value of one word.

use std::ffi::CStr;
use std::fmt;
use std::mem::{size_of, MaybeUninit};
use std::os::raw::c_char;
use std::ptr::addr_of_mut;

use strata_sys as sys;

/// What went wrong. Codes that this version does not know are possible.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub i32);

macro_rules! codes {
    ($($name:ident = $value:ident,)*) => {
        #[allow(missing_docs)] // include/strata/error.hpp says what each means
        impl Code {
            $(pub const $name: Code = Code(sys::$value);)*
        }
    };
}
codes! {
    STORE_NOT_FOUND = STRATA_STORE_NOT_FOUND,
    STORE_EXISTS = STRATA_STORE_EXISTS,
    NOT_A_STORE = STRATA_NOT_A_STORE,
    FORMAT_VERSION = STRATA_FORMAT_VERSION,
    BYTE_ORDER = STRATA_BYTE_ORDER,
    PERMISSION_DENIED = STRATA_PERMISSION_DENIED,
    NOT_TRUSTED = STRATA_NOT_TRUSTED,
    CORRUPT = STRATA_CORRUPT,
    TRUNCATED = STRATA_TRUNCATED,
    INVALID_NAME = STRATA_INVALID_NAME,
    INVALID_ARGUMENT = STRATA_INVALID_ARGUMENT,
    PRODUCER_ACTIVE = STRATA_PRODUCER_ACTIVE,
    DIMENSION_NOT_FOUND = STRATA_DIMENSION_NOT_FOUND,
    LAYER_NOT_FOUND = STRATA_LAYER_NOT_FOUND,
    DIMENSION_EXISTS = STRATA_DIMENSION_EXISTS,
    LAYER_TOO_LARGE = STRATA_LAYER_TOO_LARGE,
    LIMIT_EXCEEDED = STRATA_LIMIT_EXCEEDED,
    NO_SPACE = STRATA_NO_SPACE,
    NAME_COLLISION = STRATA_NAME_COLLISION,
    TYPE_MISMATCH = STRATA_TYPE_MISMATCH,
    GENERATION_NOT_RETAINED = STRATA_GENERATION_NOT_RETAINED,
    WRONG_PROCESS = STRATA_WRONG_PROCESS,
    STORE_REPLACED = STRATA_STORE_REPLACED,
    SYSTEM = STRATA_SYSTEM,
    FILE_NOT_FOUND = STRATA_FILE_NOT_FOUND,
    FILE_EXISTS = STRATA_FILE_EXISTS,
    END_OF_FILE = STRATA_END_OF_FILE,
    WOULD_DEADLOCK = STRATA_WOULD_DEADLOCK,
    DURABILITY_LOST = STRATA_DURABILITY_LOST,
    NOT_RECOVERED = STRATA_NOT_RECOVERED,
    BOOKMARK_NOT_FOUND = STRATA_BOOKMARK_NOT_FOUND,
    OUT_OF_MEMORY = STRATA_OUT_OF_MEMORY,
    INTERNAL = STRATA_INTERNAL,
}

impl Code {
    /// `limit_exceeded` and so on.
    pub fn name(self) -> &'static str {
        // Safe: the names are ASCII literals of the library, which is never unloaded.
        let name = unsafe { CStr::from_ptr(sys::strata_status_name(self.0)) };
        name.to_str().unwrap_or("unknown")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What strata refuses, or cannot do.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>); // one word, so that results stay small

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    operation: String,
    path: String,
    hint: String,
    message: String,
    os_error: i32,
    needed: u64,
    limit: u64,
    current: u64,
}

impl Error {
    /// What went wrong.
    pub fn code(&self) -> Code {
        self.0.code
    }
    /// Of the library: "attach".
    pub fn operation(&self) -> &str {
        &self.0.operation
    }
    /// Of the file or store, where there is one.
    pub fn path(&self) -> &str {
        &self.0.path
    }
    /// What to try.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }
    /// The system call's, if one failed.
    pub fn os_error(&self) -> Option<std::io::Error> {
        (self.0.os_error != 0).then(|| std::io::Error::from_raw_os_error(self.0.os_error))
    }
    /// Bytes that were asked for, where that is meaningful.
    pub fn needed(&self) -> u64 {
        self.0.needed
    }
    /// The limit that was hit, in bytes.
    pub fn limit(&self) -> u64 {
        self.0.limit
    }
    /// Bytes in use when it was hit.
    pub fn current(&self) -> u64 {
        self.0.current
    }

    /// A caller's mistake that no call was needed for.
    pub(crate) fn misuse(operation: &str, what: &str) -> Error {
        Error(Box::new(Inner {
            code: Code::INVALID_ARGUMENT,
            operation: operation.to_string(),
            path: String::new(),
            hint: String::new(),
            message: format!("strata: {operation}: {what}"),
            os_error: 0,
            needed: 0,
            limit: 0,
            current: 0,
        }))
    }

    fn of(error: &sys::strata_error, status: sys::strata_status) -> Error {
        Error(Box::new(Inner {
            code: Code(status),
            operation: text_of(&error.operation),
            path: text_of(&error.path),
            hint: text_of(&error.hint),
            message: text_of(&error.message),
            os_error: error.os_error,
            needed: error.needed,
            limit: error.limit,
            current: error.current,
        }))
    }
}

impl fmt::Display for Error {
    /// One line: operation, path, what happened, hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

fn text_of(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().map(|&c| c as u8).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a function of the C ABI, whose error it is to fill.
pub(crate) fn call(
    function: impl FnOnce(*mut sys::strata_error) -> sys::strata_status,
) -> Result<(), Error> {
    let mut error = MaybeUninit::<sys::strata_error>::uninit();
    // Safe: the address of a member of memory that is ours. The rest need not be written before:
    // the library reads the size alone, and fills all of it when it fails.
    unsafe {
        addr_of_mut!((*error.as_mut_ptr()).struct_size).write(size_of::<sys::strata_error>() as u32)
    };
    let status = function(error.as_mut_ptr());
    if status == sys::STRATA_OK {
        return Ok(());
    }
    // Safe: it failed, so it has filled the whole struct.
    Err(Error::of(unsafe { &*error.as_ptr() }, status))
}

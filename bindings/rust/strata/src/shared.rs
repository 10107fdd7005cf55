// SPDX-License-Identifier: Apache-2.0
//! Shared: types that other languages can name, and their tags.

use std::mem::{align_of, size_of};

use strata_sys as sys;

use crate::error::{call, Error};
use crate::layer::Layer;
use crate::text::given_text;

/// A type that processes of all languages lay out alike and call by one name.
///
/// ```
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Quote {
///     price: f64,
///     size: u64,
/// }
/// // Safe: repr(C), no padding, and any bytes are a Quote.
/// unsafe impl strata::Shared for Quote {
///     const NAME: &'static str = "Quote";
/// }
/// ```
///
/// # Safety
/// The type is `repr(C)` (or a number), has no padding, no pointers, and a size; any bytes are one
/// of its values (so no `bool`, no `enum`).
pub unsafe trait Shared: Copy + Send + Sync + 'static {
    /// `f64`, `u8`, or what all sides call the struct.
    const NAME: &'static str;
}

macro_rules! numbers {
    ($($number:ident),*) => {
        $(
            // Safe: any bytes are a number.
            unsafe impl Shared for $number {
                const NAME: &'static str = stringify!($number);
            }
        )*
    };
}
numbers!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

fn raw<T: Shared>(array: bool) -> sys::strata_type {
    sys::strata_type {
        name: T::NAME.as_ptr().cast(),
        name_size: T::NAME.len(),
        size: size_of::<T>() as u64,
        alignment: align_of::<T>() as u64,
        array: array.into(),
        reserved: 0,
    }
}

/// The tag of one T, or of an array: FNV-1a of `name:size:alignment`, or `name[]:size:alignment`.
pub fn type_tag<T: Shared>(array: bool) -> u64 {
    unsafe { sys::strata_type_tag(&raw::<T>(array)) }
}

/// For people: `f64`, `u32[]`, `plain bytes` (0), `type 0x...` for what has no name here.
pub fn type_tag_text(tag: u64) -> Result<String, Error> {
    given_text(|text, size, e| unsafe { sys::strata_type_tag_text(tag, text, size, e) })
}

pub(crate) fn expect<T: Shared>(layer: &Layer<'_>, array: bool) -> Result<(), Error> {
    if size_of::<T>() == 0 {
        return Err(Error::misuse("read layer", "a type of no size"));
    }
    call(|e| unsafe { sys::strata_layer_expect(layer.raw(), &raw::<T>(array), e) })
}

/// The memory of values.
pub(crate) fn bytes_of<T: Shared>(values: &[T]) -> &[u8] {
    // Safe: Shared promises that there is no padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), std::mem::size_of_val(values)) }
}

pub(crate) fn bytes_of_mut<T: Shared>(values: &mut [T]) -> &mut [u8] {
    let size = std::mem::size_of_val(values);
    // Safe: Shared promises that any bytes are a value.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size) }
}

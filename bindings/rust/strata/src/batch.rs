// SPDX-License-Identifier: Apache-2.0
//! Batch: changes that become visible together, or not at all.

use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::os::raw::c_void;
use std::ptr::{null_mut, NonNull};

use strata_sys as sys;

use crate::error::{call, Error};
use crate::producer::Producer;
use crate::shared::{bytes_of, type_tag, Shared};

/// What a layer carries beside its payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerOptions<'a> {
    /// Hz.
    pub frequency: f64,
    /// Copied.
    pub keywords: &'a [&'a str],
    /// Of the payload: a power of two, 64 (also 0) to 4096.
    pub alignment: u32,
    /// 0: plain bytes; `put_value` and `put_values` set it.
    pub type_tag: u64,
}

/// Changes that wait. Dropping the batch drops them.
pub struct Batch<'producer>(NonNull<sys::strata_batch>, PhantomData<&'producer Producer>);

// Safe: a batch is for one thread at a time, whichever.
unsafe impl Send for Batch<'_> {}

impl Batch<'_> {
    /// # Safety
    /// A batch that nobody else gives back, of a producer that is kept for as long.
    pub(crate) unsafe fn from_raw(raw: *mut sys::strata_batch) -> Self {
        Batch(NonNull::new(raw).expect("a batch"), PhantomData)
    }

    fn raw(&mut self) -> *mut sys::strata_batch {
        self.0.as_ptr()
    }

    /// Copies `data` in as the new version of the layer; a dimension that is not there is added.
    /// After an error (`LIMIT_EXCEEDED`, `NO_SPACE`, `LAYER_TOO_LARGE`, `INVALID_ARGUMENT`) the
    /// batch is as it was.
    pub fn put(
        &mut self,
        dimension: u32,
        layer: u64,
        data: &[u8],
        options: &LayerOptions<'_>,
    ) -> Result<(), Error> {
        let (batch, bytes, size) = (self.raw(), data.as_ptr().cast(), data.len());
        with_options(options, |o, e| unsafe {
            sys::strata_put(batch, dimension, layer, bytes, size, o, e)
        })
    }

    /// `put` for a layer with a name, which gives its number. `NAME_COLLISION`, here or from
    /// `crystallize`, if that number belongs to another name.
    pub fn put_name(
        &mut self,
        dimension: u32,
        name: &str,
        data: &[u8],
        options: &LayerOptions<'_>,
    ) -> Result<u64, Error> {
        let (batch, bytes, size) = (self.raw(), data.as_ptr().cast(), data.len());
        let (text, length) = (name.as_ptr().cast(), name.len());
        let mut number = 0;
        with_options(options, |o, e| unsafe {
            sys::strata_put_name(batch, dimension, text, length, bytes, size, o, &mut number, e)
        })?;
        Ok(number)
    }

    /// Puts one T, for `value` in every language that calls the type the same.
    pub fn put_value<T: Shared>(
        &mut self,
        dimension: u32,
        layer: u64,
        value: &T,
        options: &LayerOptions<'_>,
    ) -> Result<(), Error> {
        let options = typed::<T>(options, false);
        self.put(dimension, layer, bytes_of(std::slice::from_ref(value)), &options)
    }

    /// Puts an array of T, for `values`.
    pub fn put_values<T: Shared>(
        &mut self,
        dimension: u32,
        layer: u64,
        values: &[T],
        options: &LayerOptions<'_>,
    ) -> Result<(), Error> {
        self.put(dimension, layer, bytes_of(values), &typed::<T>(options, true))
    }

    /// `put_value` for a layer with a name, which gives its number.
    pub fn put_name_value<T: Shared>(
        &mut self,
        dimension: u32,
        name: &str,
        value: &T,
        options: &LayerOptions<'_>,
    ) -> Result<u64, Error> {
        let options = typed::<T>(options, false);
        self.put_name(dimension, name, bytes_of(std::slice::from_ref(value)), &options)
    }

    /// `put_values` for a layer with a name, which gives its number.
    pub fn put_name_values<T: Shared>(
        &mut self,
        dimension: u32,
        name: &str,
        values: &[T],
        options: &LayerOptions<'_>,
    ) -> Result<u64, Error> {
        self.put_name(dimension, name, bytes_of(values), &typed::<T>(options, true))
    }

    /// Room of `size` bytes, zeroed, to be filled in place: no copy. What is there when the batch
    /// is crystallized is published. Errors as `put`.
    pub fn loan(
        &mut self,
        dimension: u32,
        layer: u64,
        size: usize,
        options: &LayerOptions<'_>,
    ) -> Result<&mut [u8], Error> {
        let batch = self.raw();
        let mut room = null_mut();
        with_options(options, |o, e| unsafe {
            sys::strata_loan(batch, dimension, layer, size, o, &mut room, e)
        })?;
        Ok(self.zeroed(room, size))
    }

    /// `loan` for a layer with a name (whose number is `layer_number(name)`).
    pub fn loan_name(
        &mut self,
        dimension: u32,
        name: &str,
        size: usize,
        options: &LayerOptions<'_>,
    ) -> Result<&mut [u8], Error> {
        let batch = self.raw();
        let (text, length) = (name.as_ptr().cast(), name.len());
        let mut room = null_mut();
        with_options(options, |o, e| unsafe {
            sys::strata_loan_name(batch, dimension, text, length, size, o, &mut room, null_mut(), e)
        })?;
        Ok(self.zeroed(room, size))
    }

    fn zeroed(&mut self, room: *mut c_void, size: usize) -> &mut [u8] {
        // Safe: it is ours until the batch is changed, which the borrow excludes.
        unsafe {
            std::ptr::write_bytes(room.cast::<u8>(), 0, size);
            std::slice::from_raw_parts_mut(room.cast(), size)
        }
    }

    /// Removes a layer; no effect if there is none.
    pub fn erase(&mut self, dimension: u32, layer: u64) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_erase(self.raw(), dimension, layer, e) })
    }

    /// Removes the layer of that name; no effect if there is none.
    pub fn erase_name(&mut self, dimension: u32, name: &str) -> Result<(), Error> {
        let (text, size) = (name.as_ptr().cast(), name.len());
        call(|e| unsafe { sys::strata_erase_name(self.raw(), dimension, text, size, e) })
    }

    /// Removes a dimension with all its layers, those put earlier in this batch included.
    pub fn remove_dimension(&mut self, dimension: u32) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_remove_dimension(self.raw(), dimension, e) })
    }

    /// Removes all layers that the dimension has when the batch is crystallized but those that this
    /// batch puts; no effect if there is no such dimension.
    pub fn clear_dimension(&mut self, dimension: u32) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_clear_dimension(self.raw(), dimension, e) })
    }

    /// Adds an empty dimension, or renames it.
    pub fn name_dimension(&mut self, dimension: u32, name: &str) -> Result<(), Error> {
        let (text, size) = (name.as_ptr().cast(), name.len());
        call(|e| unsafe { sys::strata_name_dimension(self.raw(), dimension, text, size, e) })
    }

    /// The number of the dimension called `name`, to put into: a new one is added if there is none.
    /// O(dimensions). `INVALID_ARGUMENT`: a name of 0 bytes, or of more than 55.
    pub fn dimension(&mut self, name: &str) -> Result<u32, Error> {
        let (text, size) = (name.as_ptr().cast(), name.len());
        let mut number = 0;
        call(|e| unsafe { sys::strata_batch_dimension(self.raw(), text, size, &mut number, e) })?;
        Ok(number)
    }

    /// Publishes all of it atomically, gives the generation, and leaves the batch empty for the
    /// next use. After an error (`LIMIT_EXCEEDED`, `NO_SPACE`, `NAME_COLLISION`,
    /// `DIMENSION_NOT_FOUND`, `STORE_REPLACED`, `WRONG_PROCESS`) nothing was published, and the
    /// call may be repeated. An empty batch publishes nothing.
    pub fn crystallize(&mut self) -> Result<u64, Error> {
        let mut generation = 0;
        call(|e| unsafe { sys::strata_crystallize(self.raw(), &mut generation, e) })?;
        Ok(generation)
    }

    /// Drops all changes.
    pub fn clear(&mut self) {
        unsafe { sys::strata_batch_clear(self.raw()) }
    }

    /// Number of changes that wait.
    pub fn len(&self) -> usize {
        unsafe { sys::strata_batch_size(self.0.as_ptr()) }
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Safe: nobody else has it, and its producer is still there.
        unsafe { sys::strata_batch_free(self.raw()) }
    }
}

fn typed<'a, T: Shared>(options: &LayerOptions<'a>, array: bool) -> LayerOptions<'a> {
    let needed = if align_of::<T>() > 8 { align_of::<T>() as u32 } else { 0 };
    LayerOptions {
        type_tag: type_tag::<T>(array),
        alignment: options.alignment.max(needed),
        ..*options
    }
}

fn with_options(
    options: &LayerOptions<'_>,
    function: impl FnOnce(*const sys::strata_layer_options, *mut sys::strata_error) -> i32,
) -> Result<(), Error> {
    let keywords: Vec<sys::strata_string> = options
        .keywords
        .iter()
        .map(|word| sys::strata_string { data: word.as_ptr().cast(), size: word.len() })
        .collect();
    let given = sys::strata_layer_options {
        struct_size: size_of::<sys::strata_layer_options>() as u32,
        alignment: options.alignment,
        frequency: options.frequency,
        type_tag: options.type_tag,
        keywords: keywords.as_ptr(),
        keyword_count: keywords.len(),
    };
    call(|e| function(&given, e))
}

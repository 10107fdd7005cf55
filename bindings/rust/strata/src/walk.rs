// SPDX-License-Identifier: Apache-2.0
//! The dimensions of a snapshot, and walking through the layers of one.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};
use std::ptr::{null_mut, NonNull};

use strata_sys as sys;

use crate::error::{call, Error};
use crate::layer::{Found, Layer};
use crate::snapshot::Snapshot;
use crate::text::string_of;

/// What the directory of a generation says of a dimension.
#[derive(Clone, Debug)]
pub struct DimensionInfo {
    /// Its number.
    pub dimension: u32,
    /// Its name: "D7" if nobody gave it one.
    pub name: String,
    /// How many it has.
    pub layers: u64,
    /// Of blocks that this generation uses, index included.
    pub live_bytes: u64,
    /// That changed the dimension last.
    pub generation: u64,
}

/// Gives the list back.
struct List(*mut sys::strata_dimension_list);
impl Drop for List {
    fn drop(&mut self) {
        unsafe { sys::strata_dimension_list_free(self.0) }
    }
}

impl Snapshot {
    /// All dimensions, ascending by number. O(dimensions).
    pub fn dimensions(&self) -> Result<Vec<DimensionInfo>, Error> {
        let mut list = List(null_mut());
        call(|e| unsafe { sys::strata_dimensions(self.raw(), &mut list.0, e) })?;
        let count = unsafe { sys::strata_dimension_list_size(list.0) };
        (0..count)
            .map(|index| {
                // Safe: numbers and pointers, of which all zeros is a value.
                let mut info: sys::strata_dimension_info = unsafe { zeroed() };
                info.struct_size = size_of::<sys::strata_dimension_info>() as u32;
                call(|e| unsafe { sys::strata_dimension_list_get(list.0, index, &mut info, e) })?;
                Ok(DimensionInfo {
                    dimension: info.dimension,
                    name: string_of(info.name),
                    layers: info.layers,
                    live_bytes: info.live_bytes,
                    generation: info.generation,
                })
            })
            .collect()
    }

    /// Whether there is a dimension of that number.
    pub fn has_dimension(&self, dimension: u32) -> Result<bool, Error> {
        let mut has = 0;
        call(|e| unsafe { sys::strata_has_dimension(self.raw(), dimension, &mut has, e) })?;
        Ok(has != 0)
    }

    /// The number of the dimension called `name` (the lowest, if several are), else
    /// `DIMENSION_NOT_FOUND`. The first call on a snapshot is O(dimensions).
    pub fn dimension_number(&self, name: &str) -> Result<u32, Error> {
        let mut number = 0;
        call(|e| unsafe {
            let text = name.as_ptr().cast();
            sys::strata_dimension_number(self.raw(), text, name.len(), &mut number, e)
        })?;
        Ok(number)
    }

    /// How many layers a dimension has; `DIMENSION_NOT_FOUND` if there is none.
    pub fn layer_count(&self, dimension: u32) -> Result<u64, Error> {
        let mut layers = 0;
        call(|e| unsafe { sys::strata_dimension_layers(self.raw(), dimension, &mut layers, e) })?;
        Ok(layers)
    }

    /// The layers of a dimension with their numbers, ascending; many are asked for with one call.
    /// `DIMENSION_NOT_FOUND` if there is none.
    pub fn layers(&self, dimension: u32) -> Result<Layers<'_>, Error> {
        let mut cursor = null_mut();
        call(|e| unsafe { sys::strata_cursor_open(self.raw(), dimension, &mut cursor, e) })?;
        Ok(Layers {
            cursor: NonNull::new(cursor).expect("opened"),
            numbers: Box::new([0; ROOM]),
            // Safe: numbers and pointers, of which all zeros is a value.
            layers: Box::new(unsafe { zeroed() }),
            at: 0,
            size: 0,
            over: false,
            snapshot: PhantomData,
        })
    }
}

const ROOM: usize = 128;

/// A walk through the layers of a dimension. Damaged bytes end it with an error.
pub struct Layers<'snap> {
    cursor: NonNull<sys::strata_cursor>,
    numbers: Box<[u64; ROOM]>,
    layers: Box<[sys::strata_layer; ROOM]>,
    at: usize,
    size: usize,
    over: bool,
    snapshot: PhantomData<&'snap Snapshot>,
}

// Safe: a cursor is for one thread at a time, whichever.
unsafe impl Send for Layers<'_> {}

impl<'snap> Iterator for Layers<'snap> {
    type Item = Result<(u64, Layer<'snap>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.size {
            if self.over {
                return None;
            }
            self.at = 0;
            self.size = 0;
            let (numbers, layers) = (self.numbers.as_mut_ptr(), self.layers.as_mut_ptr());
            let (cursor, size) = (self.cursor.as_ptr(), &mut self.size);
            let next = call(|e| unsafe {
                sys::strata_cursor_next(cursor, numbers, layers, ROOM, size, e)
            });
            if let Err(error) = next {
                self.over = true;
                return Some(Err(error));
            }
            if self.size == 0 {
                self.over = true;
                return None;
            }
        }
        let at = self.at;
        self.at += 1;
        // Safe: one of the snapshot that is borrowed.
        let layer = unsafe { Found::new(self.layers[at]) }.get().expect("a layer");
        Some(Ok((self.numbers[at], layer)))
    }
}
impl FusedIterator for Layers<'_> {}

impl Drop for Layers<'_> {
    fn drop(&mut self) {
        unsafe { sys::strata_cursor_close(self.cursor.as_ptr()) }
    }
}

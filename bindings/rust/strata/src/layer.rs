// SPDX-License-Identifier: Apache-2.0
//! Layer: one published, immutable layer, in place.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};

use strata_sys as sys;

use crate::error::{call, Error};
use crate::shared::{expect, Shared};
use crate::snapshot::Snapshot;
use crate::text::borrowed;

/// Names one layer by numbers.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Id(sys::strata_id);

impl Id {
    /// Of a dimension and a layer in it.
    pub const fn new(dimension: u32, layer: u64) -> Id {
        Id(sys::strata_id { dimension, reserved: 0, layer })
    }
    pub(crate) fn of(id: sys::strata_id) -> Id {
        Id(id)
    }
    /// The dimension's number.
    pub const fn dimension(self) -> u32 {
        self.0.dimension
    }
    /// The layer's number in its dimension.
    pub const fn layer(self) -> u64 {
        self.0.layer
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Id) -> bool {
        (self.dimension(), self.layer()) == (other.dimension(), other.layer())
    }
}
impl Eq for Id {}
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.dimension(), self.layer())
    }
}

/// The number of the layer called `name`.
pub fn layer_number(name: &str) -> u64 {
    // Safe: the name is read during the call alone.
    unsafe { sys::strata_layer_number(name.as_ptr().cast(), name.len()) }
}

/// One layer of a snapshot, from which it borrows.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Layer<'snap>(sys::strata_layer, PhantomData<&'snap Snapshot>);

// Safe: it is an address of memory that nobody writes to while the snapshot lives.
unsafe impl Send for Layer<'_> {}
unsafe impl Sync for Layer<'_> {}

/// A place for a layer that a batched look-up fills.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Found<'snap>(sys::strata_layer, PhantomData<&'snap Snapshot>);

// Safe: as Layer.
unsafe impl Send for Found<'_> {}
unsafe impl Sync for Found<'_> {}

impl<'snap> Found<'snap> {
    /// The layer, if there is one.
    pub fn get(self) -> Option<Layer<'snap>> {
        (!self.0.data.is_null()).then(|| Layer(self.0, PhantomData))
    }
    /// # Safety
    /// The layer is one of a snapshot that lives for `'snap`, or has no data.
    pub(crate) unsafe fn new(layer: sys::strata_layer) -> Found<'snap> {
        Found(layer, PhantomData)
    }
}

/// What is stored beside a payload.
#[derive(Clone, Copy, Debug)]
pub struct LayerInfo<'snap> {
    /// The layer's own.
    pub id: Id,
    /// In which this version was published.
    pub generation: u64,
    /// Hz.
    pub frequency: f64,
    /// XXH3-64 over payload, metadata and header.
    pub checksum: u64,
    /// 0: plain bytes.
    pub type_tag: u64,
    /// Empty: the layer has a number only.
    pub name: &'snap [u8],
    /// How many: `Layer::keywords`.
    pub keyword_count: u64,
}

impl<'snap> Layer<'snap> {
    pub(crate) fn raw(&self) -> *const sys::strata_layer {
        &self.0
    }

    /// The payload in place: no copy.
    pub fn bytes(&self) -> &'snap [u8] {
        // Safe: the library gave address and size, the snapshot keeps both valid and unchanged.
        unsafe { std::slice::from_raw_parts(self.0.data.cast(), self.0.size as usize) }
    }

    /// Size of the payload in bytes.
    pub fn size(&self) -> usize {
        self.0.size as usize
    }

    /// A copy of the payload; an error if the file was cut short, where `bytes` would be a
    /// `SIGBUS`.
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        let mut copy = vec![0; self.size()];
        self.copy_to(0, &mut copy)?;
        Ok(copy)
    }

    /// Fills `to` with the payload from `offset` on, guarded as `to_vec`; `INVALID_ARGUMENT` beyond
    /// its end. A microsecond and the copy.
    pub fn copy_to(&self, offset: u64, to: &mut [u8]) -> Result<(), Error> {
        call(|e| unsafe {
            sys::strata_layer_copy(self.raw(), offset, to.as_mut_ptr().cast(), to.len(), e)
        })
    }

    /// Recomputes the checksum over all bytes: `CORRUPT` if it does not match. O(size).
    pub fn verify(&self) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_layer_verify(self.raw(), e) })
    }

    /// Reads the layer's header and metadata; `CORRUPT` if that is damaged.
    pub fn info(&self) -> Result<LayerInfo<'snap>, Error> {
        // Safe: numbers and pointers, of which all zeros is a value.
        let mut info: sys::strata_layer_info = unsafe { zeroed() };
        info.struct_size = size_of::<sys::strata_layer_info>() as u32;
        call(|e| unsafe { sys::strata_layer_describe(self.raw(), &mut info, e) })?;
        Ok(LayerInfo {
            id: Id::new(info.dimension, info.layer),
            generation: info.generation,
            frequency: info.frequency,
            checksum: info.checksum,
            type_tag: info.type_tag,
            // Safe: the name lies in the mapping, as the payload.
            name: unsafe { borrowed(info.name) },
            keyword_count: info.keywords,
        })
    }

    /// The keywords in the order in which they were put, in place.
    pub fn keywords(&self) -> Result<Vec<&'snap [u8]>, Error> {
        let count = self.info()?.keyword_count as usize;
        let mut words = vec![sys::strata_string { data: std::ptr::null(), size: 0 }; count];
        let mut given = 0;
        call(|e| unsafe {
            sys::strata_layer_keywords(self.raw(), 0, words.as_mut_ptr(), count, &mut given, e)
        })?;
        // Safe: they lie in the mapping, as the payload.
        Ok(words[..given].iter().map(|&word| unsafe { borrowed(word) }).collect())
    }

    /// The one T that the layer holds, in place; `TYPE_MISMATCH` unless it was put as one, in
    /// whatever language.
    pub fn value<T: Shared>(&self) -> Result<&'snap T, Error> {
        expect::<T>(self, false)?;
        // Safe: tag, size and alignment are T's, and any bytes are a T.
        Ok(unsafe { &*self.0.data.cast::<T>() })
    }

    /// The array of T that the layer holds, in place; as `value`.
    pub fn values<T: Shared>(&self) -> Result<&'snap [T], Error> {
        expect::<T>(self, true)?;
        let count = self.size() / size_of::<T>();
        // Safe: as above; `expect` refuses types of no size.
        Ok(unsafe { std::slice::from_raw_parts(self.0.data.cast::<T>(), count) })
    }
}

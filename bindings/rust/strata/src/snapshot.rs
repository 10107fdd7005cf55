// SPDX-License-Identifier: Apache-2.0
//! Snapshot: one generation of the whole store, and look-ups in it.

use std::fmt;
use std::mem::{size_of, zeroed, MaybeUninit};
use std::ptr::{null_mut, NonNull};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use strata_sys as sys;

use crate::error::{call, Error};
use crate::layer::{Found, Id, Layer};
use crate::shared::{bytes_of_mut, Shared};

/// One generation of the whole store, unchanged for as long as it or a clone of it lives. A clone
/// costs a count.
pub struct Snapshot(NonNull<sys::strata_snapshot>);

// Safe: the functions on a snapshot may be called from any thread at once.
unsafe impl Send for Snapshot {}
unsafe impl Sync for Snapshot {}

/// What the root of a generation says.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotInfo {
    /// Its number.
    pub generation: u64,
    /// By the producer's clock.
    pub published_at: SystemTime,
    /// In all.
    pub layers: u64,
    /// In all.
    pub dimensions: u64,
}

/// What [`Snapshot::gather`] says of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Gathered(u8);

impl Gathered {
    /// There is no such layer: the row is zeroed.
    pub const NONE: Gathered = Gathered(sys::STRATA_GATHERED_NONE);
    /// Copied.
    pub const ROW: Gathered = Gathered(sys::STRATA_GATHERED);
    /// Of another size than a row: the row is zeroed.
    pub const OTHER: Gathered = Gathered(sys::STRATA_GATHERED_OTHER);
}

impl Snapshot {
    /// # Safety
    /// A reference to a snapshot, which nobody else gives back.
    pub(crate) unsafe fn from_raw(raw: *mut sys::strata_snapshot) -> Snapshot {
        Snapshot(NonNull::new(raw).expect("a snapshot"))
    }

    pub(crate) fn raw(&self) -> *mut sys::strata_snapshot {
        self.0.as_ptr()
    }

    /// The number of the generation.
    pub fn generation(&self) -> u64 {
        unsafe { sys::strata_snapshot_generation(self.raw()) }
    }

    /// What the root says.
    pub fn info(&self) -> Result<SnapshotInfo, Error> {
        // Safe: numbers, of which zero is a value.
        let mut info: sys::strata_snapshot_info = unsafe { zeroed() };
        info.struct_size = size_of::<sys::strata_snapshot_info>() as u32;
        call(|e| unsafe { sys::strata_snapshot_describe(self.raw(), &mut info, e) })?;
        Ok(SnapshotInfo {
            generation: info.generation,
            published_at: time_of(info.published_at_ns),
            layers: info.layers,
            dimensions: info.dimensions,
        })
    }

    fn found(
        &self,
        look_up: impl FnOnce(*mut sys::strata_layer, *mut sys::strata_error) -> i32,
    ) -> Result<Found<'_>, Error> {
        let mut layer = MaybeUninit::uninit();
        call(|e| look_up(layer.as_mut_ptr(), e))?;
        // Safe: written on success, and one of this snapshot.
        Ok(unsafe { Found::new(layer.assume_init()) })
    }

    /// The layer, if there is one. Errors are what keeps it from being read: `CORRUPT`,
    /// `TRUNCATED`, `PERMISSION_DENIED`, `NOT_TRUSTED`, `SYSTEM`, `OUT_OF_MEMORY`.
    pub fn find(&self, dimension: u32, layer: u64) -> Result<Option<Layer<'_>>, Error> {
        self.found(|to, e| unsafe { sys::strata_find(self.raw(), dimension, layer, to, e) })
            .map(Found::get)
    }

    /// The layer that was put under this name, as `find`.
    pub fn find_name(&self, dimension: u32, name: &str) -> Result<Option<Layer<'_>>, Error> {
        self.found(|to, e| unsafe {
            sys::strata_find_name(self.raw(), dimension, name.as_ptr().cast(), name.len(), to, e)
        })
        .map(Found::get)
    }

    /// The layer; `DIMENSION_NOT_FOUND` or `LAYER_NOT_FOUND` where there is none.
    pub fn get(&self, dimension: u32, layer: u64) -> Result<Layer<'_>, Error> {
        self.found(|to, e| unsafe { sys::strata_get(self.raw(), dimension, layer, to, e) })
            .map(|found| found.get().expect("no error"))
    }

    /// As `get`, by name.
    pub fn get_name(&self, dimension: u32, name: &str) -> Result<Layer<'_>, Error> {
        self.found(|to, e| unsafe {
            sys::strata_get_name(self.raw(), dimension, name.as_ptr().cast(), name.len(), to, e)
        })
        .map(|found| found.get().expect("no error"))
    }

    /// Layers of any dimensions with one call, the latency of memory overlapped: `found[i]` is that
    /// of `ids[i]`. What was in `found` goes; on an error it is empty.
    pub fn find_many<'s>(&'s self, ids: &[Id], found: &mut Vec<Found<'s>>) -> Result<(), Error> {
        // Safe: Id and Found are those structs of C, and transparent.
        self.filled(ids.len(), found, |to, e| unsafe {
            sys::strata_find_many(self.raw(), ids.as_ptr().cast(), ids.len(), to, e)
        })
    }

    /// As `find_many`, for layers of one dimension.
    pub fn find_in<'s>(
        &'s self,
        dimension: u32,
        layers: &[u64],
        found: &mut Vec<Found<'s>>,
    ) -> Result<(), Error> {
        self.filled(layers.len(), found, |to, e| unsafe {
            sys::strata_find_in(self.raw(), dimension, layers.as_ptr(), layers.len(), to, e)
        })
    }

    fn filled<'s>(
        &'s self,
        count: usize,
        found: &mut Vec<Found<'s>>,
        look_up: impl FnOnce(*mut sys::strata_layer, *mut sys::strata_error) -> i32,
    ) -> Result<(), Error> {
        found.clear();
        found.reserve(count);
        call(|e| look_up(found.as_mut_ptr().cast(), e))?;
        // Safe: there is room for as many, and all of them were written.
        unsafe { found.set_len(count) };
        Ok(())
    }

    /// Copies the payloads of layers of one dimension, all of one size, to `rows`, one behind the
    /// other, with one call: a row has `rows.len() / layers.len()` bytes. `states`, if given, gets
    /// a word about each. Returns how many were copied. Guarded as [`Layer::copy_to`]; on an error
    /// the results are unspecified.
    pub fn gather(
        &self,
        dimension: u32,
        layers: &[u64],
        rows: &mut [u8],
        states: Option<&mut [Gathered]>,
    ) -> Result<usize, Error> {
        let row = rows.len().checked_div(layers.len()).unwrap_or(0);
        if row * layers.len() != rows.len() {
            let (bytes, count) = (rows.len(), layers.len());
            let what = format!("{bytes} bytes of rows cannot be divided among {count} layers");
            return Err(Error::misuse("gather layers", &what));
        }
        if states.as_ref().map_or(false, |states| states.len() != layers.len()) {
            return Err(Error::misuse("gather layers", "there is to be a state for each layer"));
        }
        let states = states.map_or(null_mut(), |states| states.as_mut_ptr().cast());
        let mut copied = 0;
        call(|e| unsafe {
            let (numbers, to) = (layers.as_ptr(), rows.as_mut_ptr().cast());
            let count = layers.len();
            sys::strata_gather(
                self.raw(),
                dimension,
                numbers,
                count,
                to,
                row,
                states,
                &mut copied,
                e,
            )
        })?;
        Ok(copied)
    }

    /// `gather` into values: each layer is to have the size of a T. Only the size is compared, not
    /// the tag.
    pub fn gather_values<T: Shared>(
        &self,
        dimension: u32,
        layers: &[u64],
        rows: &mut [T],
        states: Option<&mut [Gathered]>,
    ) -> Result<usize, Error> {
        if rows.len() != layers.len() {
            return Err(Error::misuse("gather layers", "there is to be a row for each layer"));
        }
        self.gather(dimension, layers, bytes_of_mut(rows), states)
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Snapshot {
        // Safe: one more reference, which the clone gives back.
        unsafe { Snapshot::from_raw(sys::strata_snapshot_ref(self.raw())) }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // Safe: one reference, and everything borrowed has ended.
        unsafe { sys::strata_snapshot_release(self.raw()) }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("generation", &self.generation()).finish()
    }
}

pub(crate) fn time_of(ns_since_1970: i64) -> SystemTime {
    let distance = Duration::from_nanos(ns_since_1970.unsigned_abs());
    if ns_since_1970 < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

/// The nearest that C's type can say.
pub(crate) fn ns_of(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Producer: the one writer of a store.

use std::fmt;
use std::mem::size_of;
use std::path::PathBuf;
use std::ptr::{null_mut, NonNull};
use std::time::Duration;

use strata_sys as sys;

use crate::batch::Batch;
use crate::consumer::milliseconds;
use crate::error::{call, Error};
use crate::text::{given_text, BasePath};

/// What [`Producer::open`] does with a store that is there, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Takes what there is, or makes one.
    OpenOrCreate,
    /// `STORE_EXISTS` if there is one.
    Create,
    /// `STORE_NOT_FOUND` if there is none.
    Open,
    /// Creates; one whose producer is gone is replaced.
    Replace,
}

/// What happens when there is no room while readers hold memory back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowReaders {
    /// `LIMIT_EXCEEDED`.
    Fail,
    /// Waits for them, for so long at most.
    Wait(Duration),
    /// Leaves them behind in their old file.
    Relocate,
}

/// When what is published becomes durable: survives the machine, not only its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `Off` where files are in memory alone, else `Background` with its defaults.
    Automatic,
    /// Only [`Producer::checkpoint`] and [`Producer::wait_durable`].
    Off,
    /// By a thread.
    Background {
        /// So long after a commit at most; zero: a second.
        interval: Duration,
        /// And after so many generations; 0: that does not matter.
        generations: u64,
    },
    /// `crystallize` returns when its generation is durable.
    EachCommit,
}

/// Options of [`Producer::open`]; 0 is the default everywhere, which `producer.hpp` names.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// `/dev/shm/strata`, or `STRATA_BASE_PATH`, if none.
    pub base_path: Option<PathBuf>,
    /// What to do with a store that is there.
    pub mode: OpenMode,
    /// Bytes, of the store in all; 0: 280 MiB.
    pub memory_limit: u64,
    /// Bytes that a region file may grow to.
    pub region_max_bytes: u64,
    /// Bytes that it begins with.
    pub region_initial_bytes: u64,
    /// A file for each dimension.
    pub own_regions: bool,
    /// Earlier generations that stay readable.
    pub retain: u32,
    /// Those of the last so long stay readable, too, however many they are.
    pub retain_for: Duration,
    /// What both keep takes at most so much; 0: the limit alone bounds it.
    pub retain_bytes: u64,
    /// Share of the limit that statistics report; 0: 0.75.
    pub warning_threshold: f64,
    /// 0o644 (also 0), 0o640 or 0o600.
    pub access_mode: u32,
    /// The group that may read.
    pub access_group: Option<u32>,
    /// When readers hold memory back.
    pub slow_readers: SlowReaders,
    /// When generations become durable.
    pub durability: Durability,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        ProducerOptions {
            base_path: None,
            mode: OpenMode::OpenOrCreate,
            memory_limit: 0,
            region_max_bytes: 0,
            region_initial_bytes: 0,
            own_regions: false,
            retain: 0,
            retain_for: Duration::ZERO,
            retain_bytes: 0,
            warning_threshold: 0.0,
            access_mode: 0,
            access_group: None,
            slow_readers: SlowReaders::Fail,
            durability: Durability::Automatic,
        }
    }
}

/// Options of [`Producer::add_dimension`]: one that is given a size or an access has a file of its
/// own.
#[derive(Clone, Copy, Debug, Default)]
pub struct DimensionOptions {
    /// A file of its own, also without any of the others.
    pub own_region: bool,
    /// Memory at the start.
    pub initial_bytes: u64,
    /// That it may grow to.
    pub max_bytes: u64,
    /// 0: the producer's.
    pub access_mode: u32,
    /// The group that may read.
    pub access_group: Option<u32>,
}

impl DimensionOptions {
    fn given(&self) -> sys::strata_dimension_options {
        sys::strata_dimension_options {
            struct_size: size_of::<sys::strata_dimension_options>() as u32,
            own_region: self.own_region.into(),
            initial_bytes: self.initial_bytes,
            max_bytes: self.max_bytes,
            access_mode: self.access_mode,
            has_access_group: self.access_group.is_some().into(),
            access_group: self.access_group.unwrap_or(0),
            reserved: 0,
        }
    }
}

/// The one writer of a store. A forked child cannot use it.
pub struct Producer(NonNull<sys::strata_producer>);

// Safe: the functions on a producer may be called from any thread at once.
unsafe impl Send for Producer {}
unsafe impl Sync for Producer {}

impl Producer {
    /// Opens or creates a store. There is one producer of each. Errors: `PRODUCER_ACTIVE`,
    /// `STORE_EXISTS`, `STORE_NOT_FOUND`, `INVALID_NAME`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`,
    /// `NO_SPACE`, `PERMISSION_DENIED`, `CORRUPT`, `SYSTEM`.
    pub fn open(name: &str, options: &ProducerOptions) -> Result<Producer, Error> {
        let base = BasePath::new(options.base_path.as_deref())?;
        let (slow_readers, slow_readers_wait_ms) = match options.slow_readers {
            SlowReaders::Fail => (sys::STRATA_SLOW_READERS_FAIL, 0),
            SlowReaders::Wait(time) => (sys::STRATA_SLOW_READERS_WAIT, milliseconds(time)),
            SlowReaders::Relocate => (sys::STRATA_SLOW_READERS_RELOCATE, 0),
        };
        let (durability, durability_interval_ms, durability_generations) = match options.durability
        {
            Durability::Automatic => (sys::STRATA_DURABILITY_AUTOMATIC, 0, 0),
            Durability::Off => (sys::STRATA_DURABILITY_OFF, 0, 0),
            Durability::Background { interval, generations } => {
                let interval = u32::try_from(milliseconds(interval)).unwrap_or(u32::MAX);
                (sys::STRATA_DURABILITY_BACKGROUND, interval, generations)
            }
            Durability::EachCommit => (sys::STRATA_DURABILITY_EACH_COMMIT, 0, 0),
        };
        let given = sys::strata_producer_options {
            struct_size: size_of::<sys::strata_producer_options>() as u32,
            open_mode: match options.mode {
                OpenMode::OpenOrCreate => sys::STRATA_OPEN_OR_CREATE,
                OpenMode::Create => sys::STRATA_CREATE,
                OpenMode::Open => sys::STRATA_OPEN,
                OpenMode::Replace => sys::STRATA_REPLACE,
            },
            memory_limit: options.memory_limit,
            region_max_bytes: options.region_max_bytes,
            region_initial_bytes: options.region_initial_bytes,
            own_regions: options.own_regions.into(),
            retain: options.retain,
            warning_threshold: options.warning_threshold,
            access_mode: options.access_mode,
            has_access_group: options.access_group.is_some().into(),
            access_group: options.access_group.unwrap_or(0),
            slow_readers,
            slow_readers_wait_ms,
            base_path: base.as_ptr(),
            retain_for_ns: u64::try_from(options.retain_for.as_nanos()).unwrap_or(u64::MAX),
            retain_bytes: options.retain_bytes,
            durability,
            durability_interval_ms,
            durability_generations,
        };
        let mut raw = null_mut();
        call(|e| unsafe {
            sys::strata_produce(name.as_ptr().cast(), name.len(), &given, &mut raw, e)
        })?;
        Ok(Producer(NonNull::new(raw).expect("opened")))
    }

    /// The last published generation.
    pub fn generation(&self) -> u64 {
        unsafe { sys::strata_producer_generation(self.0.as_ptr()) }
    }

    /// The last generation that survives a power failure; 0: there is none. One load.
    pub fn durable_generation(&self) -> u64 {
        unsafe { sys::strata_producer_durable_generation(self.0.as_ptr()) }
    }

    /// Makes the newest generation durable and gives it; commits go on meanwhile.
    /// `DURABILITY_LOST`: a flush failed, now or before; it is never tried again.
    pub fn checkpoint(&self) -> Result<u64, Error> {
        let mut generation = 0;
        call(|e| unsafe { sys::strata_checkpoint(self.0.as_ptr(), &mut generation, e) })?;
        Ok(generation)
    }

    /// Returns when the generation is durable; all who wait share a flush. Errors as of
    /// `checkpoint`; `INVALID_ARGUMENT`: it was not published.
    pub fn wait_durable(&self, generation: u64) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_wait_durable(self.0.as_ptr(), generation, e) })
    }

    /// Gives a generation a name that keeps it until it is taken away, also over restarts: the
    /// newest one (0), or one that is retained or has another bookmark. A name that is taken moves.
    /// Gives the generation. Errors: `INVALID_NAME`, `GENERATION_NOT_RETAINED`, `LIMIT_EXCEEDED`
    /// (a store has 64), `NO_SPACE`, `PERMISSION_DENIED`.
    pub fn set_bookmark(&self, name: &str, generation: u64) -> Result<u64, Error> {
        let mut set = 0;
        call(|e| unsafe {
            let (data, size) = (name.as_ptr().cast(), name.len());
            sys::strata_set_bookmark(self.0.as_ptr(), data, size, generation, &mut set, e)
        })?;
        Ok(set)
    }

    /// Snapshots by this bookmark stay; what nobody reads comes free. `BOOKMARK_NOT_FOUND`.
    pub fn remove_bookmark(&self, name: &str) -> Result<(), Error> {
        call(|e| unsafe {
            sys::strata_remove_bookmark(self.0.as_ptr(), name.as_ptr().cast(), name.len(), e)
        })
    }

    /// A new, empty batch.
    pub fn batch(&self) -> Result<Batch<'_>, Error> {
        let mut raw = null_mut();
        call(|e| unsafe { sys::strata_batch_new(self.0.as_ptr(), &mut raw, e) })?;
        // Safe: ours, and the borrow keeps the producer for as long.
        Ok(unsafe { Batch::from_raw(raw) })
    }

    /// Statistics of the store, as JSON, all tables brought up to date.
    pub fn statistics(&self) -> Result<String, Error> {
        given_text(|text, size, e| unsafe {
            sys::strata_producer_statistics_json(self.0.as_ptr(), text, size, e)
        })
    }

    /// Changes the limit; `LIMIT_EXCEEDED` if more is in use.
    pub fn set_memory_limit(&self, bytes: u64) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_set_memory_limit(self.0.as_ptr(), bytes, e) })
    }

    /// Frees what no reader needs, then gives free memory back to the system: so many bytes.
    pub fn trim(&self) -> Result<u64, Error> {
        let mut bytes = 0;
        call(|e| unsafe { sys::strata_trim(self.0.as_ptr(), &mut bytes, e) })?;
        Ok(bytes)
    }

    /// Publishes a dimension if it is not there yet, and gives the generation; an empty name is the
    /// default one. `DIMENSION_EXISTS` if it is there with other sizes.
    pub fn add_dimension(
        &self,
        dimension: u32,
        name: &str,
        options: DimensionOptions,
    ) -> Result<u64, Error> {
        let given = options.given();
        let mut generation = 0;
        call(|e| unsafe {
            let (text, size) = (name.as_ptr().cast(), name.len());
            let producer = self.0.as_ptr();
            sys::strata_add_dimension(producer, dimension, text, size, &given, &mut generation, e)
        })?;
        Ok(generation)
    }

    /// Moves a dimension to a region file of its own if the options ask for one, else to the shared
    /// ones, as one generation in which no layer changes. Copies every layer. Errors, after which
    /// it is where it was: `DIMENSION_NOT_FOUND`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`, `NO_SPACE`.
    pub fn move_dimension(&self, dimension: u32, options: DimensionOptions) -> Result<u64, Error> {
        let mut generation = 0;
        call(|e| unsafe {
            let (producer, given) = (self.0.as_ptr(), options.given());
            sys::strata_move_dimension(producer, dimension, &given, &mut generation, e)
        })?;
        Ok(generation)
    }

    /// Publishes the core dimensions 1 to 14, as far as they are not there yet.
    pub fn add_core_dimensions(&self) -> Result<u64, Error> {
        let mut generation = 0;
        call(|e| unsafe { sys::strata_add_core_dimensions(self.0.as_ptr(), &mut generation, e) })?;
        Ok(generation)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Safe: batches borrow it, so there is none left.
        unsafe { sys::strata_producer_close(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("generation", &self.generation()).finish()
    }
}

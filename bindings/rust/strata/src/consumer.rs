// SPDX-License-Identifier: Apache-2.0
//! Consumer: attaching, waiting.

use std::fmt;
use std::mem::{size_of, zeroed};
use std::os::unix::io::BorrowedFd;
use std::path::PathBuf;
use std::ptr::{null_mut, NonNull};
use std::time::{Duration, SystemTime};

use strata_sys as sys;

use crate::bookmarks::{bookmarks_of, Bookmark};
use crate::error::{call, Error};
use crate::snapshot::{ns_of, Snapshot};
use crate::text::{given_text, BasePath};

/// Who may own a store for it to be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedOwner {
    /// This process's user, or root.
    SelfOrRoot,
    /// Whoever it is.
    Anybody,
    /// The user of that id, or root.
    User(u32),
}

/// Options of [`Consumer::attach`].
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// `/dev/shm/strata`, or `STRATA_BASE_PATH`, if none.
    pub base_path: Option<PathBuf>,
    /// How long to wait for the store to appear.
    pub wait_for_store: Duration,
    /// Who may own it.
    pub trusted_owner: TrustedOwner,
    /// A background thread keeps the process's pin; without it, the last snapshot's end is a system
    /// call.
    pub idle_pin: bool,
    /// An eighth of the store, and 64 MiB for all of the process, if none; 0: no look-up cache.
    pub lookup_cache_bytes: Option<u64>,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        ConsumerOptions {
            base_path: None,
            wait_for_store: Duration::ZERO,
            trusted_owner: TrustedOwner::SelfOrRoot,
            idle_pin: true,
            lookup_cache_bytes: None,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitResult {
    /// There is a newer generation.
    Changed,
    /// The time is over.
    Timeout,
    /// Nothing newer, and nobody to publish it.
    ProducerGone,
    /// Removed, or another one under its name: [`Consumer::reattach`].
    StoreReplaced,
    /// By a [`Cancellation`].
    Cancelled,
}

/// Options of [`Consumer::wait`].
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitOptions<'a> {
    /// For ever, if none; zero: only look.
    pub timeout: Option<Duration>,
    /// The producer's end does not end the wait.
    pub wait_for_producer: bool,
    /// Ends the wait from another thread.
    pub cancellation: Option<&'a Cancellation>,
}

/// Ends waits from another thread: one request ends all waits that it was given to, those to come
/// included.
pub struct Cancellation(NonNull<sys::strata_cancellation>);

// Safe: the library's requests and waits are made for several threads.
unsafe impl Send for Cancellation {}
unsafe impl Sync for Cancellation {}

impl Cancellation {
    /// One that has not been requested.
    pub fn new() -> Result<Cancellation, Error> {
        let mut raw = null_mut();
        call(|e| unsafe { sys::strata_cancellation_new(&mut raw, e) })?;
        Ok(Cancellation(NonNull::new(raw).expect("made")))
    }
    /// From any thread, but not in a signal's handler.
    pub fn request(&self) {
        unsafe { sys::strata_cancellation_request(self.0.as_ptr()) }
    }
}
impl Drop for Cancellation {
    fn drop(&mut self) {
        // Safe: waits borrow it, so there is none left.
        unsafe { sys::strata_cancellation_free(self.0.as_ptr()) }
    }
}
impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancellation")
    }
}

/// What a consumer takes of its process's memory.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ConsumerMemory {
    pub lookup_cache_bytes: u64,
    pub lookup_cache_limit: u64,
    pub cached_dimensions: u64,
    pub cached_lists: u64,
    pub mapped_regions: u64,
}

/// A process's read-only end of a store. It writes to nothing that is shared.
pub struct Consumer(NonNull<sys::strata_consumer>);

// Safe: the functions on a consumer may be called from any thread at once.
unsafe impl Send for Consumer {}
unsafe impl Sync for Consumer {}

impl Consumer {
    /// Attaches to a store: some 25 microseconds, whatever its size. Errors: `STORE_NOT_FOUND`,
    /// `NOT_A_STORE`, `FORMAT_VERSION`, `BYTE_ORDER`, `PERMISSION_DENIED`, `NOT_TRUSTED`,
    /// `CORRUPT`, `TRUNCATED`, `INVALID_NAME`, `SYSTEM`.
    pub fn attach(name: &str, options: &ConsumerOptions) -> Result<Consumer, Error> {
        let base = BasePath::new(options.base_path.as_deref())?;
        let (trusted_owner, owner) = match options.trusted_owner {
            TrustedOwner::SelfOrRoot => (sys::STRATA_TRUST_SELF_OR_ROOT, 0),
            TrustedOwner::Anybody => (sys::STRATA_TRUST_ANYBODY, 0),
            TrustedOwner::User(id) => (sys::STRATA_TRUST_USER, id),
        };
        let given = sys::strata_attach_options {
            struct_size: size_of::<sys::strata_attach_options>() as u32,
            trusted_owner,
            owner,
            no_idle_pin: (!options.idle_pin).into(),
            wait_for_store_ms: milliseconds(options.wait_for_store),
            lookup_cache_bytes: match options.lookup_cache_bytes {
                None => 0,
                Some(0) => sys::STRATA_NO_LOOKUP_CACHE,
                Some(bytes) => bytes,
            },
            base_path: base.as_ptr(),
        };
        let mut raw = null_mut();
        call(|e| unsafe {
            sys::strata_attach(name.as_ptr().cast(), name.len(), &given, &mut raw, e)
        })?;
        Ok(Consumer(NonNull::new(raw).expect("attached")))
    }

    /// Attaches anew under the same name and options. If that fails, the old attachment stays.
    /// Snapshots stay valid; the event descriptor is closed.
    pub fn reattach(&mut self) -> Result<(), Error> {
        call(|e| unsafe { sys::strata_reattach(self.0.as_ptr(), e) })
    }

    /// The newest published generation: one load.
    pub fn generation(&self) -> u64 {
        unsafe { sys::strata_generation(self.0.as_ptr()) }
    }

    /// The newest generation that survives a power failure; 0: there is none. `DURABILITY_LOST`: a
    /// flush failed, and nothing newer will become durable.
    pub fn durable_generation(&self) -> Result<u64, Error> {
        let mut generation = 0;
        call(|e| unsafe { sys::strata_durable_generation(self.0.as_ptr(), &mut generation, e) })?;
        Ok(generation)
    }

    /// The oldest and the newest generation that `snapshot_at` can take now.
    pub fn retained(&self) -> Result<(u64, u64), Error> {
        let (mut oldest, mut newest) = (0, 0);
        call(|e| unsafe { sys::strata_retained(self.0.as_ptr(), &mut oldest, &mut newest, e) })?;
        Ok((oldest, newest))
    }

    /// The newest generation. Errors: `CORRUPT`, `TRUNCATED`, `SYSTEM`. An allocation and, while
    /// nothing was published, no system call. It may outlive its consumer.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut raw = null_mut();
        call(|e| unsafe { sys::strata_snapshot_take(self.0.as_ptr(), &mut raw, e) })?;
        // Safe: a reference that is ours.
        Ok(unsafe { Snapshot::from_raw(raw) })
    }

    /// An earlier generation that the producer retains, else `GENERATION_NOT_RETAINED`.
    pub fn snapshot_at(&self, generation: u64) -> Result<Snapshot, Error> {
        let mut raw = null_mut();
        call(|e| unsafe {
            sys::strata_snapshot_take_at(self.0.as_ptr(), generation, &mut raw, e)
        })?;
        // Safe: a reference that is ours.
        Ok(unsafe { Snapshot::from_raw(raw) })
    }

    /// What was current at a time, by the producer's clock: the newest generation that is retained
    /// and was published then or earlier, else `GENERATION_NOT_RETAINED`.
    pub fn snapshot_at_time(&self, time: SystemTime) -> Result<Snapshot, Error> {
        let mut raw = null_mut();
        call(|e| unsafe {
            sys::strata_snapshot_take_at_time(self.0.as_ptr(), ns_of(time), &mut raw, e)
        })?;
        // Safe: a reference that is ours.
        Ok(unsafe { Snapshot::from_raw(raw) })
    }

    /// The generation that has this bookmark; it stays when that is moved or removed.
    /// `BOOKMARK_NOT_FOUND`. Reads a small file: some 20 microseconds.
    pub fn snapshot_at_bookmark(&self, name: &str) -> Result<Snapshot, Error> {
        let mut raw = null_mut();
        call(|e| unsafe {
            let (data, size) = (name.as_ptr().cast(), name.len());
            sys::strata_snapshot_take_bookmark(self.0.as_ptr(), data, size, &mut raw, e)
        })?;
        // Safe: a reference that is ours.
        Ok(unsafe { Snapshot::from_raw(raw) })
    }

    /// All bookmarks of the store, by name.
    pub fn bookmarks(&self) -> Result<Vec<Bookmark>, Error> {
        // Safe: it lives.
        unsafe { bookmarks_of(self.0.as_ptr()) }
    }

    /// Sleeps in the kernel until a generation newer than `seen` is published, or what the options
    /// say.
    pub fn wait(&self, seen: u64, options: WaitOptions<'_>) -> Result<WaitResult, Error> {
        let given = sys::strata_wait_options {
            struct_size: size_of::<sys::strata_wait_options>() as u32,
            wait_for_producer: options.wait_for_producer.into(),
            has_timeout: options.timeout.is_some().into(),
            reserved: 0,
            timeout_ns: options
                .timeout
                .map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)),
            cancellation: options.cancellation.map_or(null_mut(), |c| c.0.as_ptr()),
        };
        let mut result = 0;
        call(|e| unsafe { sys::strata_wait(self.0.as_ptr(), seen, &given, &mut result, e) })?;
        Ok(match result {
            sys::STRATA_WAIT_CHANGED => WaitResult::Changed,
            sys::STRATA_WAIT_TIMEOUT => WaitResult::Timeout,
            sys::STRATA_WAIT_PRODUCER_GONE => WaitResult::ProducerGone,
            sys::STRATA_WAIT_STORE_REPLACED => WaitResult::StoreReplaced,
            _ => WaitResult::Cancelled,
        })
    }

    /// For poll and event loops: readable while there is a generation newer than the last
    /// acknowledged one, and once more when the producer goes or comes back. The first call starts
    /// a thread.
    pub fn event_descriptor(&self) -> Result<BorrowedFd<'_>, Error> {
        let mut descriptor = -1;
        call(|e| unsafe { sys::strata_event_descriptor(self.0.as_ptr(), &mut descriptor, e) })?;
        // Safe: it is closed by detaching and reattaching alone, which the borrow excludes.
        Ok(unsafe { BorrowedFd::borrow_raw(descriptor) })
    }

    /// Resets the descriptor and gives the newest generation. Call it before looking at the data.
    pub fn acknowledge_event(&self) -> Result<u64, Error> {
        let mut generation = 0;
        call(|e| unsafe { sys::strata_acknowledge_event(self.0.as_ptr(), &mut generation, e) })?;
        Ok(generation)
    }

    /// The process that produces, in its own pid namespace; none: there is nobody.
    pub fn producer_pid(&self) -> Result<Option<i64>, Error> {
        let mut pid = 0;
        call(|e| unsafe { sys::strata_producer_pid(self.0.as_ptr(), &mut pid, e) })?;
        Ok((pid != 0).then(|| pid))
    }

    /// Whether the attached store was removed, or another one has its name now.
    pub fn store_replaced(&self) -> Result<bool, Error> {
        let mut replaced = 0;
        call(|e| unsafe { sys::strata_store_replaced(self.0.as_ptr(), &mut replaced, e) })?;
        Ok(replaced != 0)
    }

    /// Statistics of the store, as JSON.
    pub fn statistics(&self) -> Result<String, Error> {
        given_text(|text, size, e| unsafe {
            sys::strata_consumer_statistics_json(self.0.as_ptr(), text, size, e)
        })
    }

    /// What it takes of this process's memory.
    pub fn memory(&self) -> Result<ConsumerMemory, Error> {
        // Safe: numbers, of which zero is a value.
        let mut given: sys::strata_consumer_statistics = unsafe { zeroed() };
        given.struct_size = size_of::<sys::strata_consumer_statistics>() as u32;
        call(|e| unsafe { sys::strata_consumer_describe(self.0.as_ptr(), &mut given, e) })?;
        Ok(ConsumerMemory {
            lookup_cache_bytes: given.lookup_cache_bytes,
            lookup_cache_limit: given.lookup_cache_limit,
            cached_dimensions: given.cached_dimensions,
            cached_lists: given.cached_lists,
            mapped_regions: given.mapped_regions,
        })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // Safe: nobody else has it; snapshots are independent of it.
        unsafe { sys::strata_detach(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("generation", &self.generation()).finish()
    }
}

/// Rounded up, so that a short wait is none of zero.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from((time.as_nanos() + 999_999) / 1_000_000).unwrap_or(u64::MAX)
}

// SPDX-License-Identifier: Apache-2.0
//! Versioned, read-mostly data shared between the processes of one machine: one [`Producer`]
//! publishes layers, any number of [`Consumer`]s read them in place, strictly read-only.
//!
//! ```no_run
//! use strata::{Consumer, ConsumerOptions};
//!
//! fn main() -> Result<(), strata::Error> {
//!     let consumer = Consumer::attach("market", &ConsumerOptions::default())?;
//!     let snapshot = consumer.snapshot()?; // consistent, unchanged while it lives
//!     if let Some(layer) = snapshot.find(1, 5)? {
//!         println!("{} bytes", layer.bytes().len()); // in place: no copy
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What is borrowed
//!
//! A [`Layer`], and every slice and text that it gives, borrows from its [`Snapshot`], which holds
//! the memory. What outlives it does not compile:
//!
//! ```compile_fail,E0505
//! fn read(consumer: &strata::Consumer) -> Result<(), strata::Error> {
//!     let snapshot = consumer.snapshot()?;
//!     let layer = snapshot.get(1, 5)?;
//!     drop(snapshot);
//!     println!("{:?}", layer.bytes()); // its memory may hold something else now
//!     Ok(())
//! }
//! ```
//!
//! Nor does a batch that outlives its producer, or a loan that is used after its batch was changed:
//!
//! ```compile_fail,E0499
//! fn publish(batch: &mut strata::Batch) -> Result<(), strata::Error> {
//!     let room = batch.loan(1, 5, 4, &strata::LayerOptions::default())?;
//!     batch.crystallize()?;
//!     room[0] = 1; // published bytes never change
//!     Ok(())
//! }
//! ```
//!
//! A snapshot outlives its consumer, if need be, and is cloned for the price of a count. It is also
//! memory that the producer cannot reuse: do not keep old ones by accident.
//!
//! A file that somebody cuts short under its mapping ends in an error of [`Layer::copy_to`],
//! [`Layer::to_vec`], [`Snapshot::gather`] and the verifications; a plain read of a slice is a
//! `SIGBUS`, as with any mapped file.
//!
//! # Threads
//!
//! Consumers, snapshots, layers and producers are [`Sync`]; a batch is [`Send`].
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

mod batch;
mod bookmarks;
mod changes;
mod consumer;
mod error;
mod layer;
mod producer;
mod shared;
mod snapshot;
mod store;
mod text;
mod verify;
mod walk;

pub use batch::{Batch, LayerOptions};
pub use bookmarks::Bookmark;
pub use changes::{
    changes, changes_in, dimension_changes, Change, ChangeKind, DimensionChange,
    DimensionChangeKind,
};
pub use consumer::{
    Cancellation, Consumer, ConsumerMemory, ConsumerOptions, TrustedOwner, WaitOptions, WaitResult,
};
pub use error::{Code, Error};
pub use layer::{layer_number, Found, Id, Layer, LayerInfo};
pub use producer::{
    DimensionOptions, Durability, OpenMode, Producer, ProducerOptions, SlowReaders,
};
pub use shared::{type_tag, type_tag_text, Shared};
pub use snapshot::{Gathered, Snapshot, SnapshotInfo};
pub use store::{inspect, remove_store, statistics, stores, version, StoreInfo};
pub use verify::{Failure, Verification};
pub use walk::{DimensionInfo, Layers};

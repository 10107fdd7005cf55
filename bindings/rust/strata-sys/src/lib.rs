// SPDX-License-Identifier: Apache-2.0
//! The C ABI of strata, declared: a module for each header of `include/strata/c`, where it stands
//! what each function does, what it borrows and which errors it has. The tests of this crate
//! compare it with the list of the library's symbols and with the layout of its structs. The crate
//! `strata` is the safe one.
#![allow(non_camel_case_types)]

mod base;
mod batch;
mod bookmarks;
mod changes;
mod consumer;
mod dimensions;
mod layer;
mod producer;
mod snapshot;
mod store;
mod store_watch;
mod type_tag;
mod verify;

pub use base::*;
pub use batch::*;
pub use bookmarks::*;
pub use changes::*;
pub use consumer::*;
pub use dimensions::*;
pub use layer::*;
pub use producer::*;
pub use snapshot::*;
pub use store::*;
pub use store_watch::*;
pub use type_tag::*;
pub use verify::*;

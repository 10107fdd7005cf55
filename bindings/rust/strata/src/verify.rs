// SPDX-License-Identifier: Apache-2.0
//! Checking every byte that a snapshot reaches.

use std::mem::{size_of, zeroed};
use std::ptr::null_mut;

use strata_sys as sys;

use crate::error::{call, Error};
use crate::snapshot::Snapshot;
use crate::text::string_of;

/// What [`Snapshot::verify`] found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// That was verified.
    pub generation: u64,
    /// Looked at.
    pub dimensions: u64,
    /// Looked at.
    pub layers: u64,
    /// Looked at.
    pub payload_bytes: u64,
    /// 0: all is well.
    pub failure_count: u64,
    /// The first hundred.
    pub failures: Vec<Failure>,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// None: the root or the directory of dimensions.
    pub dimension: Option<u32>,
    /// None: the region, its index or its record.
    pub layer: Option<u64>,
    /// In the file, where known.
    pub offset: u64,
    /// Name in the store's directory.
    pub file: String,
    /// What it is.
    pub what: String,
}

/// Gives the verification back.
struct Given(*mut sys::strata_verification);
impl Drop for Given {
    fn drop(&mut self) {
        unsafe { sys::strata_verification_free(self.0) }
    }
}

impl Snapshot {
    /// Checks every byte that the generation reaches, or that one dimension of it does; some 10
    /// GB/s. Damage is in the result, it is no error. Errors: `DIMENSION_NOT_FOUND`,
    /// `OUT_OF_MEMORY`.
    pub fn verify(&self, dimension: Option<u32>) -> Result<Verification, Error> {
        let options = sys::strata_verify_options {
            struct_size: size_of::<sys::strata_verify_options>() as u32,
            one_dimension: dimension.is_some().into(),
            dimension: dimension.unwrap_or(0),
            reserved: 0,
            max_failures: 0,
        };
        let mut given = Given(null_mut());
        call(|e| unsafe { sys::strata_verify(self.raw(), &options, &mut given.0, e) })?;
        // Safe: numbers, of which zero is a value.
        let mut summary: sys::strata_verify_summary = unsafe { zeroed() };
        summary.struct_size = size_of::<sys::strata_verify_summary>() as u32;
        call(|e| unsafe { sys::strata_verification_describe(given.0, &mut summary, e) })?;
        let failures = (0..summary.remembered_failures as usize)
            .map(|index| {
                // Safe: numbers and pointers, of which all zeros is a value.
                let mut failure: sys::strata_verify_failure = unsafe { zeroed() };
                failure.struct_size = size_of::<sys::strata_verify_failure>() as u32;
                call(|e| unsafe {
                    sys::strata_verification_failure(given.0, index, &mut failure, e)
                })?;
                Ok(Failure {
                    dimension: (failure.has_dimension != 0).then(|| failure.dimension),
                    layer: (failure.has_layer != 0).then(|| failure.layer),
                    offset: failure.offset,
                    file: string_of(failure.file),
                    what: string_of(failure.what),
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Verification {
            generation: summary.generation,
            dimensions: summary.dimensions,
            layers: summary.layers,
            payload_bytes: summary.payload_bytes,
            failure_count: summary.failures,
            failures,
        })
    }
}

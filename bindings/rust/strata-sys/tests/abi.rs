// SPDX-License-Identifier: Apache-2.0
//! The declarations are those of the library: every symbol is declared, every struct has its
//! layout.

use std::collections::BTreeSet;
use std::mem::{align_of, size_of};
use std::path::Path;

use strata_sys::*;

#[test]
fn every_symbol_is_declared_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::fs::read_to_string(root.join("../../c/symbols.txt")).unwrap();
    let listed: BTreeSet<String> =
        listed.lines().filter(|line| !line.starts_with('#')).map(str::to_string).collect();
    let mut declared = BTreeSet::new();
    for file in std::fs::read_dir(root.join("src")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            if let Some(rest) = line.trim_start().strip_prefix("pub fn ") {
                declared.insert(rest[..rest.find('(').unwrap()].to_string());
            }
        }
    }
    assert!(listed.len() > 80);
    assert_eq!(declared, listed);
}

/// As `tests/c_abi/struct_sizes_test.c` has them.
#[test]
fn structs_have_the_layout_of_c() {
    assert_eq!(size_of::<strata_string>(), 16);
    assert_eq!(size_of::<strata_id>(), 16);
    assert_eq!(size_of::<strata_layer>(), 24);
    assert_eq!(size_of::<strata_change>(), 72);
    assert_eq!(size_of::<strata_wait_result>(), 4);
    assert_eq!(size_of::<strata_error>(), 2088);
    assert_eq!(size_of::<strata_attach_options>(), 40);
    assert_eq!(size_of::<strata_wait_options>(), 32);
    assert_eq!(size_of::<strata_consumer_statistics>(), 48);
    assert_eq!(size_of::<strata_snapshot_info>(), 40);
    assert_eq!(size_of::<strata_layer_info>(), 72);
    assert_eq!(size_of::<strata_dimension_info>(), 48);
    assert_eq!(size_of::<strata_verify_options>(), 24);
    assert_eq!(size_of::<strata_verify_summary>(), 56);
    assert_eq!(size_of::<strata_verify_failure>(), 64);
    assert_eq!(size_of::<strata_store_info>(), 152);
    assert_eq!(size_of::<strata_producer_options>(), 112);
    assert_eq!(size_of::<strata_dimension_options>(), 40);
    assert_eq!(size_of::<strata_producer_statistics>(), 80);
    assert_eq!(size_of::<strata_layer_options>(), 40);
    assert_eq!(size_of::<strata_dimension_change>(), 48);
    assert_eq!(size_of::<strata_type>(), 40);
    assert_eq!(size_of::<strata_bookmark>(), 40);
    assert_eq!(align_of::<strata_error>(), 8);
}

/// Where C's test says that a member stands, it stands here too.
#[test]
fn members_stand_where_c_has_them() {
    macro_rules! at {
        ($of:ident, $member:ident, $offset:expr) => {{
            let value = std::mem::MaybeUninit::<$of>::zeroed();
            // Safe: these structs are numbers and pointers, of which all zeros is a value.
            let value = unsafe { value.assume_init() };
            let offset = std::ptr::addr_of!(value.$member) as usize - &value as *const _ as usize;
            assert_eq!(offset, $offset, "{}.{}", stringify!($of), stringify!($member));
        }};
    }
    at!(strata_id, layer, 8);
    at!(strata_layer, token, 16);
    at!(strata_change, after, 48);
    at!(strata_error, needed, 16);
    at!(strata_error, message, 40);
    at!(strata_error, operation, 1064);
    at!(strata_error, path, 1320);
    at!(strata_error, hint, 1832);
    at!(strata_attach_options, base_path, 32);
    at!(strata_wait_options, cancellation, 24);
    at!(strata_layer_info, name, 56);
    at!(strata_dimension_info, generation, 40);
    at!(strata_verify_failure, what, 48);
    at!(strata_store_info, created_at_ns, 56);
    at!(strata_store_info, region_max_bytes, 144);
    at!(strata_producer_options, warning_threshold, 40);
    at!(strata_producer_options, base_path, 72);
    at!(strata_producer_options, retain_bytes, 88);
    at!(strata_producer_options, durability, 96);
    at!(strata_producer_options, durability_generations, 104);
    at!(strata_dimension_change, after, 32);
    at!(strata_layer_options, keyword_count, 32);
    at!(strata_type, array, 32);
}

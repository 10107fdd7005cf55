// SPDX-License-Identifier: Apache-2.0
//! Finds libstrata.so with pkg-config (strata-c), so that no other crate is needed.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG");
    let pkg_config = std::env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_string());
    let output = Command::new(&pkg_config)
        .args(["--libs", "strata-c"])
        .output()
        .unwrap_or_else(|error| panic!("cannot run {pkg_config}: {error}"));
    if !output.status.success() {
        panic!(
            "{pkg_config} does not know strata-c (install strata, or set PKG_CONFIG_PATH): {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for flag in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        if let Some(directory) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={directory}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib=dylib={library}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The version of these headers, and what they ask of compiler and machine. All headers of strata
// include it.
#pragma once

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error "strata needs C++20: compile with -std=c++20 or later"
#endif
#if !defined(__linux__)
#error "strata runs on Linux only, as yet"
#endif
#if !defined(__SIZEOF_POINTER__) || __SIZEOF_POINTER__ < 8
#error "strata needs a 64-bit target: regions are mapped at up to 1 TiB (not -m32, not x32)"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "strata needs a little-endian machine: the shared format is little-endian"
#endif
#include <version>
#if !defined(__cpp_lib_atomic_ref) || !defined(__cpp_lib_jthread)
#error "strata needs std::atomic_ref and std::stop_token: libstdc++ 12 has them, libc++ 14 has not"
#endif

// The number itself is set in the top CMakeLists.txt; a test compares.
#define STRATA_VERSION_MAJOR 0
#define STRATA_VERSION_MINOR 1
#define STRATA_VERSION_PATCH 0
/// One number to compare with: `#if STRATA_VERSION >= 1'02'03` is 1.2.3 or later (C++14 and on).
#define STRATA_VERSION \
    (STRATA_VERSION_MAJOR * 10000 + STRATA_VERSION_MINOR * 100 + STRATA_VERSION_PATCH)

/// Everything of strata is in this namespace, which nobody writes, for it is inline: to the linker
/// `strata::Consumer` is `strata::v0_1::Consumer`. So headers of one minor version with the
/// libraries of another are an undefined reference and not a crash.
#define STRATA_ABI_NAMESPACE v0_1

namespace strata::inline STRATA_ABI_NAMESPACE {

/// "major.minor.patch", as in semantic versioning.
inline constexpr const char* version_string = "0.1.0";

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The version of these headers. The number itself is set in the top CMakeLists.txt; a test
/// compares.

#define STRATA_VERSION_MAJOR 0
#define STRATA_VERSION_MINOR 1
#define STRATA_VERSION_PATCH 0

namespace strata {

/// "major.minor.patch", as in semantic versioning.
inline constexpr const char* version_string = "0.1.0";

}  // namespace strata

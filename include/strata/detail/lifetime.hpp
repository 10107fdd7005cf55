// SPDX-License-Identifier: Apache-2.0
// STRATA_LIFETIME_BOUND: what the function returns must not outlive the object (or the argument)
// that it stands behind. Clang then warns where a temporary's end would leave it dangling.
#pragma once

#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::lifetimebound)
#define STRATA_LIFETIME_BOUND [[clang::lifetimebound]]
#endif
#endif
#if !defined(STRATA_LIFETIME_BOUND)
#define STRATA_LIFETIME_BOUND
#endif

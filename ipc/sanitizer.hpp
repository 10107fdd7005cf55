// SPDX-License-Identifier: Apache-2.0
// STRATA_TSAN is defined in builds with ThreadSanitizer.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define STRATA_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRATA_TSAN 1
#endif
#endif

// SPDX-License-Identifier: Apache-2.0
// Which lock guards what, in a form that Clang checks (-Wthread-safety, an error in our builds).
// Other compilers see nothing.
#pragma once

#if defined(__clang__)
#define STRATA_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define STRATA_THREAD_ANNOTATION(x)
#endif

#define STRATA_CAPABILITY(name) STRATA_THREAD_ANNOTATION(capability(name))
#define STRATA_SCOPED_CAPABILITY STRATA_THREAD_ANNOTATION(scoped_lockable)
#define STRATA_GUARDED_BY(lock) STRATA_THREAD_ANNOTATION(guarded_by(lock))
#define STRATA_REQUIRES(...) STRATA_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define STRATA_EXCLUDES(...) STRATA_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define STRATA_ACQUIRE(...) STRATA_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define STRATA_RELEASE(...) STRATA_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
/// For ends of lives, when nobody else has the object.
#define STRATA_NO_THREAD_ANALYSIS STRATA_THREAD_ANNOTATION(no_thread_safety_analysis)

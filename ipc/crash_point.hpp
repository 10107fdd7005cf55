// SPDX-License-Identifier: Apache-2.0
// Named places where a process can be made to die, between any two steps whose order matters. They
// are nothing at all in normal builds; tests/torture builds producer/ and consumer/ with
// STRATA_CRASH_POINTS and defines the function.
#pragma once

#if defined(STRATA_CRASH_POINTS)
namespace strata::ipc {
void crash_point(const char* name) noexcept;
}
// The name has to be a literal on the same line: the torture test reads the list from the sources.
#define STRATA_CRASH_POINT(name) ::strata::ipc::crash_point(name)
#else
#define STRATA_CRASH_POINT(name) static_cast<void>(0)
#endif

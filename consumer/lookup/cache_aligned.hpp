// SPDX-License-Identifier: Apache-2.0
// Objects that begin a cache line, in memory of the C library.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace strata::consumer_impl {

/// To derive from. The C++ runtime's own aligned `new` does the same, but its first call brings
/// pages of code and symbol look-ups that a first attachment does without.
struct CacheAligned {
    static void* operator new(std::size_t bytes, std::align_val_t alignment) {
        const auto line = static_cast<std::size_t>(alignment);
        void* const made = std::aligned_alloc(line, (bytes + line - 1) / line * line);
        return made != nullptr ? made : throw std::bad_alloc();
    }
    static void* operator new[](std::size_t bytes, std::align_val_t alignment) {
        return operator new(bytes, alignment);
    }
    static void operator delete(void* made, std::align_val_t) noexcept { std::free(made); }
    static void operator delete[](void* made, std::align_val_t) noexcept { std::free(made); }
};

}  // namespace strata::consumer_impl

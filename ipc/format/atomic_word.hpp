// SPDX-License-Identifier: Apache-2.0
// Atomic access to 64-bit words in shared mappings. std::atomic_ref<const T> comes with C++26 only,
// and consumers' mappings are read-only, so these wrap the compiler's builtins.
#pragma once

#include <cstdint>

namespace strata::ipc {

static_assert(__atomic_always_lock_free(sizeof(std::uint64_t), nullptr),
              "a lock-based fallback would not work between processes");

inline std::uint64_t load_acquire(const std::uint64_t& word) noexcept {
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
inline std::uint64_t load_relaxed(const std::uint64_t& word) noexcept {
    return __atomic_load_n(&word, __ATOMIC_RELAXED);
}
inline void store_release(std::uint64_t& word, std::uint64_t value) noexcept {
    __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
inline void store_relaxed(std::uint64_t& word, std::uint64_t value) noexcept {
    __atomic_store_n(&word, value, __ATOMIC_RELAXED);
}

/// The half of a word that a futex waits on: the low one, which comes first on a little-endian
/// machine.
inline const std::uint32_t* futex_word(const std::uint64_t& word) noexcept {
    return reinterpret_cast<const std::uint32_t*>(&word);
}

}  // namespace strata::ipc

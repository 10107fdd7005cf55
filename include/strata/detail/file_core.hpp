// SPDX-License-Identifier: Apache-2.0
// The part of an open file, and of copying out of it, that MappedInput inlines.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "strata/version.hpp"

// Defined in programs that ThreadSanitizer watches.
#if defined(__SANITIZE_THREAD__)
#define STRATA_DETAIL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRATA_DETAIL_TSAN 1
#endif
#endif

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// The part of an open file that inlined code touches. The two words are far apart: copies of an
/// input, which count, must not slow down the reads of others, which look at `lost`.
struct FileCore {
    alignas(64) std::atomic<std::uint32_t> references{1};
    alignas(64) std::atomic<std::uint32_t> lost{0};  ///< not 0: bytes of the file are gone
};
/// Gives back what may be the last reference.
void release_last(FileCore* core) noexcept;

/// Bytes that were read are checked before `lost` is. Partner: the handler of SIGBUS, which raises
/// `lost` before zeros take the place of what is gone.
inline void bytes_before_flag() noexcept {
#if defined(STRATA_DETAIL_TSAN)
    std::atomic_signal_fence(std::memory_order_seq_cst);  // it does not know stand-alone fences
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

/// More than the caches of a core hold.
inline constexpr std::size_t large_copy = 512 << 10;
void copy_large(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;
inline void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
    if (bytes < large_copy) [[likely]] {
        std::memcpy(to, from, bytes);
    } else {
        copy_large(to, from, bytes);
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

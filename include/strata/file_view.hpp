// SPDX-License-Identifier: Apache-2.0
// What inputs of files speak of: bytes in place, advice to the kernel, residency in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// How the kernel should read ahead; see madvise(2).
enum class ReadAdvice : unsigned char {
    normal,      ///< some read-ahead around each fault
    sequential,  ///< much read-ahead, and pages behind are given up early
    random,      ///< none: a fault reads one page
};

/// What a file is opened for. `advice_of` says which advice that means unless the directory's
/// options say otherwise.
enum class ReadContext : unsigned char { normal, look_up, merge, read_once };
[[nodiscard]] constexpr ReadAdvice advice_of(ReadContext context) noexcept {
    switch (context) {
        case ReadContext::look_up: return ReadAdvice::random;
        case ReadContext::merge:
        case ReadContext::read_once: return ReadAdvice::sequential;
        case ReadContext::normal: break;
    }
    return ReadAdvice::normal;
}

/// Where an input's bytes come from.
enum class Backing : unsigned char {
    none,      ///< no file
    mapped,    ///< the page cache, through a mapping
    grouped,   ///< a small file: a copy in memory that it shares with others
    buffered,  ///< system calls, through a buffer
};
[[nodiscard]] constexpr std::string_view to_string(Backing backing) noexcept {
    switch (backing) {
        case Backing::mapped: return "mapped";
        case Backing::grouped: return "grouped";
        case Backing::buffered: return "buffered";
        case Backing::none: break;
    }
    return "none";
}

/// How much of a file, or of a part of it, is in memory. Of whole pages, so that more than `bytes`
/// may be resident.
struct Residency {
    std::uint64_t bytes = 0;           ///< that were asked about
    std::uint64_t resident_bytes = 0;  ///< in the page cache
    std::uint64_t dirty_bytes = 0;     ///< of these, not on the disk yet
    std::uint64_t evicted_bytes = 0;   ///< were there and were dropped, as far as is remembered
    bool exact = false;  ///< by cachestat(2); else by mincore(2), which knows of residency alone
};

/// Bytes of a file: in place, or a copy that the view owns.
class FileView {
public:
    FileView() noexcept = default;
    explicit FileView(std::span<const std::byte> in_place) noexcept : bytes_(in_place) {}
    FileView(std::unique_ptr<std::byte[]> copy, std::size_t size) noexcept
        : bytes_(copy.get(), size), copy_(std::move(copy)) {}

    [[nodiscard]] std::span<const std::byte> bytes() const& noexcept { return bytes_; }
    std::span<const std::byte> bytes() const&& = delete;  // a copy would be gone
    [[nodiscard]] const std::byte* data() const& noexcept { return bytes_.data(); }
    const std::byte* data() const&& = delete;
    [[nodiscard]] std::string_view text() const& noexcept {
        return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    }
    std::string_view text() const&& = delete;
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] bool is_copy() const noexcept { return copy_ != nullptr; }

private:
    std::span<const std::byte> bytes_{};
    std::unique_ptr<std::byte[]> copy_{};
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

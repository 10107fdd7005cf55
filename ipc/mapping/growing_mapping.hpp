// SPDX-License-Identifier: Apache-2.0
// A file that grows, mapped for reading at twice its size, and remapped when it outgrows that. So a
// process spends address space on what files have, not on what they may come to have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ipc/mapping/mapping.hpp"
#include "ipc/mapping/mapping_slots.hpp"

namespace strata::ipc {

/// Addresses that were given out stay valid as long as the object: what has become too short stays
/// mapped. Together that is less than four times the file's size. Not thread-safe.
class GrowingMapping {
public:
    /// Where the file's first bytes are, and the slot of that mapping.
    struct Window {
        const std::byte* base = nullptr;
        std::uint16_t slot = 0;
    };

    /// `max_bytes`: more is never mapped, however large the file is.
    explicit GrowingMapping(std::uint64_t max_bytes) noexcept : max_bytes_(max_bytes) {}

    std::uint64_t max_bytes() const noexcept { return max_bytes_; }
    /// Bytes that the file was known to have, as far as they can be used.
    std::uint64_t readable_bytes() const noexcept { return readable_; }
    /// Whether [0, bytes) is mapped.
    bool reaches(std::uint64_t bytes) const noexcept { return bytes <= mapped_; }
    /// The newest mapping. Precondition: `extend` has succeeded once.
    const Window& window() const noexcept { return window_; }

    /// The file has `file_bytes` now, more than before; `file` is only needed for this call. Throws
    /// Error{system} (no address space; all mapping slots are taken), and has changed nothing then.
    void extend(const FileDescriptor& file, std::uint64_t file_bytes, std::string_view operation,
                std::string_view path);
    /// The same for a file that is known to fit what is mapped.
    void extend_in_place(std::uint64_t file_bytes) noexcept;

private:
    struct Extent {
        Mapping mapping;
        MappingSlot slot;
    };

    std::uint64_t max_bytes_;
    std::uint64_t readable_ = 0;
    std::uint64_t mapped_ = 0;
    Window window_{};
    std::vector<Extent> extents_;  // each at least twice as long as the one before
};

}  // namespace strata::ipc

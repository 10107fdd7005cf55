// SPDX-License-Identifier: Apache-2.0
// Memory that the contents of many small files share. A block goes when the last file in it does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// Its owner locks.
class FileArena {
public:
    struct Block {
        std::unique_ptr<std::byte[]> memory{};
        std::size_t size = 0;
        std::size_t used = 0;
        std::size_t files = 0;
    };
    struct Place {
        Block* block = nullptr;
        std::byte* bytes = nullptr;
    };

    FileArena() noexcept = default;
    FileArena(const FileArena&) = delete;
    FileArena& operator=(const FileArena&) = delete;
    ~FileArena();

    /// Nothing if there is no memory for the block that it takes. `size` may be 0.
    std::optional<Place> take(std::size_t size) noexcept;
    /// Of the block that is made for a file of that size.
    static std::size_t block_bytes(std::size_t size) noexcept;
    void give_back(Block* block) noexcept;
    std::uint64_t allocated_bytes() const noexcept { return allocated_; }

private:
    Block* current_ = nullptr;  // the others are known to their files
    std::uint64_t allocated_ = 0;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

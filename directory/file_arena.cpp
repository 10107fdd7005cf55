// SPDX-License-Identifier: Apache-2.0
#include "directory/file_arena.hpp"

#include <algorithm>
#include <cstdint>
#include <new>

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace {

constexpr std::size_t alignment = 64;  // as a mapping's beginning would be, and more

/// Where the first file of a block begins.
std::size_t first_place(const std::byte* memory) noexcept {
    return static_cast<std::size_t>(-reinterpret_cast<std::uintptr_t>(memory) & (alignment - 1));
}

std::size_t rounded(std::size_t size) noexcept {
    return (std::max<std::size_t>(size, 1) + alignment - 1) & ~(alignment - 1);
}

}  // namespace

FileArena::~FileArena() { delete current_; }  // all files are gone

std::size_t FileArena::block_bytes(std::size_t size) noexcept {
    constexpr std::size_t usual = 256 << 10;
    return std::max(usual, rounded(size) + alignment);
}

std::optional<FileArena::Place> FileArena::take(std::size_t size) noexcept {
    const std::size_t needed = rounded(size);
    if (current_ == nullptr || current_->size - current_->used < needed) {
        std::unique_ptr<Block> block(new (std::nothrow) Block);
        if (block == nullptr) {
            return std::nullopt;
        }
        block->size = block_bytes(size);
        block->memory.reset(new (std::nothrow) std::byte[block->size]);
        if (!block->memory) {
            return std::nullopt;
        }
        block->used = first_place(block->memory.get());
        if (current_ != nullptr && current_->files == 0) {
            allocated_ -= current_->size;
            delete current_;
        }
        current_ = block.release();
        allocated_ += current_->size;
    }
    const Place place{current_, current_->memory.get() + current_->used};
    current_->used += needed;
    ++current_->files;
    return place;
}

void FileArena::give_back(Block* block) noexcept {
    if (--block->files == 0 && block != current_) {
        allocated_ -= block->size;
        delete block;
    } else if (block->files == 0) {
        // Filled anew from its beginning.
        block->used = first_place(block->memory.get());
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

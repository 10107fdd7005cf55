// SPDX-License-Identifier: Apache-2.0
// Many walks down indexes at once: while one waits for memory the others' loads are under way.
#pragma once

#include <cstdint>
#include <span>

#include "ipc/index/find.hpp"
#include "ipc/index/view.hpp"

namespace strata::ipc {

/// One of them. The index outlives it.
class IndexDescent {
public:
    IndexDescent() noexcept = default;
    IndexDescent(const IndexView& index, std::uint64_t key) noexcept;

    std::uint64_t key() const noexcept { return key_; }
    unsigned levels() const noexcept { return index_->levels; }
    /// One level down, unless it has ended; prefetches what the next step looks at.
    void step() noexcept;
    /// What was found. Precondition: `finish_together` has run.
    FoundLayer result() const noexcept;

private:
    const IndexView* index_ = nullptr;
    std::uint64_t word_ = 0;
    std::uint64_t key_ = 0;
    unsigned shift_ = 0;
    bool damaged_ = false;
};

/// Walks all of them to their ends.
void finish_together(std::span<IndexDescent> descents) noexcept;

}  // namespace strata::ipc

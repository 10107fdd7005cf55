// SPDX-License-Identifier: Apache-2.0
// The table in control.mmap that names, for each epoch that is over and may still be pinned, the
// root that was current when it ended. A successor finds there what old readers can still reach;
// see docs/reclamation.md, C22.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ipc/format/layout.hpp"
#include "ipc/lock_table.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// Not thread-safe: the commit mutex guards it. The process may die between any two of its stores.
class ClosingRoots {
public:
    ClosingRoots() = default;
    /// Takes over what the table contains: from here on, entries in use come first.
    explicit ClosingRoots(ipc::ClosingRoot* table) noexcept;

    /// To be called before the epoch word leaves `epoch`. Does nothing if all entries are in use:
    /// a successor then has to keep whatever that epoch's readers might reach.
    /// `oldest`: the first generation that its readers can have.
    void add(std::uint64_t epoch, std::uint64_t root, Generation oldest) noexcept;
    /// Forgets the epochs outside of `pinned` (ascending, disjoint).
    void keep_only(std::span<const ipc::EpochRange> pinned) noexcept;
    std::optional<ipc::ClosingRoot> find(std::uint64_t epoch) const noexcept;

private:
    void set(std::size_t entry, const ipc::ClosingRoot& closing) noexcept;

    ipc::ClosingRoot* table_ = nullptr;
    std::size_t used_ = 0;
};

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
// Makes region files, and opens those of a store that is taken over. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "ipc/format/layout.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region.hpp"
#include "strata/batch.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

class RegionFactory {
public:
    /// All outlive this object.
    RegionFactory(const ipc::StoreDirectory& directory, const ipc::ControlIdentity& identity,
                  const ProducerOptions& options, MemoryBudget& budget) noexcept
        : directory_(directory), identity_(identity), options_(options), budget_(budget) {}

    struct Sizes {
        std::uint64_t initial_bytes;
        std::uint64_t max_bytes;
    };
    /// Checked sizes of a new region: 0 in the options means the store's. Throws invalid_argument.
    Sizes sizes_of(const DimensionOptions& options, std::string_view operation) const;

    /// A new region of `sizes.initial_bytes`, which the budget counts already; on failure they are
    /// given back. Removes its file again unless `keep_file` gets set. `birth`: the current epoch.
    /// Throws no_space, permission_denied, system.
    std::shared_ptr<Region> make(std::optional<Dimension> owner, const Sizes& sizes,
                                 const FileAccess& access, std::uint64_t birth,
                                 std::string_view operation);
    /// An existing one, counted in the budget, of which nothing is free until its rebuild is
    /// finished. Its last page may be half of one. Throws corrupt, truncated, not_trusted,
    /// permission_denied, system.
    std::shared_ptr<Region> open(std::uint64_t serial, std::uint64_t birth,
                                 std::string_view operation);

    /// From here on new regions get serials from `next` on, or higher ones.
    void skip_serials_to(std::uint64_t next) noexcept;
    std::uint64_t next_serial() const noexcept {
        return next_serial_.load(std::memory_order_relaxed);
    }

private:
    const ipc::StoreDirectory& directory_;
    const ipc::ControlIdentity& identity_;
    const ProducerOptions& options_;
    MemoryBudget& budget_;
    std::atomic<std::uint64_t> next_serial_{1};
};

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
// Walking an index block by block, to take it over or to retire it. Nothing is trusted: a damaged
// index ends in an error, after bounded work.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/index/view.hpp"
#include "producer/memory/region.hpp"

namespace strata::producer_impl {

/// The index that a record describes; `region` is the one that it names.
inline ipc::IndexView index_of(const Region& region, const ipc::DimensionRecord& record) noexcept {
    return {.base = region.at(0),
            .limit = record.committed_bytes(),
            .root = record.index,
            .levels = record.index_levels,
            .slot = 0,
            .layers = record.layers};
}

class IndexTracer {
public:
    /// `dimension`: whose layers the leaves are; none: they are the directory's records.
    IndexTracer(Region& region, const ipc::IndexView& index, std::optional<Dimension> dimension,
                std::string_view operation) noexcept
        : region_(region), index_(index), dimension_(dimension), operation_(operation) {}
    IndexTracer(const IndexTracer&) = delete;
    IndexTracer& operator=(const IndexTracer&) = delete;

    /// Throws Error{corrupt}. Returns the number of leaves that were reached.
    std::uint64_t walk();

protected:
    ~IndexTracer() = default;

    /// A block that the index reaches, as it was allocated; `generation` of a leaf, else 0. False:
    /// it is known, with all that it leads to. Has to end a walk in a cycle: by false, or an error.
    virtual bool claim(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment,
                       std::uint64_t generation) = 0;
    /// The block at `offset`, or shortly before it, will be claimed soon. Any offset will do.
    virtual void expect(std::uint64_t offset) const noexcept { static_cast<void>(offset); }
    /// Before the claim of a layer.
    virtual void reached_layer(const ipc::LayerBlock& block) { static_cast<void>(block); }
    /// After the claim of a dimension record.
    virtual void reached_record(std::uint64_t offset) { static_cast<void>(offset); }

    [[noreturn, gnu::cold]] void fail(const std::string& what) const;
    Region& region() const noexcept { return region_; }

private:
    void visit(std::uint64_t entry, unsigned shift, std::uint64_t prefix);
    void visit_record(std::uint64_t entry, unsigned shift, std::uint64_t prefix);
    void visit_layer(std::uint64_t entry, unsigned shift, std::uint64_t prefix);
    void prefetch(std::uint64_t entry) const noexcept;
    /// A layer that was met. It is read when so many others have been met after it that its header,
    /// and what the allocator knows of its block, are in the cache.
    struct Met {
        std::uint64_t entry = 0;
        std::uint64_t prefix = 0;
        unsigned shift = 0;
    };
    void look_at_next();
    void check_range(std::uint64_t offset, std::uint64_t bytes) const;

    Region& region_;
    const ipc::IndexView& index_;
    const std::optional<Dimension> dimension_;
    const std::string_view operation_;
    std::uint64_t reached_ = 0;
    std::array<Met, 16> met_{};  // a ring
    std::size_t met_count_ = 0;  // ever
    std::size_t met_done_ = 0;
};

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
// Snapshot: one generation of the whole store, unchanged for as long as the object lives.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/dimension_range.hpp"
#include "strata/layer.hpp"
#include "strata/place_table.hpp"
#include "strata/types.hpp"

namespace strata {

namespace consumer_impl {
struct HoldCell;
struct Access;
}  // namespace consumer_impl

/// What a snapshot knows about one dimension.
struct DimensionInfo {
    Dimension dimension = 0;
    std::string name{};
    std::uint64_t layers = 0;      ///< number of layers
    std::uint64_t live_bytes = 0;  ///< bytes of blocks that this generation uses, index included
    std::uint64_t committed_bytes = 0;  ///< bytes of memory that the region file had been given
    Generation generation = 0;          ///< last generation that changed this dimension
};

/// A consistent view of every layer of every dimension, as published by one `crystallize`.
///
/// Complete whatever the producer does. Only if the whole store is removed meanwhile (remove_store,
/// `rm`), dimensions that this process has not looked into yet are gone.
///
/// While it lives, the process holds a pin (a shared kernel lock) that keeps its blocks from being
/// reused; so let go of old snapshots. It may outlive its Consumer.
/// Thread safety: const members may be called from any thread at once; copying is thread-safe;
/// assignment and destruction need exclusive access to that object, as with std::shared_ptr.
/// Fork safety: a child may go on reading the snapshots that it inherits. Those that other threads
/// of the parent held at the fork are pinned by the child as well, until it ends or calls exec.
class Snapshot {
public:
    /// An empty snapshot: finds nothing, generation 0.
    Snapshot() noexcept = default;
    Snapshot(const Snapshot& other) noexcept;
    Snapshot(Snapshot&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)),
          cell_(std::exchange(other.cell_, nullptr)) {}
    Snapshot& operator=(const Snapshot& other) noexcept;
    Snapshot& operator=(Snapshot&& other) noexcept;
    ~Snapshot();

    explicit operator bool() const noexcept { return table_ != nullptr; }

    Generation generation() const noexcept;
    /// When the producer published it (its CLOCK_REALTIME).
    std::chrono::system_clock::time_point published_at() const noexcept;
    std::uint64_t layer_count() const noexcept;
    std::uint64_t dimension_count() const noexcept;

    /// The layer, or an empty Layer if there is none. Zero-copy; no lock, no atomic
    /// read-modify-write, no allocation, but for two moments: the first touch of a dimension in
    /// this process maps its region, and once for each generation that a dimension of dense layer
    /// numbers is looked into often, memory is taken for noting places
    /// (ConsumerOptions::place_memory_bytes). From then on a look-up is little more than an array
    /// access; before, or without, a walk of a few nanoseconds. A region that cannot be mapped, or
    /// index bytes that contradict the format, also give an empty Layer; `get` says why.
    Layer find(LayerId id) const noexcept {
        if (table_ != nullptr) [[likely]] {
            const detail::PlaceList& list = table_->list_for(id);
            if (const std::uint64_t place = list.place_of(id); place != 0) [[likely]] {
                return list.layer_at(place);
            }
        }
        return find_in_index(id);
    }
    /// The layer that was put under this name; compares the stored name.
    Layer find(Dimension dimension, std::string_view name) const noexcept;
    /// `out[i] = find(ids[i])` for all i, with the memory latency of the look-ups overlapped: worth
    /// it where the data is larger than the caches, above all while places are not noted. Best in
    /// batches of 16 to 256: so many payloads (first and last line) are on their way to the caches
    /// on return. Precondition: out.size() >= ids.size().
    void find(std::span<const LayerId> ids, std::span<Layer> out) const noexcept;
    /// The same for layers of one dimension, `out[i] = find({dimension, layers[i]})`: the list of
    /// places is looked for once, and callers that have numbers need not write ids.
    void find(Dimension dimension, std::span<const std::uint64_t> layers,
              std::span<Layer> out) const noexcept;

    /// As `find`, but throws: dimension_not_found, layer_not_found, corrupt, truncated,
    /// permission_denied, not_trusted.
    Layer get(LayerId id) const;
    Layer get(Dimension dimension, std::string_view name) const;

    /// The layers of one dimension in ascending order of layer number; empty if the dimension has
    /// none. Throws dimension_not_found, or what `get` throws for a damaged region.
    DimensionRange dimension(Dimension dimension) const;
    /// Whether the generation has it; this process may still not be permitted to read it.
    bool has_dimension(Dimension dimension) const noexcept;
    /// All dimensions, ascending. Throws corrupt. O(dimensions).
    std::vector<DimensionInfo> dimensions() const;

    void swap(Snapshot& other) noexcept {
        std::swap(table_, other.table_);
        std::swap(cell_, other.cell_);
    }

private:
    friend struct consumer_impl::Access;
    Snapshot(detail::PlaceTable* table, consumer_impl::HoldCell* cell) noexcept
        : table_(table), cell_(cell) {}
    Layer find_in_index(LayerId id) const noexcept;

    // The beginning of the consumer_impl::View that is held; null: empty.
    detail::PlaceTable* table_ = nullptr;
    // Where this thread noted that it holds the view; null: the view counts it.
    consumer_impl::HoldCell* cell_ = nullptr;
};

}  // namespace strata

// SPDX-License-Identifier: Apache-2.0
// Snapshot: one generation of the whole store, unchanged for as long as the object lives.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/detail/dense_list.hpp"
#include "strata/detail/lifetime.hpp"
#include "strata/dimension_range.hpp"
#include "strata/dimension_view.hpp"
#include "strata/layer.hpp"
#include "strata/result.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {
struct HazardSlot;
struct Access;
}  // namespace strata::consumer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

/// What a snapshot knows about one dimension.
struct DimensionInfo {
    Dimension dimension = 0;
    std::string name{};
    std::uint64_t layers = 0;      ///< number of layers
    std::uint64_t live_bytes = 0;  ///< bytes of blocks that this generation uses, index included
    std::uint64_t region = 0;      ///< serial of the region file that it lies in
    Generation generation = 0;     ///< last generation that changed this dimension
    std::uint64_t digest = 0;      ///< of its layers; see Snapshot::digest
};

/// A consistent view of every layer of every dimension, as published by one `crystallize`.
///
/// Complete whatever the producer does. Only if the whole store is removed meanwhile (remove_store,
/// `rm`), dimensions that this process has not accessed yet are lost.
///
/// While it lives, the process holds a pin (a shared kernel lock) that keeps its blocks from being
/// reused; so release old snapshots. It may outlive its Consumer.
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
          slot_(std::exchange(other.slot_, nullptr)) {}
    Snapshot& operator=(const Snapshot& other) noexcept;
    Snapshot& operator=(Snapshot&& other) noexcept;
    ~Snapshot();

    explicit operator bool() const noexcept { return table_ != nullptr; }

    [[nodiscard]] Generation generation() const noexcept;
    /// When the producer published it (its CLOCK_REALTIME).
    [[nodiscard]] std::chrono::system_clock::time_point published_at() const noexcept;
    [[nodiscard]] std::uint64_t layer_count() const noexcept;
    /// Of all layers: number, content, type, frequency, name and keywords, whatever the generation
    /// that published them. Equal digests mean equal layers (except by chance: of 2^-64, for a
    /// layer below 512 bytes 2^-24), also in stores on different machines; the sum of those of the
    /// dimensions. One load. Detects accidents, not forgery.
    [[nodiscard]] std::uint64_t digest() const noexcept;
    [[nodiscard]] std::uint64_t dimension_count() const noexcept;

    /// The layer; an empty Layer if the generation has none, and only then. What keeps it from
    /// being read is thrown: corrupt, truncated, permission_denied, not_trusted, system (no address
    /// space, no descriptor), std::bad_alloc. All but the last two can only be thrown where bytes
    /// contradict the format, or when a dimension is looked into for the first time in a
    /// generation: its record is read then and, for the first time in a process, its region mapped.
    ///
    /// Zero-copy; no lock, no atomic read-modify-write, no allocation, except at such a first look,
    /// and where a dimension is looked into often: then it gets a list in the look-up cache
    /// (ConsumerOptions::lookup_cache_bytes), which later generations take over. From then on a
    /// look-up is little more than an array access (dense layer numbers) or a hash probe; before,
    /// or without, a walk of some nanoseconds down the shared index.
    [[nodiscard]] Layer find(LayerId id) const STRATA_LIFETIME_BOUND {
        if (table_ != nullptr) [[likely]] {
            const detail::DenseList& list = table_->list_for(id.dimension);
            if (const std::uint64_t word = list.word_of(id); word != 0) [[likely]] {
                return list.layer_at(word);
            }
        }
        return find_further(id);
    }
    /// The layer that was put under this name; compares the stored name. Throws as above.
    [[nodiscard]] Layer find(Dimension dimension,
                             std::string_view name) const STRATA_LIFETIME_BOUND;
    /// `out[i] = find(ids[i])` for all i, of dimensions in any mixture, with the memory latency of
    /// the look-ups overlapped: no dearer than one by one, and cheaper where the data is larger
    /// than the caches. Best in batches of 16 to 256: so many payloads (first and last line) are on
    /// their way to the caches on return. Throws as above; `out` is unspecified then. Precondition:
    /// out.size() >= ids.size().
    void find(std::span<const LayerId> ids, std::span<Layer> out) const;
    /// The same for layers of one dimension, `out[i] = find({dimension, layers[i]})`: the dimension
    /// is looked for once, and callers that have numbers need not write ids.
    void find(Dimension dimension, std::span<const std::uint64_t> layers,
              std::span<Layer> out) const;
    void find(Dimension dimension, std::initializer_list<std::uint64_t> layers,
              std::span<Layer> out) const {
        find(dimension, std::span(layers.begin(), layers.size()), out);
    }

    /// One dimension, for many look-ups in it: finds what it knows of the dimension once. Empty
    /// (finds nothing) if the generation has none. Throws as `find`.
    [[nodiscard]] DimensionView in(Dimension dimension) const& STRATA_LIFETIME_BOUND;
    DimensionView in(Dimension dimension) const&& = delete;  // it would outlive the snapshot

    /// As `find`, but throws dimension_not_found or layer_not_found where there is none.
    [[nodiscard]] Layer get(LayerId id) const STRATA_LIFETIME_BOUND;
    [[nodiscard]] Layer get(Dimension dimension, std::string_view name) const STRATA_LIFETIME_BOUND;
    /// The same, but what they throw is in the result. Where there is none, nothing is thrown
    /// inside either: an answer that may well be "no" costs its text.
    [[nodiscard]] Result<Layer> get(std::nothrow_t,
                                    LayerId id) const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] Result<Layer> get(std::nothrow_t, Dimension dimension,
                                    std::string_view name) const noexcept STRATA_LIFETIME_BOUND;

    /// The layers of one dimension in ascending order of layer number; empty if the dimension has
    /// none. Throws dimension_not_found, or what `get` throws for a damaged region.
    [[nodiscard]] DimensionRange dimension(Dimension dimension) const& STRATA_LIFETIME_BOUND;
    /// A loop over what a temporary snapshot returns would outlive the snapshot: give the snapshot
    /// a name.
    DimensionRange dimension(Dimension dimension) const&& = delete;
    /// The number of the dimension of that name (of several the lowest); nullopt if there is none.
    /// Throws corrupt, std::bad_alloc. O(dimensions) when dimensions have come, gone or changed
    /// their names since the attachment was asked last, and 16 bytes of memory for each; else
    /// O(log dimensions), about as long as a few look-ups of layers.
    [[nodiscard]] std::optional<Dimension> find_dimension(std::string_view name) const;
    /// Whether the generation has it; this process may still not be permitted to read it. Throws
    /// corrupt.
    [[nodiscard]] bool has_dimension(Dimension dimension) const;
    /// All dimensions, ascending. Throws corrupt. O(dimensions).
    [[nodiscard]] std::vector<DimensionInfo> dimensions() const;

    void swap(Snapshot& other) noexcept {
        std::swap(table_, other.table_);
        std::swap(slot_, other.slot_);
    }

private:
    friend struct consumer_impl::Access;
    Snapshot(detail::FrontTable* table, consumer_impl::HazardSlot* slot) noexcept
        : table_(table), slot_(slot) {}
    Layer find_further(LayerId id) const;

    // The beginning of the consumer_impl::View that is held; null: empty.
    detail::FrontTable* table_ = nullptr;
    // Where this thread noted that it holds the view; null: the view counts it.
    consumer_impl::HazardSlot* slot_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

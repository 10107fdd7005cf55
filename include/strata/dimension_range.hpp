// SPDX-License-Identifier: Apache-2.0
// Iteration over the layers of one dimension, in layer order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata::ipc {
struct IndexView;
}  // namespace strata::ipc

namespace strata::inline STRATA_ABI_NAMESPACE {

/// An input range over a dimension's layers. Copyable; valid as long as its Snapshot.
/// Cost: O(1) amortised per layer, no allocation, no system call. The walk is 8 to 16 layers ahead
/// of the iterator and has their first bytes fetched from memory; an iterator takes some 700 bytes.
class DimensionRange {
public:
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using iterator_concept = std::input_iterator_tag;
        using value_type = Layer;
        using difference_type = std::ptrdiff_t;
        using pointer = const Layer*;
        using reference = const Layer&;

        Iterator() noexcept = default;
        /// Throws Error{corrupt} if index bytes contradict the format.
        explicit Iterator(const ipc::IndexView& index);

        reference operator*() const noexcept { return layers_[at_]; }
        pointer operator->() const noexcept { return &layers_[at_]; }
        /// Throws Error{corrupt} as above; the iterator is then at the end.
        Iterator& operator++() {
            if (++at_ == stop_) {
                read_on();
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept {
            return !it.layers_[it.at_];
        }

        /// The layer number; of dense numbers known without touching the layer's own memory.
        [[nodiscard]] std::uint64_t number() const noexcept {
            return ((keyed_ >> at_) & 1) != 0 ? layers_[at_].id().layer : numbers_[at_];
        }

    private:
        /// Where the walk is in a node: its children lie one behind the other.
        struct Level {
            const std::byte* next = nullptr;  // entry of the next child
            std::uint64_t remaining = 0;      // bit i: child i is still to be visited
        };
        // 64-way trie over 64-bit keys: at most 11 levels (6 bits each).
        static constexpr std::size_t max_levels = 11;
        // The walk runs ahead by one to two times so many layers, so that the processor fetches
        // them from memory while the previous ones are visited.
        static constexpr std::uint32_t ahead = 8;
        static constexpr std::uint32_t no_slot = ~std::uint32_t{0};

        void read_on();
        void read_ahead(std::uint32_t slot);
        template <bool lowest>
        bool read_leaves(const ipc::IndexView& index, std::uint32_t& slot, std::uint32_t end);
        bool open(const ipc::IndexView& index, std::uint64_t entry, std::uint64_t prefix) noexcept;

        const ipc::IndexView* index_ = nullptr;
        std::uint32_t at_ = 0;     // slot of the current layer
        std::uint32_t stop_ = 0;   // slot at which there is more to do than to go on
        std::uint32_t keyed_ = 0;  // bit i: the number of the layer in slot i stands in its block
        std::uint32_t damaged_ = no_slot;  // slot of the layer that would follow, were it sound
        // Two halves: while one is visited, the other holds what follows. Empty: the end.
        std::array<Layer, 2 * ahead> layers_{};
        std::array<std::uint64_t, 2 * ahead> numbers_{};

        // The walk. levels_[0] has one child, the root; levels_[1..depth_] are open nodes.
        std::array<Level, max_levels + 1> levels_{};
        std::uint64_t depth_ = 0;
        std::uint64_t prefix_ = 0;  // digits of the open nodes
        // What a sound index can still hold: bounds the walk over a damaged one, whose nodes may
        // share children and so unfold to far more than the file has bytes.
        std::uint64_t nodes_left_ = 0;
        std::uint64_t layers_left_ = 0;
        std::uint64_t bytes_left_ = 0;
    };

    explicit DimensionRange(const ipc::IndexView* index) noexcept : index_(index) {}

    [[nodiscard]] Iterator begin() const {
        return index_ != nullptr ? Iterator(*index_) : Iterator();
    }
    static std::default_sentinel_t end() noexcept { return {}; }
    /// Number of layers, O(1).
    [[nodiscard]] std::uint64_t size() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

private:
    const ipc::IndexView* index_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

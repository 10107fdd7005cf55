// SPDX-License-Identifier: Apache-2.0
// Iteration over the layers of one dimension, in layer order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata {

namespace ipc {
struct IndexView;
}

/// An input range over a dimension's layers. Copyable; valid as long as its Snapshot.
/// Cost: O(1) amortised per layer, no allocation, no system call.
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

        reference operator*() const noexcept { return layer_; }
        pointer operator->() const noexcept { return &layer_; }
        /// Throws Error{corrupt} as above; the iterator is then at the end.
        Iterator& operator++() {
            advance();
            return *this;
        }
        void operator++(int) { advance(); }
        friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept {
            return !it.layer_;
        }

        /// The layer number, known without touching the layer's own memory.
        std::uint64_t number() const noexcept { return number_; }

    private:
        struct Level {
            std::uint64_t node = 0;       // entry word of the node that is being walked
            std::uint64_t remaining = 0;  // bit i: child i is still to be visited
        };
        // 64-way trie over 64-bit keys: at most 11 levels (6 bits each).
        static constexpr std::size_t max_levels = 11;

        void advance();
        void descend(std::uint64_t entry);

        const ipc::IndexView* index_ = nullptr;
        std::array<Level, max_levels> levels_{};
        std::size_t depth_ = 0;     // levels_[0..depth_) are open
        std::uint64_t prefix_ = 0;  // digits of the open levels
        std::uint64_t number_ = 0;
        // What a sound index can still hold: bounds the walk over a damaged one, whose nodes may
        // share children and so unfold to far more than the file has bytes.
        std::uint64_t nodes_left_ = 0;
        std::uint64_t layers_left_ = 0;
        std::uint64_t bytes_left_ = 0;
        Layer layer_{};
    };

    explicit DimensionRange(const ipc::IndexView* index) noexcept : index_(index) {}

    Iterator begin() const { return index_ != nullptr ? Iterator(*index_) : Iterator(); }
    static std::default_sentinel_t end() noexcept { return {}; }
    /// Number of layers, O(1).
    std::uint64_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }

private:
    const ipc::IndexView* index_;
};

}  // namespace strata

// SPDX-License-Identifier: Apache-2.0
// Finding the layers of one dimension by what they are about: keyword or frequency.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "strata/detail/lifetime.hpp"
#include "strata/layer.hpp"
#include "strata/snapshot.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// An index of the keywords and frequencies of one dimension, in this process's private memory.
///
/// It belongs to the consumer, so the producer pays nothing for it and a store without such queries
/// is no larger. It answers for the generation of `snapshot()`, which it holds (and so pins);
/// `update` takes it to a newer one by looking at the changes alone.
///
/// With n layers, k keyword entries (a layer with three keywords has three), m matches:
///   build    O(n + k log k), about 0.5 us per layer with two keywords
///   update   O(c log k) for c changed layers, about 1 to 2 us each
///   look-up  O(log k + m), under 1 us, and then what `snapshot.find(ids, ...)` costs per match
///   memory   16 bytes per layer (frequency) and per keyword entry, a third more for room to grow,
///            and about 100 bytes plus its text per distinct keyword; see memory_bytes()
///
/// Thread safety: const members from any threads at once; `update` and assignment alone.
class ContextIndex {
public:
    /// Indexes `dimension` as of `snapshot`; a dimension that is not there counts as empty and may
    /// come later. Throws corrupt, truncated, permission_denied, std::bad_alloc.
    ContextIndex(const Snapshot& snapshot, Dimension dimension);
    ContextIndex(ContextIndex&&) noexcept;
    ContextIndex& operator=(ContextIndex&&) noexcept;
    ContextIndex(const ContextIndex&) = delete;
    ContextIndex& operator=(const ContextIndex&) = delete;
    ~ContextIndex();

    /// Goes over to another generation of the same store (older or newer) and returns the number of
    /// layers that differed. Throws as the constructor, and invalid_argument for another store; the
    /// index is unchanged then, but after std::bad_alloc, which leaves it fit for destruction only.
    std::size_t update(const Snapshot& snapshot);

    /// The layers that have exactly this keyword, in ascending order of layer number. Valid as long
    /// as `snapshot()`: until the next `update`, or as long as a copy of it lives.
    [[nodiscard]] std::vector<Layer> with_keyword(std::string_view keyword) const
        STRATA_LIFETIME_BOUND;
    /// The layers with low <= frequency <= high, in ascending order of frequency, then number.
    /// A frequency that is not a number is in no range.
    [[nodiscard]] std::vector<Layer> with_frequency(double low,
                                                    double high) const STRATA_LIFETIME_BOUND;
    /// How many there are, without touching the layers. O(log k + matches / 256).
    [[nodiscard]] std::size_t count_keyword(std::string_view keyword) const noexcept;
    [[nodiscard]] std::size_t count_frequency(double low, double high) const noexcept;
    /// All distinct keywords, sorted. Views into the index, valid until the next `update`.
    [[nodiscard]] std::vector<std::string_view> keywords() const STRATA_LIFETIME_BOUND;

    [[nodiscard]] const Snapshot& snapshot() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] Dimension dimension() const noexcept;
    /// Bytes that the index takes, an estimate for the keyword table.
    [[nodiscard]] std::size_t memory_bytes() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

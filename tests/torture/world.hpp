// SPDX-License-Identifier: Apache-2.0
// What a tortured store has to contain: a function of its salt and the number of steps published.
// A step is one crystallized batch of ours. It is not simply the generation, for a dimension that
// is moved, or relocated for slow readers, takes a generation of its own; a clock layer says which
// step is which, and each layer's frequency which generation was expected when it was put.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <strata/strata.hpp>

namespace strata::test {

using Step = std::uint64_t;

/// In layer `clock_id` of every generation but the first.
struct Clock {
    std::uint64_t salt;
    Step step;
    Generation at_least;  ///< the generation that was expected when the step was prepared
};
inline constexpr LayerId clock_id{1000, 0};

/// The last of the dimensions that are always there, 1 to this: it is cleared now and then.
inline constexpr Dimension swept_dimension = 6;

/// What is known of the generations that a store's layers bear.
enum class Stamps : unsigned char {
    expected,  ///< those that were expected when they were put; between two steps at most one move
    later,     ///< those, or later ones: commits relocate dimensions for slow readers
    anew,      ///< others: this is a store that was restored from a backup
};

class World {
public:
    explicit World(std::uint64_t salt) noexcept : salt_(salt) {}

    /// Adds everything that step `s` (1, 2, ...) changes.
    void prepare(Batch& batch, Step s, Generation expected) const;

    /// Reads the clock; nullopt in generation 1, which is empty. Throws Error if it is not there.
    static std::optional<Clock> clock_of(const Snapshot& snapshot);

    struct Verdict {
        std::string text{};    ///< empty: exactly what the step has to be
        bool missing = false;  ///< something is not there, as opposed to wrong
        std::uint64_t layers = 0;
        explicit operator bool() const noexcept { return !text.empty(); }
    };
    /// Compares all layers of all dimensions, and that there are no others.
    Verdict check(const Snapshot& snapshot, Stamps stamps) const;

private:
    struct Expected {
        Step since = 0;  ///< the step that put it; 0: it is not there
        std::uint64_t content = 0;
        std::uint64_t bytes = 0;
    };
    Expected small_layer(std::uint64_t index, Step s) const noexcept;
    Expected large_layer(std::uint64_t index, Step s) const noexcept;
    Expected named_layer(std::uint64_t index, Step s) const noexcept;
    Expected spare_layer(unsigned spare, std::uint64_t index, Step s) const noexcept;
    Expected swept_layer(std::uint64_t index, Step s) const noexcept;
    bool fits(const Clock& clock, const Snapshot& snapshot, Stamps stamps) const;
    void prepare_swept(Batch& batch, Step s, Generation expected) const;

    std::uint64_t salt_;
};

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
// Carries a view's front table over to the next generation's view, for readers who look into many
// dimensions of each: what a commit did not change costs them a copy, not a walk down the directory
// for each dimension.
#pragma once

#include "consumer/lookup/lookup_cache.hpp"
#include "consumer/views/view.hpp"

namespace strata::consumer_impl {

/// Guarded by the mutex under which views are opened and closed.
class FrontCarrier {
public:
    explicit FrontCarrier(LookupCache& cache) noexcept : cache_(cache) {}

    /// A dimension was looked for by the directory.
    void count_walk() noexcept { ++walks_; }
    /// `view` has been opened and is empty; `before` is the view before it, if that is open and may
    /// still be taken, so that its blocks and all that the cache says of it are there.
    void next(const View* before, View& view) noexcept;

private:
    // So many dimensions in one generation make it worth a comparison of the two directories.
    static constexpr unsigned least_walks = 8;
    // Then it is seen again whether the reader still looks into so many: those that are carried
    // over do not show.
    static constexpr unsigned most_in_a_row = 64;

    void carry(const View& before, View& view) noexcept;

    LookupCache& cache_;
    unsigned walks_ = 0;  // in the newest view
    unsigned carried_in_a_row_ = 0;
};

}  // namespace strata::consumer_impl

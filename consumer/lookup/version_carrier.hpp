// SPDX-License-Identifier: Apache-2.0
// Carries what is known of dimensions over to the next generation, for readers who look into many
// of them: one comparison of the two directories tells what a commit has changed, and nothing else
// has to be looked for again.
#pragma once

#include "consumer/lookup/version_table.hpp"
#include "consumer/views/view.hpp"

namespace strata::consumer_impl {

/// Guarded by the mutex under which views are opened and closed.
class VersionCarrier {
public:
    explicit VersionCarrier(VersionTable& versions) noexcept : versions_(versions) {}

    /// `view` has been opened and is empty; `before` is the view before it, if that is open and may
    /// still be taken, so that its blocks and all that the table says of it are there.
    void next(const View* before, View& view) noexcept;
    /// A dimension is looked for in a view that is asking. Its version, if no record is needed to
    /// tell it.
    CachedDimension* asked(View& view, Dimension dimension) noexcept;
    /// A version was found in the view's directory.
    void found(View& view, CachedDimension& version) noexcept;

private:
    // So many dimensions in one generation make it worth a comparison of the two directories.
    static constexpr unsigned least_asked = 8;
    // After so many comparisons it is seen again whether the reader still looks into so many: what
    // is carried is not asked for.
    static constexpr unsigned most_in_a_row = 64;
    static constexpr unsigned pause_after_failure = 16;

    /// Whether the reader looks into many dimensions of each generation.
    bool is_wide() const noexcept { return asked_ >= least_asked || in_a_row_ != 0; }
    bool is_pausing() noexcept;
    void count(View& view) noexcept;
    bool compare(const View& before, const View& view) noexcept;
    void carry_front(const View& before, View& view) const noexcept;

    VersionTable& versions_;
    unsigned asked_ = 0;     // for dimensions of the last generation
    unsigned in_a_row_ = 0;  // generations of a wide reader, since it last asked for so many
    unsigned since_break_ = most_in_a_row;
    unsigned pause_ = 0;
};

}  // namespace strata::consumer_impl

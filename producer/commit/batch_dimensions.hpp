// SPDX-License-Identifier: Apache-2.0
// The dimensions that a batch changes: found by number, each with the region that its puts go to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "producer/commit/dimension_homes.hpp"
#include "producer/commit/placement.hpp"
#include "producer/memory/region.hpp"
#include "strata/batch.hpp"

namespace strata::producer_impl {

/// What a batch does to one dimension as a whole.
struct BatchDimension {
    Dimension number = 0;
    Home home{};                                    // where its puts go; no region: none yet
    std::uint64_t homes_version = 0;                // when `home` was found
    std::vector<std::shared_ptr<Region>> former{};  // that it was relocated from meanwhile
    bool remove = false;  // removed before anything else in this batch happens to it
    bool clear = false;   // layers that this batch does not put are erased
    bool add = false;
    std::string name{};         // new name; empty: unchanged
    std::string name_if_new{};  // of a dimension that is added without a name
};

class BatchDimensions {
public:
    /// `placement` outlives it.
    explicit BatchDimensions(Placement& placement) noexcept : placement_(placement) {}

    /// Null if the batch does not change that dimension.
    BatchDimension* find(Dimension number) noexcept {
        if (last_touched_ < all_.size() && all_[last_touched_].number == number) {
            return &all_[last_touched_];
        }
        return find_among_all(number);
    }
    /// The same, added if need be. The next call may move it.
    BatchDimension& touch(Dimension number);
    void append(BatchDimension dimension) { all_.push_back(std::move(dimension)); }
    /// Where the puts of a dimension go: another region than the last time if it was relocated
    /// meanwhile.
    Region& region_of(BatchDimension& dimension, const DimensionOptions& options = {});

    /// A name that the batch gives to a dimension, or gives it if it is new.
    void note_name(std::string_view name, Dimension number) { names_.emplace(name, number); }
    /// The first dimension with which it was noted and that has it, as has_name(dimension) says;
    /// null: there is none.
    template <class HasName>
    const BatchDimension* find_named(std::string_view name, HasName has_name) {
        const auto [first, last] = names_.equal_range(name);
        for (auto it = first; it != last; ++it) {
            const BatchDimension* const dimension = find(it->second);
            if (dimension != nullptr && has_name(*dimension)) {
                return dimension;
            }
        }
        return nullptr;
    }

    /// In the order of their first use until they are sorted.
    std::vector<BatchDimension>& all() noexcept { return all_; }
    /// Ascending by number.
    void sort();
    /// Forgets them all, but remembers where the last ones were.
    void clear() noexcept;

private:
    /// The home that a dimension had in the batch's last use, which is found without a lock. Weak:
    /// an idle batch must not keep the memory of a dimension that was removed.
    struct Remembered {
        Dimension number = 0;
        std::weak_ptr<Region> region{};
        std::uint64_t lineage = 0;
        std::uint64_t homes_version = 0;
    };
    static constexpr std::size_t most_remembered = 4;

    BatchDimension* find_among_all(Dimension number) noexcept;

    Placement& placement_;
    std::vector<BatchDimension> all_;
    std::size_t last_touched_ = 0;                              // in all_
    std::unordered_map<Dimension, std::size_t> positions_;      // in all_, if there are many
    std::multimap<std::string, Dimension, std::less<>> names_;  // also those replaced since
    std::vector<Remembered> remembered_;
};

}  // namespace strata::producer_impl

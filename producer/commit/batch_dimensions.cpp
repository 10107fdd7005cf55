// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/batch_dimensions.hpp"

#include <algorithm>
#include <new>

#include "producer/reserve.hpp"

namespace strata::producer_impl {

BatchDimension* BatchDimensions::find_among_all(Dimension number) noexcept {
    if (positions_.empty()) {
        const auto found =
            std::find_if(all_.begin(), all_.end(),
                         [number](const BatchDimension& known) { return known.number == number; });
        return found != all_.end() ? &*found : nullptr;
    }
    const auto found = positions_.find(number);
    return found != positions_.end() ? &all_[found->second] : nullptr;
}

BatchDimension& BatchDimensions::touch(Dimension number) {
    constexpr std::size_t searched = 8;  // linearly; more are found by a table
    BatchDimension* known = find(number);
    if (known == nullptr) {
        if (all_.size() >= searched && positions_.empty()) {
            std::unordered_map<Dimension, std::size_t>
                all;  // swapped in whole: half a table would give wrong answers
            for (std::size_t i = 0; i < all_.size(); ++i) {
                all[all_[i].number] = i;
            }
            positions_.swap(all);
        }
        reserve_more(all_, 1);
        if (!positions_.empty()) {
            positions_[number] = all_.size();
        }
        known = &all_.emplace_back();
        known->number = number;
        for (const Remembered& last : remembered_) {
            if (last.number == number && last.homes_version == placement_.homes().version()) {
                known->home = {last.region.lock(), last.lineage};
                known->homes_version = last.homes_version;
            }
        }
    }
    last_touched_ = static_cast<std::size_t>(known - all_.data());
    return *known;
}

Region& BatchDimensions::region_of(BatchDimension& dimension, const DimensionOptions& options) {
    // Read before the home: what changes in between is noticed the next time.
    const std::uint64_t version = placement_.homes().version();
    Home& home = dimension.home;
    if (!home.region) {
        home = dimension.remove ? placement_.new_home(dimension.number, options)
                                : placement_.home_of(dimension.number, options);
        dimension.homes_version = version;
    } else if (dimension.homes_version != version && !dimension.remove) {
        auto now = placement_.homes().find(dimension.number);
        if (now && now->lineage == home.lineage) {
            if (now->region != home.region) {  // relocated
                dimension.former.push_back(std::move(home.region));
                home.region = std::move(now->region);
            }
            dimension.homes_version = version;
        }  // else it was removed meanwhile, as the commit will say
    }
    return *home.region;
}

void BatchDimensions::sort() {
    const auto by_number = [](const BatchDimension& a, const BatchDimension& b) {
        return a.number < b.number;
    };
    if (!std::is_sorted(all_.begin(), all_.end(), by_number)) {
        std::sort(all_.begin(), all_.end(), by_number);
        for (std::size_t i = 0; i < all_.size() && !positions_.empty(); ++i) {
            positions_.find(all_[i].number)->second = i;
        }
    }
}

void BatchDimensions::clear() noexcept {
    // A batch that is used on and on for one dimension: what is remembered is still so.
    const bool known = all_.size() == 1 && remembered_.size() == 1 &&
                       remembered_.front().number == all_.front().number &&
                       remembered_.front().lineage == all_.front().home.lineage &&
                       remembered_.front().homes_version == all_.front().homes_version;
    if (!known) {
        remembered_.clear();
    }
    if (!known && all_.size() <= most_remembered) {
        try {
            for (const BatchDimension& dimension : all_) {
                if (dimension.home.region) {
                    remembered_.push_back({dimension.number, dimension.home.region,
                                           dimension.home.lineage, dimension.homes_version});
                }
            }
        } catch (const std::bad_alloc&) {
            remembered_.clear();  // the next use looks them up
        }
    }
    all_.clear();
    positions_.clear();
    names_.clear();
    last_touched_ = 0;
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
// All views of one attachment, each either open or free to be opened again. A view is freed with
// the stock only, so that a thread with a stale pointer to one may still touch it. Guarded by the
// mutex under which views are opened and closed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "consumer/views/view.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

class ViewStock {
public:
    /// Both outlive it.
    ViewStock(Session& session, const LookupCache& cache) noexcept
        : session_(session), cache_(cache) {}

    /// Makes sure that there is a free view, and that `give_back` needs no memory. Throws
    /// std::bad_alloc.
    void prepare() {
        free_.reserve(views_.size() + 1);
        if (free_.empty()) {
            views_.push_back(std::make_unique<View>(session_, cache_));
            free_.push_back(views_.back().get());
        }
    }
    /// A free one, closed; `prepare` has seen to it that there is one. It counts as open from here
    /// on.
    View* take() noexcept {
        View* const view = free_.back();
        free_.pop_back();
        view->opened = ++opened_;
        return view;
    }
    /// It is closed.
    void give_back(View* view) noexcept { free_.push_back(view); }
    /// The one that `take` would give. There is one.
    View* next() const noexcept { return free_.back(); }

    std::size_t size() const noexcept { return views_.size(); }
    std::size_t open() const noexcept { return views_.size() - free_.size(); }
    /// Whether a view of a generation in [first, last] is open.
    bool any_open(Generation first, Generation last) const noexcept {
        return std::any_of(views_.begin(), views_.end(), [&](const auto& view) {
            return first <= view->generation && view->generation <= last &&
                   (view->refs.load(std::memory_order_relaxed) & View::closed) == 0;
        });
    }
    /// How many times a view has been opened.
    std::uint64_t opened() const noexcept { return opened_; }
    /// The number of the view that has been open longest; more than any if none is open.
    std::uint64_t oldest_open() const noexcept {
        std::uint64_t oldest = opened_ + 1;
        for (const auto& view : views_) {
            if ((view->refs.load(std::memory_order_relaxed) & View::closed) == 0) {
                oldest = std::min(oldest, view->opened);
            }
        }
        return oldest;
    }

private:
    Session& session_;
    const LookupCache& cache_;
    std::vector<std::unique_ptr<View>> views_;
    std::vector<View*> free_;
    std::uint64_t opened_ = 0;
};

}  // namespace strata::consumer_impl

// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/pinned_epochs.hpp"

#include <algorithm>

namespace strata::producer_impl {

using ipc::EpochRange;

namespace {

// The first range that does not end before `epoch`.
template <class Ranges>
auto first_from(Ranges& ranges, std::uint64_t epoch) noexcept {
    return std::lower_bound(
        ranges.begin(), ranges.end(), epoch,
        [](const EpochRange& range, std::uint64_t value) { return range.last < value; });
}

}  // namespace

const EpochRange* range_within(std::span<const EpochRange> ranges, std::uint64_t first,
                               std::uint64_t last) noexcept {
    const auto found = first_from(ranges, first);
    return found != ranges.end() && found->first <= last ? &*found : nullptr;
}

const EpochRange* range_with(std::span<const EpochRange> ranges, std::uint64_t epoch) noexcept {
    return range_within(ranges, epoch, epoch);
}

void insert_epoch(std::vector<EpochRange>& ranges, std::uint64_t epoch) {
    const auto at = first_from(ranges, epoch);
    if (at == ranges.end() || at->first > epoch) {
        ranges.insert(at, {epoch, epoch});
    }
}

PinnedEpochs::PinnedEpochs() {
    held_.reserve(most_ranges + 1);
    // Each question takes one range away and gives at most two back.
    unknown_.reserve(many_questions + 2);
}

void PinnedEpochs::look(const ipc::FileDescriptor& control, std::uint64_t last,
                        unsigned questions) noexcept {
    const std::uint64_t ended_since = asked_up_to_;
    asked_up_to_ = std::max(asked_up_to_, last + 1);
    // First of all, for only this is ordered with the readers' lock calls: see C4 and C5.
    const ipc::LockState any = ipc::pins_up_to(control, last);
    if (any == ipc::LockState::free) {
        held_.clear();
        return;
    }
    if (last >= ended_since) {
        unknown_.push_back({ended_since, last});
    }
    questions = any == ipc::LockState::held ? std::min(questions, many_questions) : 0;
    const std::uint64_t started_at = next_;
    bool wrapped = false;
    for (unsigned asked = 0; asked < questions; ++asked) {
        if (unknown_.empty()) {
            // The next one in turn, until all have had theirs.
            auto turn = first_from(held_, next_);
            if (turn == held_.end() || turn->first >= ended_since) {
                if (wrapped || held_.empty()) {
                    break;
                }
                wrapped = true;
                turn = held_.begin();
            }
            if (wrapped && turn->last >= started_at) {
                break;
            }
            unknown_.push_back(*turn);
            next_ = turn->last + 1;
            held_.erase(turn);
        }
        const EpochRange range = unknown_.back();
        unknown_.pop_back();
        ask(control, range);
    }
    for (const EpochRange& range : unknown_) {
        add(range);
    }
    unknown_.clear();
}

void PinnedEpochs::ask(const ipc::FileDescriptor& control, const EpochRange& range) noexcept {
    const auto found = ipc::find_pin(control, range);
    if (!found) {
        add(range);  // refused: everything may be pinned
        return;
    }
    if (!found.value) {
        return;
    }
    add(*found.value);
    if (range.first < found.value->first) {
        unknown_.push_back({range.first, found.value->first - 1});
    }
    if (found.value->last < range.last) {
        unknown_.push_back({found.value->last + 1, range.last});
    }
}

void PinnedEpochs::add(const EpochRange& range) noexcept {
    held_.insert(first_from(held_, range.first), range);
    if (held_.size() <= most_ranges) {
        return;
    }
    // The two that are nearest to each other become one: that holds back least that is free.
    std::size_t nearest = 0;
    for (std::size_t i = 1; i + 1 < held_.size(); ++i) {
        if (held_[i + 1].first - held_[i].last < held_[nearest + 1].first - held_[nearest].last) {
            nearest = i;
        }
    }
    held_[nearest].last = held_[nearest + 1].last;
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(nearest) + 1);
}

}  // namespace strata::producer_impl

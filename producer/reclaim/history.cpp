// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/history.hpp"

#include <algorithm>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/format/atomic_word.hpp"

namespace strata::producer_impl {

Generation History::oldest_retained(Generation newest) const noexcept {
    const Generation first = entries_.empty() ? newest : entries_.front().generation;
    return std::min(newest, std::max(first_retained_, first));
}

Generation History::plan(Generation current, Generation newest) noexcept {
    const bool by_time = retain_for_.count() > 0;
    if (by_time) {
        planned_ = Clock::now();
    }
    evictions_ = 0;
    std::uint64_t left = bytes_;
    while (evictions_ < std::min(entries_.size(), most_evicted)) {
        const Entry& entry = entries_[evictions_];
        const bool wanted = newest - entry.generation <= retain_ ||
                            (by_time && planned_ - entry.superseded < retain_for_);
        if (wanted && (most_bytes_ == 0 || left <= most_bytes_)) {
            break;
        }
        left -= entry.bytes;
        ++evictions_;
    }
    if (!enabled()) {
        return newest;
    }
    const Generation first =
        evictions_ < entries_.size() ? entries_[evictions_].generation : current;
    return std::min(newest, std::max(first_retained_, first));
}

void History::begin(Generation generation, std::uint64_t root_offset) {
    for (std::uint64_t slot = 0; slot < ipc::history_slots; ++slot) {
        ipc::store_release(control_.history_slot(slot), 0);
    }
    STRATA_CRASH_POINT("recover.history-cleared");
    if (enabled()) {
        ipc::store_release(control_.history_slot(generation), root_offset);
    }
}

void History::prepare(Generation generation, std::size_t blocks) {
    if (enabled()) {
        std::vector<Retired> room;
        room.reserve(blocks);
        entries_.push_back({.generation = generation,
                            .superseded = planned_,
                            .bytes = 0,
                            .blocks = std::move(room),
                            .files = {}});
    }
}

void History::publish_slot(Generation generation, std::uint64_t root_offset) noexcept {
    if (enabled()) {
        // Release; partner: the acquire load in Session::root_of. After the root: nobody may ask
        // for a generation by number before it is published.
        ipc::store_release(control_.history_slot(generation), root_offset);
        STRATA_CRASH_POINT("commit.history-stored");
    }
}

// First the slot, then the blocks: see docs/reclamation.md.
void History::evict(Generation newest, std::uint64_t epoch, Limbo& limbo,
                    RetiredFiles& files) noexcept {
    for (; evictions_ > 0; --evictions_) {
        Entry& entry = entries_.front();
        if (newest - entry.generation < ipc::history_slots) {  // else a later one has its slot
            ipc::store_release(control_.history_slot(entry.generation), 0);
        }
        STRATA_CRASH_POINT("history.slot-cleared");
        for (Retired& block : entry.blocks) {
            block.tag = epoch;
            limbo.add(block);
        }
        for (RetiredFile& file : entry.files) {
            file.tag = epoch;
            files.add(std::move(file));
        }
        bytes_ -= entry.bytes;
        entries_.pop_front();
    }
}

History::Planned History::planned() const noexcept {
    Planned planned;
    for (std::size_t i = 0; i < evictions_; ++i) {
        planned.blocks += entries_[i].blocks.size();
        planned.files += entries_[i].files.size();
    }
    return planned;
}

}  // namespace strata::producer_impl

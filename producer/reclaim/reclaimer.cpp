// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/reclaimer.hpp"

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "ipc/crash_point.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/os.hpp"

namespace strata::producer_impl {

namespace {

constexpr std::size_t most_at_once = 1024;  // blocks freed under one lock

// Commits take turns between a region and the control file: both stay locked.
std::uint64_t free_all(std::span<const Retired> blocks, Region& control) noexcept {
    constexpr std::size_t ahead = 8;  // cache misses under way
    const std::lock_guard control_lock(control);
    std::unique_lock<Region> other;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        Region& region = *blocks[i].region;
        if (&region != &control && &region != other.mutex()) {
            other = {};  // before the next one is locked
            other = std::unique_lock(region);
        }
        if (i + ahead < blocks.size()) {
            const Retired& later = blocks[i + ahead];
            if (later.region == &region || later.region == &control) {
                later.region->prefetch_facts_held(later.offset);
            }
        }
        bytes += region.free_held(blocks[i].offset);
    }
    return bytes;
}

}  // namespace

Reclaimer::Reclaimer(ControlRegion& control, const CurrentGeneration& current,
                     const ipc::StoreDirectory& directory, const ProducerOptions& options,
                     MemoryBudget& budget, Counters& counters, const DurablePins& durable,
                     Bookmarks& bookmarks)
    : control_(control),
      current_(current),
      slow_reader_options_(options.slow_readers),
      budget_(budget),
      counters_(counters),
      durable_(durable),
      bookmarks_(bookmarks),
      clock_(control),
      history_(control, options),
      files_(directory.directory, budget, counters),
      slow_readers_(options.slow_readers) {
    last_pins_.reserve(PinnedEpochs::most_ranges);
    freed_.reserve(most_at_once);
}

void Reclaimer::begin(std::uint64_t epoch) {
    clock_.begin(epoch);
    history_.begin(current_.root().generation, current_.root_offset());
    STRATA_CRASH_POINT("recover.history-begun");
}

bool Reclaimer::end_epoch(unsigned questions) noexcept {
    return clock_.advance(current_.root_offset(),
                          history_.oldest_retained(current_.root().generation), questions);
}

// The files of a scan go by the pins of its own query, which knows nothing of later epochs: so that
// scan is over, and what is left of it joins the next one.
void Reclaimer::part_epochs() noexcept {
    under_way_ = false;
    if (end_epoch(PinnedEpochs::few_questions)) {
        bookmarks_.release_unread(clock_.pins());
    }
}

void Reclaimer::prepare(std::size_t blocks, std::size_t files) {
    const History::Planned planned = history_.planned();
    limbo_.reserve(planned.blocks + blocks);
    files_.reserve(planned.files + files);
    history_.prepare(current_.root().generation, blocks);
}

void Reclaimer::retire(Generation newest, std::span<const Retired> blocks,
                       std::vector<RetiredFile>&& files) noexcept {
    const std::uint64_t now = epoch();
    if (history_.enabled()) {
        for (const Retired& block : blocks) {
            history_.retire(block);
        }
        history_.retire(std::move(files));
        history_.evict(newest, now, limbo_, files_);
        return;
    }
    for (const Retired& block : blocks) {
        Retired entry = block;
        entry.tag = now;
        limbo_.add(entry);
    }
    for (RetiredFile& file : files) {
        file.tag = now;
        files_.add(std::move(file));
    }
}

bool Reclaimer::is_due(std::int64_t now_ns) const noexcept {
    // Often enough that what is given out again is still in the processor's cache, seldom enough
    // that the system calls do not count: two, and one for each pinned epoch.
    const std::uint64_t often = (256 << 10) * (1 + last_pins_.size() / 8);
    const std::uint64_t worth = std::clamp<std::uint64_t>(
        std::min(current_.root().live_bytes / 16, budget_.limit() / 32), 64 << 10, often);
    const std::int64_t patience_ns = slow_reader_options_.max_age.count() / 4;
    const std::int64_t since_ns = now_ns - last_reclaim_ns_;  // < 0: the clock was set back
    const bool look_at_readers =
        patience_ns > 0 && limbo_.bytes() > 0 && (since_ns > patience_ns || since_ns < 0);
    return limbo_.new_bytes() >= worth || look_at_readers;
}

bool Reclaimer::look(unsigned questions) {
    if (limbo_.bytes() == 0 && files_.empty() && !bookmarks_.any_removed()) {
        return false;
    }
    if (!end_epoch(questions)) {
        return false;
    }
    under_way_ = false;  // until all that may fail is done; what is left joins the next scan
    const std::span<const ipc::EpochRange> pinned = clock_.pins();
    const std::int64_t now_ns = ipc::os::realtime_ns();
    ++reclaims_;
    last_reclaim_ns_ = now_ns;
    slow_readers_.update(pinned, now_ns);
    note_oldest_pin(pinned.empty() ? 0 : pinned.front().first, now_ns);
    ipc::store_relaxed(control_.statistics().reclaims, reclaims_);
    bookmarks_.release_unread(pinned);
    durable_.merge(pinned, all_pins_);
    bookmarks_.merge(all_pins_);
    limbo_.begin_scan(all_pins_);
    under_way_ = true;
    return true;
}

void Reclaimer::begin_reclaim(unsigned questions) { look(questions); }

bool Reclaimer::reclaim_portion(std::size_t blocks) {
    if (!under_way_) {
        return false;
    }
    for (std::size_t examined = 0; examined < blocks && limbo_.scanning();) {
        const std::size_t now = examine(blocks - examined);
        if (now == 0) {
            return false;  // out of memory
        }
        examined += now;
    }
    if (limbo_.scanning()) {
        return false;
    }
    finish();
    return true;
}

std::uint64_t Reclaimer::reclaim(unsigned questions) {
    if (!look(questions)) {
        return 0;
    }
    const std::uint64_t before = reclaimed_bytes_;
    while (examine(most_at_once) != 0) {
    }
    if (!limbo_.scanning()) {
        finish();
    }
    return reclaimed_bytes_ - before;
}

std::size_t Reclaimer::examine(std::size_t blocks) {
    const std::size_t examined = limbo_.scan(std::min(blocks, most_at_once), freed_);
    free_blocks();
    return examined;
}

// After the blocks: a file that is free has no block left in limbo, because every pin that holds
// one of its blocks holds the file as well.
void Reclaimer::finish() {
    const std::span<const ipc::EpochRange> pinned = clock_.pins();
    reclaimed_bytes_ += files_.remove_free(epoch() - 1, all_pins_);
    STRATA_CRASH_POINT("reclaim.files-freed");
    slow_readers_.find(pinned, control_.lock_description(), epoch(), limbo_, files_.files());
    nudge_idle_readers(pinned);
    last_pins_.assign(pinned.begin(), pinned.end());  // within the capacity that it was given
    under_way_ = false;
}

void Reclaimer::free_blocks() noexcept {
    if (freed_.empty()) {
        return;
    }
    reclaimed_bytes_ += free_all(freed_, control_.region());
    STRATA_CRASH_POINT("reclaim.freed");
    counters_.deallocations.add_alone(freed_.size());
    freed_.clear();
}

// Those who only keep a pin for their next snapshot release it when asked. Asked again only when
// that may help: there are other pins than last time, or they hold back considerably more.
void Reclaimer::nudge_idle_readers(std::span<const ipc::EpochRange> pinned) noexcept {
    if (!pinned.empty() &&
        (!std::equal(pinned.begin(), pinned.end(), last_pins_.begin(), last_pins_.end()) ||
         limbo_.held_bytes() > held_at_last_nudge_ + (1 << 20))) {
        held_at_last_nudge_ = limbo_.held_bytes();
        control_.nudge_idle_readers();
    }
}

void Reclaimer::note_oldest_pin(std::uint64_t epoch, std::int64_t now_ns) noexcept {
    ipc::ControlStats& words = control_.statistics();
    const std::int64_t since_ns = slow_readers_.pinned_since(epoch, now_ns);
    ipc::store_relaxed(words.oldest_pinned_epoch, epoch);
    ipc::store_relaxed(words.oldest_pinned_since_ns,
                       epoch == 0 ? 0 : static_cast<std::uint64_t>(since_ns));
}

void Reclaimer::name_holders(Error::Parts& parts) const {
    if (clock_.at_end()) {
        parts.detail += "; the store's reclamation clock is at its end, nothing can be reclaimed";
        parts.hint = "create the store anew";
        return;
    }
    if (limbo_.bytes() == 0) {
        return;
    }
    // Not more than there is: what a former producer left may have holes in it.
    parts.detail += ", " + std::to_string(std::min(limbo_.bytes(), budget_.used())) +
                    " of them held back for readers:";
    constexpr std::size_t most_named = 16;
    const auto readers =
        ipc::pin_holders(control_.lock_description(), {0, epoch()}, max_pin_questions);
    std::vector<std::int64_t> named;  // each process once, whatever it holds
    for (const ipc::PinHolder& holder : readers.holders) {
        if (std::ranges::find(named, holder.pid) != named.end()) {
            continue;
        }
        if (named.size() == most_named) {
            parts.detail += ", ...";
            break;
        }
        parts.detail += (named.empty() ? " process " : ", ") + std::to_string(holder.pid);
        named.push_back(holder.pid);
    }
    parts.hint += "; let those readers drop their old snapshots";
    bookmarks_.name_in(parts);
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
// Giving retired blocks back. The claims that this rests on are in docs/reclamation.md.
#include <algorithm>
#include <chrono>

#include "ipc/atomic_word.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"
#include "producer/store.hpp"

namespace strata::producer_impl {

std::uint64_t Store::reclaim() {
    check_process("reclaim");
    const Notices notices(*this);
    const std::lock_guard lock(commit_mutex_);
    const std::uint64_t bytes = reclaim_locked();
    publish_tables(ipc::os::realtime_ns());
    return bytes;
}

// Moves the clock on and frees what no pin protects. Returns the bytes that can be used again.
std::uint64_t Store::reclaim_locked() {
    if (limbo_.bytes() == 0 && retired_files_.empty()) {
        return 0;
    }
    ipc::ControlCells& cells = *control_.at<ipc::ControlCells>(ipc::cells_offset);
    const std::uint64_t last = epoch_.load(std::memory_order_relaxed);
    // Before the lock attempt below. Release; partner: the second load of `epoch` in
    // PinSet::pin_current, ordered with this by the kernel's lock on the file's lock list.
    STRATA_CRASH_POINT("reclaim.begin");
    ipc::store_release(cells.epoch, last + 1);
    STRATA_CRASH_POINT("reclaim.epoch-stored");
    epoch_.store(last + 1, std::memory_order_relaxed);

    std::vector<ipc::EpochRange> pinned;
    if (!ipc::no_pins_up_to(control_.file().get(), last)) {
        pinned = ipc::pinned_epochs(control_.file().get(), last);
    }
    STRATA_CRASH_POINT("reclaim.pins-known");
    note_pins(pinned, ipc::os::realtime_ns());
    std::vector<Retired> freed;
    limbo_.collect(last, pinned, freed);
    std::uint64_t bytes = 0;
    // Commits take turns between regions and the control file: one lock for all blocks of one file.
    for (auto first = freed.begin(); first != freed.end();) {
        Region* const region = first->region;
        const auto end = std::partition(
            first, freed.end(), [&](const Retired& block) { return block.region == region; });
        bytes += region->free_all(std::span(first, end));
        STRATA_CRASH_POINT("reclaim.freed");
        region->settle_holes();
        first = end;
    }
    deallocations_.fetch_add(freed.size(), std::memory_order_relaxed);
    // After the blocks: a file that is free has no block left in limbo, for every pin that holds
    // one of its blocks holds the file as well.
    bytes += free_files(last, pinned);
    STRATA_CRASH_POINT("reclaim.files-freed");
    find_slow_readers(pinned);

    // Those who only keep a pin for their next snapshot let go when asked. Asked again only when
    // that may help: there are other pins than last time, or they hold back considerably more.
    if (!pinned.empty() &&
        (!std::equal(pinned.begin(), pinned.end(), last_pins_.begin(), last_pins_.end()) ||
         limbo_.parked_bytes() > parked_at_last_wake_ + (1 << 20))) {
        parked_at_last_wake_ = limbo_.parked_bytes();
        ipc::os::futex_wake(ipc::futex_word(cells.epoch));
    }
    last_pins_ = std::move(pinned);
    return bytes;
}

std::uint64_t Store::free_files(std::uint64_t last, std::span<const ipc::EpochRange> pinned) {
    std::uint64_t bytes = 0;
    std::erase_if(retired_files_, [&](RetiredFile& file) {
        std::uint64_t holder = 0;
        if (file.tag > last || is_pinned(pinned, file.birth, file.tag, holder)) {
            return false;
        }
        const std::uint64_t before = budget_.used();
        STRATA_CRASH_POINT("reclaim.before-file");
        remove_retired(file);
        STRATA_CRASH_POINT("reclaim.file-removed");
        bytes += before - std::min(before, budget_.used());
        return true;
    });
    return bytes;
}

void Store::remove_retired(RetiredFile& file) {
    if (file.region) {
        // Nobody reads it, but idle consumers may still have it mapped: give its memory back now.
        // Unless a batch was begun before the removal and has blocks in it: then its end does that.
        if (file.region.use_count() == 1) {
            file.region->trim_all();
            STRATA_CRASH_POINT("reclaim.file-trimmed");
        }
        file.region->keep_file = false;
        file.region.reset();
        return;
    }
    // A consumer that has it mapped would keep its memory.
    if (const auto leftover = ipc::os::open_write(directory_.directory.get(), file.name)) {
        ipc::os::punch_hole(leftover.value.get(), 0, max_region_bytes);
    }
    STRATA_CRASH_POINT("reclaim.leftover-punched");
    ipc::os::remove_file(directory_.directory.get(), file.name);
    budget_.give_back(file.bytes);
}

// Called when an allocation failed for want of memory. Reclaims; gives idle readers a moment to let
// go of their pins, and slow ones as long as the policy says; takes memory from regions that do not
// need it.
bool Store::make_room(std::uint64_t bytes) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds idle_patience(10);
    const SlowReaderOptions& slow = options_.slow_readers;
    const auto deadline =
        Clock::now() + (slow.policy == SlowReaderPolicy::wait ? std::max(slow.wait, idle_patience)
                                                              : idle_patience);
    std::uint64_t freed = reclaim_locked();
    while (freed < bytes && !last_pins_.empty() && Clock::now() < deadline) {
        ipc::os::futex_wake(
            ipc::futex_word(control_.at<ipc::ControlCells>(ipc::cells_offset)->epoch));
        pin_waiter_.wait_any(directory_.directory.get(), last_pins_, deadline);
        freed += reclaim_locked();
    }
    const std::uint64_t trimmed = trim_locked(ipc::page_bytes);
    return freed > 0 || trimmed > 0;
}

std::uint64_t Store::trim() {
    check_process("trim");
    const Notices notices(*this);
    const std::lock_guard lock(commit_mutex_);
    reclaim_locked();
    const std::uint64_t bytes = trim_locked(ipc::page_bytes);
    publish_tables(ipc::os::realtime_ns());
    return bytes;
}

std::uint64_t Store::trim_locked(std::uint64_t min_bytes) {
    std::uint64_t bytes = control_.trim(min_bytes);
    for (const auto& [dimension, region] : published_) {
        if (region) {
            bytes += region->trim(min_bytes);
        }
    }
    for (const RetiredFile& file : retired_files_) {
        if (file.region) {
            bytes += file.region->trim(min_bytes);
        }
    }
    return bytes;
}

void Store::set_memory_limit(std::uint64_t bytes) {
    check_process("set_memory_limit");
    const Notices notices(*this);
    const std::lock_guard lock(commit_mutex_);
    fit_limit(bytes, "set the memory limit of", "erase something first; the old limit stays");
    publish_tables(ipc::os::realtime_ns());
}

void Store::fit_limit(std::uint64_t bytes, std::string_view what, std::string_view hint) {
    if (budget_.set_limit(bytes)) {
        return;
    }
    make_room(budget_.used() - std::min(bytes, budget_.used()));
    if (budget_.set_limit(bytes)) {
        return;
    }
    Error::Parts parts{.code = Errc::limit_exceeded,
                       .operation = operation(what),
                       .path = directory_.path,
                       .detail = std::to_string(budget_.used()) +
                                 " bytes are in use, the limit was to be " + std::to_string(bytes),
                       .hint = std::string(hint),
                       .needed = budget_.used(),
                       .limit = bytes,
                       .current = budget_.used()};
    name_holders(parts);
    throw Error(std::move(parts));
}

}  // namespace strata::producer_impl

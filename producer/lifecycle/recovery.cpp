// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/life_file.hpp"
#include "ipc/files/region_file.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/os.hpp"
#include "producer/lifecycle/live_blocks.hpp"

namespace strata::producer_impl {

Recovery::Recovery(const ipc::StoreDirectory& directory, ControlRegion& control,
                   CurrentGeneration& current, DimensionHomes& homes, RegionFactory& factory,
                   Reclaimer& reclaimer, Bookmarks& bookmarks, StoreMemory& memory,
                   MemoryBudget& budget, const Durability::Start& durable, std::uint64_t life)
    : directory_(directory),
      control_(control),
      current_(current),
      homes_(homes),
      factory_(factory),
      reclaimer_(reclaimer),
      bookmarks_(bookmarks),
      memory_(memory),
      budget_(budget),
      durable_(durable),
      life_(life),
      operation_(ipc::operation_on("open", directory.name)) {}

void Recovery::run() {
    read_root();
    // With the history's slots cleared and this epoch over, nobody comes to read anything but the
    // current root: who still reads what is old has a pin now.
    const bool known = reclaimer_.end_epoch(PinnedEpochs::many_questions);
    if (known) {
        bookmarks_.release_unread(reclaimer_.clock().pins());
    }
    PinnedGenerations pinned = find_pinned_generations();
    if (!known) {  // the clock is at its end: anybody may have anything
        pinned.add_unknown({0, reclaimer_.epoch()});
    }
    STRATA_CRASH_POINT("recover.pins-known");
    LiveBlocks(control_, current_, homes_, factory_, pinned, operation_).adopt();
    for (const auto& [serial, used] : current_.regions()) {
        const Region& region = *used.region;
        complete_last_page(region.file(), region.found_bytes, operation_, region.path());
    }
    STRATA_CRASH_POINT("recover.adopted");
    HeldBlocks held(control_.file(), control_.region(), current_.regions(), operation_);
    for (const PinnedGeneration& old : pinned.known()) {
        try {
            held.trace(old);
        } catch (const Error&) {
            // Damaged. Its readers may still make sense of some of it.
            pinned.add_unknown({old.epoch, old.epoch});
        }
    }
    STRATA_CRASH_POINT("recover.held-found");
    retire_held(held, pinned.unknown());
    free_or_retire_rest(control_.region(), pinned.unknown());
    for (const auto& [serial, region] : current_.regions()) {
        free_or_retire_rest(*region.region, pinned.unknown());
    }
    sort_leftover_files(held, pinned.unknown());
    STRATA_CRASH_POINT("recover.retired");
    repair_generation();
    memory_.reclaim();
    control_.region().keep_back();
    for (const auto& [serial, used] : current_.regions()) {
        used.region->keep_back();
    }
    memory_.give_back_excess();
}

void Recovery::read_root() {
    if (durable_.after_cut) {
        bookmarks_.give_up(operation_);  // before anything that they name is reused
        go_back_to_slot();
    }
    const ipc::ControlCells& cells = control_.cells();
    const std::uint64_t offset = ipc::load_acquire(cells.root);
    current_.set_root(control_.file().root_at(offset, operation_), offset);
    const std::uint64_t epoch = ipc::load_acquire(cells.epoch);
    if (epoch >= ipc::epoch_end) {
        ipc::fail(Errc::corrupt, operation_, control_.path(),
                  "epoch " + std::to_string(epoch) + " is impossible",
                  "remove the store and publish it anew, or restore a backup");
    }
    bookmarks_.load(epoch, operation_);
    factory_.skip_serials_to(current_.root().next_serial);
    reclaimer_.begin(epoch);
    if (durable_.after_cut) {
        current_.skip_numbers(durable_.slot->lease);
        reclaimer_.skip_numbers(durable_.slot->lease);
    }
}

// After a power failure every word of the control file is of any time since it was flushed last:
// what the slot says counts. Nobody reads the store; the page cache is this run's.
void Recovery::go_back_to_slot() {
    const ipc::DurableSlot& slot = *durable_.slot;
    const ipc::RootRecord root = control_.file().root_at(slot.root, operation_);
    if (root.generation != slot.generation || root.epoch > slot.epoch) {
        ipc::fail(Errc::corrupt, operation_, control_.path(),
                  "the root record of the durable generation " + std::to_string(slot.generation) +
                      " is damaged",
                  "remove the store and publish it anew, or restore a backup");
    }
    for (std::size_t i = 0; i < ipc::closing_root_slots; ++i) {
        ipc::store_release(control_.closing_roots()[i].epoch, 0);
    }
    ipc::ControlCells& cells = control_.cells();
    ipc::store_release(cells.oldest, slot.generation);
    ipc::store_release(cells.epoch, slot.epoch);
    ipc::store_release(cells.root, slot.root);
    ipc::store_release(cells.generation, slot.generation);
    STRATA_CRASH_POINT("recover.cells-restored");
}

// What is kept for nobody in particular, ascending by epoch: it is traced as a reader's is.
std::vector<PinnedGeneration> Recovery::kept_generations() {
    std::vector<PinnedGeneration> kept;
    const auto add = [&](std::uint64_t epoch, std::uint64_t offset, Generation generation,
                         const char* what) {
        const ipc::RootRecord root = control_.file().root_at(offset, operation_);
        if (root.generation != generation) {
            ipc::fail(Errc::corrupt, operation_, control_.path(),
                      std::string("the root record of the ") + what + " generation " +
                          std::to_string(generation) + " is damaged");
        }
        kept.push_back({.epoch = epoch,
                        .root = offset,
                        .generation = generation,
                        .oldest = generation,
                        .next_serial = root.next_serial});
    };
    if (durable_.acknowledged) {
        add(durable_.acknowledged->epoch, durable_.acknowledged->root,
            durable_.acknowledged->generation, "durable");
    }
    if (durable_.slot) {
        add(durable_.slot->epoch, durable_.slot->root, durable_.slot->generation, "durable");
    }
    for (const ipc::BookmarkRecord& record : bookmarks_.records()) {
        add(record.epoch, record.root, record.generation, "bookmarked");
    }
    std::sort(kept.begin(), kept.end(), [](const PinnedGeneration& a, const PinnedGeneration& b) {
        return a.epoch < b.epoch;
    });
    return kept;
}

PinnedGenerations Recovery::find_pinned_generations() {
    PinnedGenerations result(reclaimer_.epoch());
    const std::vector<PinnedGeneration> kept = kept_generations();
    auto next = kept.begin();
    const auto add_kept_up_to = [&](std::uint64_t epoch) {
        for (; next != kept.end() && next->epoch <= epoch; ++next) {
            result.add(*next);
        }
    };
    for (const ipc::EpochRange& range : reclaimer_.clock().pins()) {
        add_kept_up_to(range.last);
        const auto closing = reclaimer_.clock().closing_roots().find(range.first);
        if (range.first == range.last && closing) {
            try {
                const ipc::RootRecord root = control_.file().root_at(closing->root, operation_);
                if (closing->oldest != 0 && closing->oldest <= root.generation) {
                    result.add({.epoch = range.first,
                                .root = closing->root,
                                .generation = root.generation,
                                .oldest = closing->oldest,
                                .next_serial = root.next_serial});
                    continue;
                }
            } catch (const Error&) {
                // Damaged: as good as none.
            }
        }
        result.add_unknown(range);
    }
    add_kept_up_to(ipc::epoch_end);
    return result;
}

// `unknown`: epochs whose readers may reach anything.
void Recovery::retire_held(const HeldBlocks& held, const std::optional<ipc::EpochRange>& unknown) {
    Limbo& limbo = reclaimer_.limbo();
    limbo.reserve(held.blocks().size());
    for (Retired block : held.blocks()) {
        if (unknown) {
            block.birth = std::min(block.birth, unknown->first);
            block.tag = std::max(block.tag, unknown->last);
        }
        limbo.add(block);
    }
}

void Recovery::free_or_retire_rest(Region& region, const std::optional<ipc::EpochRange>& unknown) {
    const std::vector<std::uint64_t> rest = region.finish_rebuild(operation_);
    if (!unknown) {
        for (const std::uint64_t offset : rest) {
            region.free(offset);
        }
        return;
    }
    Limbo& limbo = reclaimer_.limbo();
    limbo.reserve(rest.size());
    for (const std::uint64_t offset : rest) {
        limbo.add({.region = &region,
                   .offset = offset,
                   .birth = unknown->first,
                   .tag = unknown->last,
                   .bytes = region.block_bytes(offset)});
    }
}

// Region files that no dimension names: not published by the last producer, or removed while old
// snapshots still read them; earlier producers' signs of life; bookmarks half written.
void Recovery::sort_leftover_files(const HeldBlocks& held,
                                   const std::optional<ipc::EpochRange>& unknown) {
    const auto names = ipc::os::list_directory(directory_.directory.get());
    if (!names) {
        ipc::fail_errno(names.error, operation_, directory_.path, "cannot list its files");
    }
    for (const std::string& name : names.value) {
        std::uint64_t number = 0;
        if ((ipc::parse_life_file_name(name, number) && number != life_) ||
            name == ipc::new_bookmarks_file_name) {
            ipc::os::remove_file(directory_.directory.get(), name);  // else the next one does
        } else if (ipc::parse_region_file_name(name, number)) {
            factory_.skip_serials_to(number + 1);
            if (!current_.regions().contains(number)) {
                sort_leftover_region(name, number, held, unknown);
            }
        }
    }
}

void Recovery::sort_leftover_region(const std::string& name, std::uint64_t serial,
                                    const HeldBlocks& held,
                                    const std::optional<ipc::EpochRange>& unknown) {
    const auto status = ipc::os::status_at(directory_.directory.get(), name);
    if (!status && status.error != ENOENT) {
        ipc::fail_errno(status.error, operation_, directory_.file(name),
                        "cannot read the status of a file that is not needed any more");
    }
    budget_.take_existing(status.value.allocated_bytes);
    RetiredFile file{.region = nullptr,
                     .name = name,
                     .bytes = status.value.allocated_bytes,
                     .live_bytes = 0,
                     .birth = 0,
                     .tag = 0};
    std::optional<ipc::EpochRange> readers = unknown;
    if (const auto reader = held.files().find(serial); reader != held.files().end()) {
        readers = unknown ? ipc::EpochRange{std::min(reader->second.first, unknown->first),
                                            std::max(reader->second.last, unknown->last)}
                          : reader->second;
    }
    RetiredFiles& retired = reclaimer_.retired_files();
    if (!readers) {
        retired.remove_or_add(std::move(file));
        return;
    }
    file.birth = readers->first;
    file.tag = readers->last;
    retired.reserve(1);
    retired.add(std::move(file));
}

// A producer that died between its last two stores left the number behind the root; one that died
// just after them has not woken anybody.
void Recovery::repair_generation() {
    std::uint64_t& generation = control_.cells().generation;
    if (ipc::load_relaxed(generation) != current_.root().generation) {
        ipc::store_release(generation, current_.root().generation);
        STRATA_CRASH_POINT("recover.generation-repaired");
    }
    control_.wake_waiters();
    STRATA_CRASH_POINT("recover.woken");
}

}  // namespace strata::producer_impl

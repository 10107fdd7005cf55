// SPDX-License-Identifier: Apache-2.0
#include "consumer/views/retained_roots.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"

namespace strata::consumer_impl {

namespace {

// Generations before the newest that have a slot of their own.
constexpr Generation window = ipc::history_slots - 2;

struct FoundRoot {
    std::uint64_t offset = 0;
    ipc::RootRecord record{};
};

/// Walks from the newest root back through the slots, and beyond them from record to record. All
/// that the newest one retains is as safe as itself, however the epoch moves while it walks.
class RootWalk {
public:
    RootWalk(const ipc::ControlFile& control, std::uint64_t pinned_epoch,
             std::string_view operation)
        : control_(control), operation_(operation) {
        // Acquire; partner: the release store in Commit::publish.
        newest_ = at(ipc::load_acquire(control_.cells().root));
        STRATA_CRASH_POINT("walk.root-loaded");
        // As for any root, docs/reclamation.md, step 5. A walk of thousands of records that was
        // confirmed at its end would have to start over whenever the epoch moves: endlessly, beside
        // a producer that is quick.
        confirmed_ = ipc::load_acquire(control_.cells().epoch) == pinned_epoch;
    }

    /// False: the pin may be too old for the newest root, and the caller must pin again.
    bool confirmed() const noexcept { return confirmed_; }

    const FoundRoot& newest() const noexcept { return newest_; }

    /// What the slot of a generation leads to; none if that is another generation, or nothing.
    std::optional<FoundRoot> by_slot(Generation generation) const {
        // Acquire; partner: the release store in History::publish_slot.
        const std::uint64_t offset = ipc::load_acquire(control_.history_slot(generation));
        if (offset != 0) {
            if (const FoundRoot found = at(offset); found.record.generation == generation) {
                return found;
            }
        }
        return std::nullopt;
    }

    /// The oldest root that has a slot, the newest one excluded. Records of a producer that is gone
    /// still name their predecessors; its slots are cleared, so none of them is where a walk
    /// begins.
    std::optional<FoundRoot> oldest_by_slot() const {
        const Generation last = newest_.record.generation;
        for (Generation back = std::min(window, last - 1); back > 0; --back) {
            if (const auto found = by_slot(last - back)) {
                return found;
            }
        }
        return std::nullopt;
    }

    /// The root before; none if it cannot be asked for any more. Numbers descend, so even forged
    /// records end.
    std::optional<FoundRoot> before(const FoundRoot& root) const {
        const ipc::RootRecord& record = root.record;
        if (record.previous == 0 || record.previous_generation < newest_.record.oldest_retained) {
            return std::nullopt;
        }
        const FoundRoot found = at(record.previous);
        if (found.record.generation != record.previous_generation ||
            found.record.generation >= record.generation) {
            ipc::fail(Errc::corrupt, operation_, control_.path(),
                      "the root record of generation " + std::to_string(record.generation) +
                          " leads to one of generation " + std::to_string(found.record.generation) +
                          " as its predecessor " + std::to_string(record.previous_generation));
        }
        return found;
    }

private:
    FoundRoot at(std::uint64_t offset) const {
        return {offset, control_.root_at(offset, operation_)};
    }

    const ipc::ControlFile& control_;
    const std::string_view operation_;
    FoundRoot newest_;
    bool confirmed_ = false;
};

[[noreturn]] void fail_not_kept(const ipc::ControlFile& control, std::string_view operation,
                                const std::string& what) {
    ipc::fail(Errc::generation_not_retained, operation, control.path(), what,
              "let the producer retain more (ProducerOptions::retain, retain_for)");
}

std::optional<FoundRoot> beyond_slots(const RootWalk& walk, Generation generation) {
    const ipc::RootRecord& newest = walk.newest().record;
    // Nearer ones are in their slots, or nowhere: a slot is taken by none but the 256th after.
    if (generation < newest.oldest_retained || generation >= newest.generation ||
        newest.generation - generation <= window) {
        return std::nullopt;
    }
    std::optional<FoundRoot> root = walk.oldest_by_slot();
    while (root && root->record.generation > generation) {
        root = walk.before(*root);
    }
    return root && root->record.generation == generation ? root : std::nullopt;
}

}  // namespace

Generation oldest_retained(const ipc::ControlFile& control,
                           const ipc::RootRecord& newest) noexcept {
    // What a record says holds as long as the slots stand that its producer has filled. A successor
    // clears them long before its first generation. Acquire; partner: the release store in
    // History::begin.
    const std::uint64_t slot = ipc::load_acquire(control.history_slot(newest.previous_generation));
    return slot == 0 ? newest.generation : newest.oldest_retained;
}

RetainedRoot retained_root(const ipc::ControlFile& control, Generation generation,
                           std::uint64_t pinned_epoch, std::string_view operation) {
    std::uint64_t slot = 0;
    if (generation != 0) {
        // Acquire; partner: the release store in History::publish_slot.
        slot = ipc::load_acquire(control.history_slot(generation));
        if (slot != 0 && control.root_at(slot, operation).generation == generation) {
            return {slot, false};
        }
        const RootWalk walk(control, pinned_epoch, operation);
        if (!walk.confirmed()) {
            return {walk.newest().offset, false};
        }
        if (const auto found = beyond_slots(walk, generation)) {
            return {found->offset, true};
        }
    }
    if (slot == 0) {
        fail_not_kept(control, operation,
                      "generation " + std::to_string(generation) + " is not kept");
    }
    return {slot, false};
}

RetainedRoot root_current_at(const ipc::ControlFile& control, std::int64_t time_ns,
                             std::uint64_t pinned_epoch, std::string_view operation) {
    const RootWalk walk(control, pinned_epoch, operation);
    const FoundRoot& newest = walk.newest();
    if (newest.record.published_at_ns <= time_ns || !walk.confirmed()) {
        return {newest.offset, walk.confirmed()};
    }
    std::optional<FoundRoot> root;
    const Generation last = newest.record.generation;
    for (Generation back = 1; back <= std::min(window, last - 1); ++back) {
        if (const auto found = walk.by_slot(last - back)) {
            root = found;
            if (root->record.published_at_ns <= time_ns) {
                return {root->offset, true};
            }
        }
    }
    while (root) {
        root = walk.before(*root);
        if (root && root->record.published_at_ns <= time_ns) {
            return {root->offset, true};
        }
    }
    // Unsigned: the distance of any two times.
    const std::uint64_t earlier_ns = static_cast<std::uint64_t>(newest.record.published_at_ns) -
                                     static_cast<std::uint64_t>(time_ns);
    fail_not_kept(
        control, operation,
        "what was current at that time is not kept: " + std::to_string(earlier_ns / 1'000'000) +
            " ms before generation " + std::to_string(last) + " was published");
}

BookmarkedRoot bookmarked_root(const Attachment& attachment, std::string_view name,
                               std::uint64_t pinned_epoch) {
    for (const ipc::BookmarkRecord& record : attachment.read_bookmarks()) {
        if (record.removed != 0 || ipc::name_of(record) != name) {
            continue;
        }
        STRATA_CRASH_POINT("view.bookmark-found");
        const bool confirmed = record.epoch <= pinned_epoch;
        // Acquire; partner: the release store in Reclaimer::end_epoch. The clock may have advanced
        // since the pin; one that stood still contradicts the file.
        if (!confirmed && ipc::load_acquire(attachment.control.cells().epoch) == pinned_epoch) {
            ipc::fail(Errc::corrupt, attachment.operation,
                      attachment.store.file(ipc::bookmarks_file_name),
                      "bookmark " + ipc::quoted(name) + " is of epoch " +
                          std::to_string(record.epoch) + ", it is " + std::to_string(pinned_epoch));
        }
        return {{record.root, confirmed}, record.generation};
    }
    ipc::fail(Errc::bookmark_not_found, attachment.operation, attachment.store.path,
              "there is no bookmark " + ipc::quoted(name),
              "Consumer::bookmarks and `strata bookmark` list them");
}

}  // namespace strata::consumer_impl

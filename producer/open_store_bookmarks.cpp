// SPDX-License-Identifier: Apache-2.0
// What an open store does with its bookmarks, under the commit lock.
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/files/bookmarks_file.hpp"
#include "ipc/os.hpp"
#include "producer/open_store.hpp"

namespace strata::producer_impl {

// Retained generations lead back from record to record, and so do not need their slots.
Bookmarks::Root OpenStore::root_to_keep(Generation generation, const std::string& operation) {
    const Generation newest = current_.root().generation;
    if (generation == 0 || generation == newest) {
        return {newest, current_.root_offset(), reclaimer_.epoch()};
    }
    // With the epoch of the bookmark that it has: what it reaches may have been retired since.
    if (const auto kept = bookmarks_.root_of(generation)) {
        return *kept;
    }
    const Generation oldest = reclaimer_.oldest_retained();
    ipc::RootRecord root = current_.root();
    std::uint64_t offset = current_.root_offset();
    while (root.generation > generation && root.previous_generation >= oldest) {
        offset = root.previous;
        root = control_.file().root_at(offset, operation);
    }
    if (root.generation != generation || generation < oldest) {
        ipc::fail(Errc::generation_not_retained, operation, directory_.path,
                  "generation " + std::to_string(generation) + " is not kept, the newest is " +
                      std::to_string(newest) + ", the oldest " + std::to_string(oldest),
                  "retain more (ProducerOptions::retain, retain_for), or set the bookmark when the "
                  "generation is the newest");
    }
    return {generation, offset, reclaimer_.epoch()};
}

// An epoch that begins and ends with the bookmark holds what that reaches, and no more.
Generation OpenStore::set_bookmark_locked(std::string_view name, Generation generation,
                                          const std::string& operation) {
    reclaimer_.part_epochs();
    const Bookmarks::Root root = root_to_keep(generation, operation);
    bookmarks_.set(name, root, reclaimer_.epoch(), operation);
    STRATA_CRASH_POINT("bookmark.set");
    reclaimer_.part_epochs();
    return root.generation;
}

Generation OpenStore::set_bookmark(std::string_view name, Generation generation) {
    const std::string operation = this->operation("set a bookmark of");
    check_process(operation);
    ipc::check_bookmark_name(name, operation, directory_.path);
    const Notices notices(*this);
    const CommitLock lock(commit_mutex_);
    return ipc::audited(options_.audit, entry("set bookmark"),
                        [&](AuditEntry& told) STRATA_REQUIRES(commit_role) {
                            told.generation = set_bookmark_locked(name, generation, operation);
                            return told.generation;
                        });
}

void OpenStore::remove_bookmark(std::string_view name) {
    const std::string operation = this->operation("remove a bookmark of");
    check_process(operation);
    const Notices notices(*this);
    const CommitLock lock(commit_mutex_);
    ipc::audited(options_.audit, entry("remove bookmark"),
                 [&](AuditEntry& told) STRATA_REQUIRES(commit_role) {
                     told.generation = bookmarks_.remove(name, reclaimer_.epoch(), operation);
                     return told.generation;
                 });
    STRATA_CRASH_POINT("bookmark.removed");
    try {
        memory_.reclaim();
        statistics_.write_all(ipc::os::realtime_ns());
    } catch (const std::bad_alloc&) {  // it is removed; its memory comes free with a later query
    }
}

std::vector<Bookmark> OpenStore::bookmarks() const {
    const CommitLock lock(commit_mutex_);
    return bookmarks_.standing();
}

}  // namespace strata::producer_impl

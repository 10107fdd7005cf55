// SPDX-License-Identifier: Apache-2.0
// The named generations of a store: what its file says of them, and the epochs that reclaiming
// respects for them as it does readers' pins. One whose name was taken away stays pinned until
// nobody can be reading it (docs/reclamation.md, C25).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/files/bookmarks_file.hpp"
#include "ipc/lock_table.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "strata/bookmark.hpp"
#include "strata/error.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

class Bookmarks {
public:
    /// What a name can be given to.
    struct Root {
        Generation generation = 0;
        std::uint64_t offset = 0;  // of its record
        std::uint64_t epoch = 0;   // whose pin protects all that it reaches
    };

    /// Both outlive this object.
    Bookmarks(const ipc::StoreDirectory& directory, const ControlRegion& control) noexcept
        : directory_(directory), control_(control) {}

    // Taking over a store.
    /// What former producers have left; each root record is what its bookmark says. `epoch`: of the
    /// clock. Throws corrupt, not_trusted, permission_denied, system.
    void load(std::uint64_t epoch, const std::string& operation) STRATA_REQUIRES(commit_role);
    /// The machine stopped, and nobody knows what of them was flushed. Throws permission_denied,
    /// system.
    void give_up(const std::string& operation) STRATA_REQUIRES(commit_role);

    /// Including those whose name has been removed.
    const std::vector<ipc::BookmarkRecord>& records() const noexcept STRATA_REQUIRES(commit_role) {
        return records_;
    }
    std::vector<Bookmark> standing() const STRATA_REQUIRES(commit_role) {
        return ipc::standing_bookmarks(records_);
    }
    /// Of a generation that has a bookmark.
    std::optional<Root> root_of(Generation generation) const noexcept STRATA_REQUIRES(commit_role);

    /// Gives a name that check_bookmark_name has passed; one that is taken is taken away in the
    /// same step. `epoch`: of the clock. Throws limit_exceeded, no_space, permission_denied,
    /// system, std::bad_alloc; nothing has changed then.
    void set(std::string_view name, const Root& root, std::uint64_t epoch,
             const std::string& operation) STRATA_REQUIRES(commit_role);
    /// Takes a name away; returns what it named. Throws bookmark_not_found, and as above
    /// except limit_exceeded.
    Generation remove(std::string_view name, std::uint64_t epoch, const std::string& operation)
        STRATA_REQUIRES(commit_role);

    // Reclaiming.
    /// After a query of the pins of all epochs before the clock's: forgets what has neither a name
    /// nor a reader. The file is written first: it never names what may be reused. If that fails,
    /// everything stays until the next query.
    void release_unread(std::span<const ipc::EpochRange> pinned) noexcept
        STRATA_REQUIRES(commit_role);
    bool any_removed() const noexcept STRATA_REQUIRES(commit_role);
    /// Adds the pinned epochs to `all` (ascending, disjoint).
    void merge(std::vector<ipc::EpochRange>& all) const STRATA_REQUIRES(commit_role);
    /// Adds them to an error that says there is too little memory.
    void name_in(Error::Parts& parts) const STRATA_REQUIRES(commit_role);

private:
    using Records = std::vector<ipc::BookmarkRecord>;

    static ipc::BookmarkRecord* find(Records& records, std::string_view name) noexcept;
    /// Writes the file; only then are they what there is.
    void replace(Records&& next, const std::string& operation) STRATA_REQUIRES(commit_role);

    const ipc::StoreDirectory& directory_;
    const ControlRegion& control_;
    Records records_ STRATA_GUARDED_BY(commit_role);
};

}  // namespace strata::producer_impl

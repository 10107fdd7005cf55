// SPDX-License-Identifier: Apache-2.0
// The file `bookmarks` of a store: read by anybody, replaced as a whole by its producer, so that
// any reader finds one state of it or the next. Without the file there are no bookmarks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/files/store_files.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/os.hpp"
#include "strata/bookmark.hpp"

namespace strata::ipc {

inline std::string_view name_of(const BookmarkRecord& record) noexcept {
    return {record.name, record.name_bytes};
}

/// Throws invalid_name.
void check_bookmark_name(std::string_view name, std::string_view operation, std::string_view path);

/// The bookmarks that exist, by name, for users.
std::vector<Bookmark> standing_bookmarks(const std::vector<BookmarkRecord>& records);

/// All records of the file, validated except for what only the control file can tell (where the
/// roots lie). None if there is no file, or if it was written before the machine stopped. Throws
/// corrupt, not_a_store, not_trusted, permission_denied, system.
std::vector<BookmarkRecord> read_bookmarks(const StoreDirectory& store,
                                           const ControlIdentity& identity, const Trust& trust,
                                           std::string_view operation);

/// Writes the records, checksums included, for those who may open `like`; without any the file
/// is removed. At most `most_bookmarks`. Throws no_space, permission_denied, system: the file is as
/// it was.
void write_bookmarks(const StoreDirectory& store, const ControlIdentity& identity,
                     const os::FileStatus& like, const std::vector<BookmarkRecord>& records,
                     std::string_view operation);

/// Removes the file, and what a writer that died has left. Throws permission_denied, system.
void remove_bookmarks(const StoreDirectory& store, std::string_view operation);

}  // namespace strata::ipc

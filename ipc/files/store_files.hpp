// SPDX-License-Identifier: Apache-2.0
// Names, modes and trust of a store's files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "ipc/os.hpp"
#include "strata/types.hpp"

namespace strata::ipc {

inline constexpr const char* control_file_name = "control.mmap";
inline constexpr const char* lock_file_name = "producer.lock";
inline constexpr const char* new_lock_file_name = "producer.lock.new";  ///< until it is locked
inline constexpr const char* slots_file_name = "durable.slots";
inline constexpr const char* bookmarks_file_name = "bookmarks";
inline constexpr const char* new_bookmarks_file_name = "bookmarks.new";  ///< until it is whole
inline constexpr std::uint32_t directory_mode = 0755;
/// Where stores are by default. As /tmp: anybody may add a store.
inline constexpr std::uint32_t base_directory_mode = 01777;
inline constexpr std::uint32_t file_mode = 0644;
inline constexpr std::uint32_t most_file_mode = 0644;  // what FileAccess may give
inline constexpr std::uint32_t lock_file_mode = 0600;

std::string region_file_name(std::uint64_t serial);
/// True if `name` is a region file's name; gives its serial.
bool parse_region_file_name(std::string_view name, std::uint64_t& serial);
/// Prefix of the hidden directories in which stores called `name` are built before they appear.
std::string staging_prefix(std::string_view name);

/// Who may own the files that are opened.
struct Trust {
    bool any_owner = false;
    std::uint32_t owner = 0;  // accepted beside root
};

/// Checks an opened file or directory: its kind, its owner, that others cannot write to it, and
/// that a file has one name only.
/// Throws Error{not_trusted, not_a_store}.
void check_trust(const os::FileStatus& status, bool directory, const Trust& trust,
                 std::string_view operation, std::string_view path);

/// The status of an opened file, found trustworthy. Throws also system.
os::FileStatus trusted_status(const FileDescriptor& file, const Trust& trust,
                              std::string_view operation, std::string_view path);

/// `operation "name"`, for errors.
std::string operation_on(std::string_view operation, std::string_view name);

/// An open directory of a store.
struct StoreDirectory {
    FileDescriptor base;
    FileDescriptor directory;
    std::string name;
    std::string path;
    os::FileStatus status{};  // of the directory, as open_store_directory found it

    std::string file(std::string_view file_name) const;
};

/// A file that a store may have or not have; `file` is empty if it has none.
struct OptionalFile {
    FileDescriptor file;
    os::FileStatus status{};
};
/// `what` is in the error if it is there and cannot be opened. Throws permission_denied,
/// not_trusted, not_a_store, system.
OptionalFile open_optional(const StoreDirectory& store, const char* name, bool writable,
                           const Trust& trust, std::string_view operation, std::string_view what);

/// Opens base/name. Throws store_not_found, permission_denied, not_trusted, not_a_store.
StoreDirectory open_store_directory(const std::filesystem::path& base, std::string_view name,
                                    const Trust& trust, std::string_view operation);

// With an error both are false, which then means nothing.
/// Whether base/name is still the directory with this status: it may have been removed or replaced.
os::Result<bool> is_named(const std::filesystem::path& base, std::string_view name,
                          const os::FileStatus& directory);
/// True if the files were removed, or the name leads to another directory. Three system calls.
os::Result<bool> is_replaced(const StoreDirectory& store, const FileDescriptor& control);

}  // namespace strata::ipc

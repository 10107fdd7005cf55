// SPDX-License-Identifier: Apache-2.0
// A directory that is built under a hidden name and then moved into place atomically. While its
// builder lives, the kernel holds a lock on it, so that the leftovers of a crash can be told from
// what is still under construction.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/os.hpp"

namespace strata::volume_impl {

inline constexpr std::uint32_t directory_mode = 0755;
inline constexpr std::uint32_t file_mode = 0644;

/// Errors name `operation`; all members throw Error.
class StagedDirectory {
public:
    /// A new, empty directory next to `parent`/`name`.
    StagedDirectory(const std::filesystem::path& parent, std::string name,
                    std::string_view operation, std::uint32_t mode = directory_mode);
    StagedDirectory(StagedDirectory&& other) noexcept;
    StagedDirectory& operator=(StagedDirectory&& other) noexcept;
    StagedDirectory(const StagedDirectory&) = delete;
    StagedDirectory& operator=(const StagedDirectory&) = delete;
    /// Removes it with its content unless it was published, or this is a forked child.
    ~StagedDirectory();

    /// The directory itself.
    const ipc::FileDescriptor& descriptor() const noexcept { return directory_; }
    const std::filesystem::path& path() const noexcept { return path_; }  ///< hidden
    std::filesystem::path target() const { return parent_path_ / name_; }

    ipc::FileDescriptor create_file(const std::string& name) const;
    void create_directory(const std::string& name) const;
    /// A file with that text, on the disk.
    void write_file(const std::string& name, std::string_view text) const;

    /// Makes its content durable and gives it its name, which sync_parent() makes durable. Anything
    /// that had the name gets the hidden one, where it stays: it may be worth more than this.
    /// Returns whether there was any.
    bool publish();
    /// Both, but throws file_exists if something has the name.
    void publish_new();
    void sync_parent() const;
    /// What publish() has replaced is gone, or may be taken for a leftover from here on.
    void release_replaced() const noexcept;
    const ipc::FileDescriptor& parent() const noexcept { return parent_; }
    const std::string& hidden_name() const noexcept { return hidden_; }

private:
    std::filesystem::path parent_path_;
    std::string name_;
    std::string operation_;
    std::string hidden_;
    std::filesystem::path path_;
    ipc::FileDescriptor parent_;
    ipc::FileDescriptor directory_;
    std::int64_t maker_;  // a process; what a forked child inherits is its parent's
    bool replaced_ = false;

    void sync() const;
    void discard() noexcept;
};

/// An unused hidden name for what will become, or was, `name`: abandoned_stages() recognizes it.
std::string hidden_name_for(const std::string& name);

/// Removes a directory and all below it, following no links. An errno; what could be removed is.
int remove_tree(const ipc::FileDescriptor& parent, const std::string& name) noexcept;

enum class Leftovers : unsigned char {
    all,
    own,  ///< this user's; root's also those of who owns the directory that they lie in
};
/// Leftovers of crashes in `directory`: names of staged directories that nobody works on. A child
/// that their maker has forked counts as the maker. Throws file_not_found, permission_denied,
/// system.
std::vector<std::string> abandoned_stages(const std::filesystem::path& directory,
                                          Leftovers which = Leftovers::all);
/// Removes those of its own that `wanted(name)` says. Throws as above, and system for one that
/// cannot be removed.
void remove_abandoned_stages(const std::filesystem::path& directory, std::string_view operation,
                             const std::function<bool(const std::string&)>& wanted);

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
// What the copies of a directory object share, and its files with them: the descriptor, the options
// and the register of open files.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "directory/open_file.hpp"
#include "directory/prefetcher.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/os/fault.hpp"
#include "strata/mapped_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// Lives as long as a directory object or an open file of it.
class DirectoryState final : public ipc::ForkHook,
                             public std::enable_shared_from_this<DirectoryState> {
public:
    /// `mapped`: none for a buffered directory. Throws file_not_found, permission_denied, system.
    DirectoryState(std::filesystem::path path, std::optional<MappedDirectoryOptions> mapped,
                   std::size_t buffer_bytes);
    DirectoryState(const DirectoryState&) = delete;
    DirectoryState& operator=(const DirectoryState&) = delete;
    ~DirectoryState();

    MappedInput open(std::string_view name, const OpenOptions& options);
    /// The last reference may go: counts it off, and forgets or keeps the file if it was.
    void release_last(OpenFile* file) noexcept;
    std::size_t trim() noexcept;
    MappedDirectoryStatistics statistics() const;

    const std::filesystem::path& path() const noexcept { return path_; }
    std::string path_of(std::string_view name) const;
    const ipc::FileDescriptor& descriptor() const noexcept { return directory_; }
    std::size_t buffer_bytes() const noexcept { return buffer_bytes_; }
    ipc::os::Result<ipc::os::FileIdentity> identity_of(const std::string& name) const;
    /// Opens a regular file for reading. Throws.
    ipc::FileDescriptor open_to_read(std::string_view operation, const std::string& name,
                                     ipc::os::FileIdentity& identity) const;

    Prefetcher& prefetcher() noexcept { return prefetcher_; }
    void count_prefetch(bool dropped) noexcept {
        prefetches_.fetch_add(1, std::memory_order_relaxed);
        prefetches_dropped_.fetch_add(dropped ? 1 : 0, std::memory_order_relaxed);
    }

    // For OpenFile, in the arena.
    std::optional<FileArena::Place> take(std::size_t size) noexcept;
    void give_back(FileArena::Block* block) noexcept;

    void prepare_fork() noexcept override;
    void parent_after_fork() noexcept override;
    void child_after_fork() noexcept override;

private:
    using FilePointer = std::unique_ptr<OpenFile>;

    OpenFile* find(const FileKey& key);
    FilePointer make(const FileKey& key, std::uint32_t owner, ipc::FileDescriptor descriptor,
                     std::optional<MappingFallback>& fallback);
    void tell(const MappingFallback& fallback) const;
    // Tried again without idle files, which take memory and mappings.
    template <class Attempt>
    bool succeeds(Attempt attempt);
    std::optional<Error> group(OpenFile& file, const ipc::FileDescriptor& source);
    std::optional<Error> map(OpenFile& file, const ipc::FileDescriptor& source);
    void count_off(const OpenFile& file) noexcept;

    const std::filesystem::path path_;
    const ipc::FileDescriptor directory_;
    const std::optional<MappedDirectoryOptions> mapped_;
    const std::size_t buffer_bytes_;
    std::optional<ipc::FaultHandler> fault_handler_;
    const std::uint64_t most_mappings_;
    Prefetcher prefetcher_;
    std::atomic<std::uint64_t> prefetches_{0};  // counts alone: relaxed
    std::atomic<std::uint64_t> prefetches_dropped_{0};

    // Held until what is trimmed is unmapped: who needs the room waits. Before mutex_.
    std::mutex trim_mutex_;
    mutable std::mutex mutex_;
    // Guarded by mutex_:
    std::map<FileKey, OpenFile*> files_;  // open and idle ones
    std::list<OpenFile*> idle_;           // without inputs, the longest idle first
    FileArena arena_;
    MappedDirectoryStatistics statistics_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

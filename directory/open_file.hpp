// SPDX-License-Identifier: Apache-2.0
// One file that is open: what all inputs of it share. Counted by FileCore; the directory's state
// makes it, finds it again and takes it back when the last input goes.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "directory/chunk_map.hpp"
#include "directory/file_arena.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/mapped_input.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

class DirectoryState;

/// Equal: the same bytes, to be read in the same way. The name as well, for messages, and because
/// the file is looked at again by it.
struct FileKey {
    std::string name{};
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    ReadAdvice advice = ReadAdvice::normal;

    friend auto operator<=>(const FileKey&, const FileKey&) = default;
};
FileKey key_of(std::string name, const ipc::os::FileIdentity& identity, ReadAdvice advice);

/// A read that failed: an errno, or 0 if the file ends before.
struct ReadFailure {
    int error = 0;
};

class OpenFile : public FileCore {
public:
    OpenFile(std::shared_ptr<DirectoryState> directory, FileKey key, std::uint32_t owner);
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile();

    // One of these makes it readable, whatever its size.
    std::optional<MapFailure> map(const ipc::FileDescriptor& file, unsigned chunk_power,
                                  std::uint64_t most_mappings, bool survive_lost_bytes);
    std::optional<ReadFailure> load(const ipc::FileDescriptor& file);  // after take_place
    void keep_descriptor(ipc::FileDescriptor descriptor) noexcept;
    /// Memory for a copy of it; false if there is none.
    bool take_place() noexcept;

    DirectoryState& directory() const noexcept { return *directory_; }
    /// While inputs are there, the file keeps its directory's state alive; an idle one does not.
    std::shared_ptr<DirectoryState> exchange_owner(std::shared_ptr<DirectoryState> owner) noexcept {
        return std::exchange(owner_, std::move(owner));
    }
    const std::string& name() const noexcept { return key_.name; }
    std::string path() const;
    const FileKey& key() const noexcept { return key_; }
    std::uint64_t size() const noexcept { return key_.size; }
    std::uint32_t owner() const noexcept { return user_; }
    Backing backing() const noexcept { return backing_; }
    const ChunkMap& chunks() const noexcept { return chunks_; }
    const ipc::FileDescriptor& descriptor() const noexcept {
        return descriptor_;
    }  // of a buffered one
    /// Whether its key says which bytes it has. Not of a copy that was made while the times of the
    /// file, which tick in steps, were those of a change that may have gone on.
    bool shareable() const noexcept { return shareable_; }
    ReadAdvice advice() const noexcept { return advice_.load(std::memory_order_relaxed); }
    /// Of the whole mapping. A hint: it may fail.
    void advise(ReadAdvice advice) noexcept;

    /// A list of this file alone, to be spliced into and out of the list of idle ones.
    std::list<OpenFile*>& own_list() noexcept { return own_list_; }
    std::list<OpenFile*>::iterator list_place() const noexcept { return list_place_; }

    /// Not for a buffered file. `position` below the size.
    ChunkMap::Run run_at(std::uint64_t position) const noexcept;
    /// `f(run)` for each run of [offset, offset + size), until one returns false.
    template <class Use>
    void for_each_run(std::uint64_t offset, std::uint64_t size, Use use) const {
        while (size > 0) {
            ChunkMap::Run run = run_at(offset);
            run.bytes = run.bytes < size ? run.bytes : size;
            if (!use(run)) {
                return;
            }
            offset += run.bytes;
            size -= run.bytes;
        }
    }
    /// All of `out`, inside the file. The caller looks at `lost` afterwards.
    std::optional<ReadFailure> read_at(std::uint64_t position, std::span<std::byte> out) const;

    /// What is the matter with a file whose bytes were lost, or whose read failed. What is lost is
    /// from now on known to all of its inputs.
    [[noreturn, gnu::cold]] void fail(std::string_view operation, const std::string& label,
                                      ReadFailure failure);
    /// Its size now; nothing if its name leads to another file by now, or to none.
    ipc::os::Result<std::optional<std::uint64_t>> size_now() const;

    static MappedInput input_of(OpenFile* file) { return MappedInput(file); }

private:
    std::shared_ptr<DirectoryState> owner_;
    DirectoryState* const directory_;
    const FileKey key_;
    const std::uint32_t user_;
    std::atomic<ReadAdvice> advice_;  // a hint alone: relaxed
    bool shareable_ = true;
    std::list<OpenFile*> own_list_{this};
    const std::list<OpenFile*>::iterator list_place_ = own_list_.begin();
    Backing backing_ = Backing::none;
    ChunkMap chunks_;
    FileArena::Place place_;
    ipc::FileDescriptor descriptor_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

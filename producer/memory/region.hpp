// SPDX-License-Identifier: Apache-2.0
// One writable file of the store (a region, or the control file): its mapping, its
// committed memory and its allocator.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/files/store_files.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/mapping/mapping.hpp"
#include "ipc/os.hpp"
#include "producer/memory/block_allocator.hpp"
#include "producer/memory/memory_budget.hpp"
#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// Who may read a file of that status.
inline FileAccess access_of(const ipc::os::FileStatus& status) noexcept {
    return {.mode = (status.mode & ipc::most_file_mode) | 0600U, .group = status.group};
}

/// A producer that died while a file of `bytes` grew may have left half a page: makes it whole.
/// Throws no_space, system.
void complete_last_page(const ipc::FileDescriptor& file, std::uint64_t bytes,
                        std::string_view operation, std::string_view path);

class Region {
public:
    /// Memory that a new file starts with.
    static constexpr std::uint64_t initial_bytes = 64 << 10;

    /// Takes over an open file of `file_bytes`, all of whose memory is counted in `budget` already.
    /// `rebuilding`: nothing is free until finish_rebuild. Blocks start at `begin`.
    Region(ipc::FileDescriptor file, std::string path, std::uint64_t file_bytes,
           std::uint64_t max_bytes, MemoryBudget& budget, bool rebuilding,
           std::string_view operation, std::uint64_t begin = ipc::header_bytes);
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    /// A region that was never published removes its file. Memory goes back to the budget. In a
    /// forked child nothing happens.
    ~Region();

    /// Why there is no room.
    enum class Refusal : unsigned char { none, limit, region_full, no_space, system };
    struct Allocation {
        std::uint64_t offset = 0;
        Refusal refusal = Refusal::none;
        int error = 0;
        std::uint64_t needed = 0;
    };
    /// Room for a block, from free memory or by growing the file. `birth`: the current epoch, for
    /// reclamation.
    Allocation allocate(std::uint64_t bytes, std::uint64_t alignment, std::uint64_t birth,
                        Reserve reserve) {
        const std::lock_guard hold(*this);
        return allocate_held(bytes, alignment, birth, reserve);
    }
    /// For several operations at once: lock() first.
    Allocation allocate_held(std::uint64_t bytes, std::uint64_t alignment, std::uint64_t birth,
                             Reserve reserve) {
        if (is_small_alignment(alignment) && may_allocate(reserve)) {
            if (const std::uint64_t offset = allocator_.allocate_in_partial(bytes, birth)) {
                return {.offset = offset};
            }
        }
        return allocate_or_grow(bytes, alignment, birth, reserve);
    }
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }
    void free(std::uint64_t offset);
    /// Returns the bytes that came free. lock() first.
    std::uint64_t free_held(std::uint64_t offset) noexcept { return allocator_.free(offset); }
    /// Soon to be freed. lock() first.
    void prefetch_facts_held(std::uint64_t offset) const noexcept {
        allocator_.prefetch_facts(offset);
    }
    std::uint64_t block_bytes(std::uint64_t offset) const {
        const std::lock_guard lock(mutex_);
        return allocator_.block_bytes(offset);
    }
    std::uint64_t block_bytes_held(std::uint64_t offset) const noexcept {  // lock() first
        return allocator_.known_block_bytes(offset);
    }
    /// The epoch in which a block was allocated, or an earlier one.
    std::uint64_t birth_of(std::uint64_t offset) const {
        const std::lock_guard lock(mutex_);
        return allocator_.birth(offset);
    }
    /// Removes the file of a region that nobody uses any more. False: the system refuses.
    bool remove_file() noexcept;
    /// Gives up the descriptor, and with it the locks that hang on it.
    void close_file() noexcept { file_.reset(); }

    // Restart.
    bool adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment,
               std::uint64_t birth) {
        return allocator_.adopt(offset, bytes, alignment, birth);  // nobody else is there yet
    }
    bool is_adopted(std::uint64_t offset, std::uint64_t bytes,
                    std::uint64_t alignment) const noexcept {
        return allocator_.is_adopted(offset, bytes, alignment);
    }
    /// Everything that was not adopted, as allocated blocks: to be freed when it is safe. Pages of
    /// it without contents lose their memory.
    std::vector<std::uint64_t> finish_rebuild(std::string_view operation);

    /// Keeps pages back for commits that only erase, which need some before they can give any back,
    /// and may find the file system full. As far as they are to be had: else nothing but erasing
    /// finds room until they are. Throws std::bad_alloc.
    void keep_back();
    /// Gives free runs of at least `min_bytes` back to the system, but what is kept back. Returns
    /// bytes.
    std::uint64_t trim(std::uint64_t min_bytes);
    /// Gives all memory behind the header back; the region is not used any more.
    void trim_all();

    // Safe: `offset` comes from our own allocator or was checked against end() at restart.
    std::byte* at(std::uint64_t offset) const noexcept { return mapping_.base() + offset; }
    template <class T>
    T* at(std::uint64_t offset) const noexcept {
        return reinterpret_cast<T*>(mapping_.base() + offset);
    }

    std::uint64_t end() const;  // committed size of the file
    std::uint64_t end_held() const noexcept { return allocator_.end(); }  // lock() first
    std::uint64_t max_bytes() const noexcept { return max_bytes_; }
    MemoryStatistics statistics() const;
    std::uint64_t used_blocks() const noexcept;
    std::uint64_t committed_bytes() const {
        const std::lock_guard lock(mutex_);
        return committed_bytes_;
    }
    /// Hardly anything more fits, whatever is freed.
    bool is_full() const { return max_bytes_ - end() < initial_bytes; }
    const ipc::FileDescriptor& file() const noexcept { return file_; }
    const std::string& path() const noexcept { return path_; }

    // Identity, set once by its creator.
    std::optional<Dimension> owner;  // the only dimension that lies in it; none: it is shared
    FileAccess access;
    std::uint64_t serial = 0;
    std::uint64_t birth_epoch = 0;  // of the file
    Generation changed_in = 0;      // the last that put something into it; commit lock
    std::uint64_t found_bytes = 0;  // its size when it was taken over
    const ipc::FileDescriptor* directory = nullptr;  // of the store, which outlives the region
    std::string file_name;                           // empty: the control file
    bool keep_file = false;  // set when published, or when the file is somebody else's to remove

private:
    // Blocks of slabs that were cut from what was kept back are for erasing, too.
    bool may_allocate(Reserve reserve) const noexcept {
        return keeps_enough_ || reserve == Reserve::use;
    }
    std::uint64_t bytes_to_keep() const noexcept;
    bool keep_back_free(Reserve reserve);
    bool keep_back_or_grow(Reserve reserve, Allocation& result);
    Allocation allocate_or_grow(std::uint64_t bytes, std::uint64_t alignment, std::uint64_t birth,
                                Reserve reserve);
    Allocation try_allocate(std::uint64_t bytes, std::uint64_t alignment, std::uint64_t birth,
                            Reserve reserve);
    bool grow(std::uint64_t needed, Reserve reserve, Allocation& result);
    bool commit_holes(const std::vector<Extent>& holes, Reserve reserve, Allocation& result);
    void give_up_holes(std::string_view operation);

    const ipc::ProcessMark owner_;
    ipc::FileDescriptor file_;
    std::string path_;
    std::uint64_t max_bytes_;
    MemoryBudget& budget_;
    ipc::Mapping mapping_;
    mutable std::mutex mutex_;
    bool keeps_enough_ = false;  // of what is kept back
    BlockAllocator allocator_;
    std::uint64_t committed_bytes_ = 0;  // counted in the budget
    bool emptied_ = false;               // by trim_all
};

}  // namespace strata::producer_impl

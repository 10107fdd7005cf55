// SPDX-License-Identifier: Apache-2.0
// One writable file of the store (a dimension's region, or the control file): its mapping, its
// committed memory and its allocator.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/layout.hpp"
#include "ipc/mapping.hpp"
#include "ipc/os.hpp"
#include "producer/block_allocator.hpp"
#include "producer/memory_budget.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// The published state of a dimension. Guarded by the commit mutex.
struct Published {
    std::uint64_t index = 0;  // entry word
    std::uint32_t levels = 0;
    std::uint64_t layers = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t record_offset =
        0;  // of the DimensionRecord in the control file; 0: never published
    std::uint64_t birth_epoch = 0;  // of the file
    Generation generation = 0;      // that changed it last
    std::string name;
};

class Region {
public:
    /// Memory that a new file starts with.
    static constexpr std::uint64_t initial_bytes = 64 << 10;

    /// Takes over an open file of `file_bytes`, all of whose memory is counted in `budget` already.
    /// `rebuilding`: nothing is free until finish_rebuild.
    Region(ipc::FileDescriptor file, std::string path, std::uint64_t file_bytes,
           std::uint64_t max_bytes, MemoryBudget& budget, bool rebuilding,
           std::string_view operation);
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
                             Reserve reserve);
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }
    void free(std::uint64_t offset);
    /// Sets `bytes` and `birth` of blocks of this region. lock() first.
    template <class Blocks>
    void fill_facts_held(Blocks blocks) const {
        for (auto& block : blocks) {
            allocator_.read_facts(block.offset, block.bytes, block.birth);
        }
    }
    /// Soon to be asked for, or freed. lock() first.
    void prefetch_facts_held(std::uint64_t offset) const noexcept {
        allocator_.prefetch_facts(offset);
    }
    std::uint64_t block_bytes(std::uint64_t offset) const {
        const std::lock_guard lock(mutex_);
        return allocator_.block_bytes(offset);
    }
    /// In a forked child: neither the mapping nor the file are its business.
    void abandon() noexcept;
    /// Gives up the descriptor, and with it the locks that hang on it.
    void close_file() noexcept { file_.reset(); }

    /// Frees several blocks under one lock.
    template <class Blocks>
    std::uint64_t free_all(Blocks blocks) {
        const std::lock_guard lock(mutex_);
        constexpr std::size_t ahead = 8;  // cache misses under way
        std::uint64_t bytes = 0;
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            if (i + ahead < blocks.size()) {
                allocator_.prefetch_facts(blocks[i + ahead].offset);
            }
            bytes += allocator_.free(blocks[i].offset);
        }
        return bytes;
    }

    // Restart.
    bool adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment);
    std::vector<std::uint64_t> finish_rebuild();
    /// Notes which of the free pages have no memory behind them (after a restart, when the blocks
    /// that covered them were freed).
    void settle_holes();

    /// Gives free runs of at least `min_bytes` back to the system. Returns bytes.
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
    AllocatorStats stats() const;
    std::uint64_t committed_bytes() const {
        const std::lock_guard lock(mutex_);
        return committed_bytes_;
    }
    const ipc::FileDescriptor& file() const noexcept { return file_; }
    const std::string& path() const noexcept { return path_; }

    // Identity, set once by who creates it.
    Dimension dimension = 0;
    std::uint64_t serial = 0;
    std::uint64_t lineage = 0;  // serial of the first file of this dimension, before any move
    int directory = -1;         // of the store, for removing the file
    std::string file_name;      // empty: the control file
    bool keep_file = false;     // set when published, or when the file is somebody else's to remove
    Published published;
    /// True while a dimension of the current generation lies in it.
    bool in_use() const noexcept { return in_use_.load(std::memory_order_acquire); }
    void set_in_use(bool used) noexcept { in_use_.store(used, std::memory_order_release); }
    /// True once the dimension's layers were copied to another region.
    bool moved() const noexcept { return moved_.load(std::memory_order_acquire); }
    void set_moved() noexcept { moved_.store(true, std::memory_order_release); }

private:
    bool grow(std::uint64_t needed, Reserve reserve, Allocation& result);
    bool commit_holes(std::uint64_t offset, Reserve reserve, Allocation& result);
    void find_holes();

    const std::int64_t owner_ = ipc::os::process_id();
    ipc::FileDescriptor file_;
    std::string path_;
    std::uint64_t max_bytes_;
    MemoryBudget& budget_;
    ipc::Mapping mapping_;
    mutable std::mutex mutex_;
    BlockAllocator allocator_;
    std::uint64_t committed_bytes_ = 0;  // counted in the budget
    std::vector<Extent> unsettled_holes_;
    std::atomic<bool> in_use_{false};
    std::atomic<bool> moved_{false};
};

}  // namespace strata::producer_impl

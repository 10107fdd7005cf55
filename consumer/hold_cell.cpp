// SPDX-License-Identifier: Apache-2.0
#include "consumer/hold_cell.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "ipc/os.hpp"

namespace strata::consumer_impl {

thread_local constinit CellCache cell_cache{};

namespace {

struct Pool {
    std::mutex mutex;
    std::vector<HoldCell*> free;
};

Pool& pool() {
    static auto* const made = new Pool;  // outlives objects with static storage
    return *made;
}

// Set when the thread's cells are gone; other objects of the thread may still take snapshots.
thread_local constinit bool thread_ended = false;

/// What a thread has to give up when it ends.
using ThreadCells = std::vector<std::pair<std::uint64_t, HoldCell*>>;

thread_local constinit ThreadCells* thread_cells = nullptr;

void end_thread(void* ended) noexcept {
    cell_cache = {};
    thread_cells = nullptr;
    thread_ended = true;
    const std::unique_ptr<ThreadCells> cells(static_cast<ThreadCells*>(ended));
    for (const auto& [session, cell] : *cells) {
        // A cell that went to another session meanwhile is not this thread's any more.
        if (cell->session.load(std::memory_order_acquire) == session) {
            cell->ownerless.store(true, std::memory_order_release);
        }
    }
}

// Null if there is no memory, or the thread is about to end.
ThreadCells* cells_of_thread() noexcept {
    if (thread_cells == nullptr && !thread_ended) {
        try {
            auto made = std::make_unique<ThreadCells>();
            if (ipc::os::at_thread_end(&end_thread, made.get())) {
                thread_cells = made.release();
            }
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
    }
    return thread_cells;
}

}  // namespace

HoldCell* new_cell(std::uint64_t session) {
    HoldCell* cell = nullptr;
    {
        Pool& cells = pool();
        const std::lock_guard lock(cells.mutex);
        if (!cells.free.empty()) {
            cell = cells.free.back();
            cells.free.pop_back();
        }
    }
    if (cell == nullptr) {
        cell = new HoldCell;
    }
    cell->session.store(session, std::memory_order_release);
    cell->nudge.store(false, std::memory_order_relaxed);
    cell->ownerless.store(false, std::memory_order_relaxed);
    return cell;
}

void recycle_cell(HoldCell* cell) noexcept {
    Pool& cells = pool();
    const std::lock_guard lock(cells.mutex);
    cell->session.store(0, std::memory_order_release);
    try {
        cells.free.push_back(cell);
    } catch (...) {
        // One cell less to use again; it is never freed anyway.
    }
}

HoldCell* find_cell(std::uint64_t session) noexcept {
    if (thread_cells == nullptr) {
        return nullptr;
    }
    for (const auto& [number, cell] : *thread_cells) {
        if (number == session) {
            cell_cache.entry[session % CellCache::entries] = {session, cell};
            return cell;
        }
    }
    return nullptr;
}

void remember_cell(std::uint64_t session, HoldCell* cell) {
    // Sessions come and go: forget the cells of those that went.
    std::erase_if(*thread_cells, [](const auto& entry) {
        return entry.second->session.load(std::memory_order_acquire) != entry.first;
    });
    thread_cells->emplace_back(session, cell);
    cell_cache.entry[session % CellCache::entries] = {session, cell};
}

bool can_hold() noexcept {
    static const bool have_barriers = ipc::os::register_barriers();
    return have_barriers && cells_of_thread() != nullptr;
}

void heavy_barrier() noexcept {
#ifndef STRATA_TSAN
    ipc::os::barrier_all_threads();
#endif
}

}  // namespace strata::consumer_impl

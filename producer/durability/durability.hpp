// SPDX-License-Identifier: Apache-2.0
// Makes generations survive a power failure: data first, then a slot that names it, and what the
// slot names is pinned until a newer one is durable. docs/durability.md has the argument.
//
// A flush runs without the commit lock, one at a time. The thread that finishes it never needs that
// lock, so others may wait for it while they hold the lock.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/files/durable_slots.hpp"
#include "ipc/files/store_files.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/durability/durable_pins.hpp"
#include "producer/durability/flush_group.hpp"
#include "producer/memory/region_factory.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

class Durability {
public:
    /// Generations that may be published before the slot has to be written again.
    static constexpr Generation lease_length = 1 << 16;

    /// All outlive this object. `options` have no automatic policy. Throws std::bad_alloc.
    Durability(const ipc::StoreDirectory& directory, const DurabilityOptions& options,
               ipc::DurableSlots& slots, ControlRegion& control, const CurrentGeneration& current,
               const RegionFactory& factory, DurablePins& pins)
        : directory_(directory),
          options_(options),
          slots_(slots),
          control_(control),
          current_(current),
          factory_(factory),
          pins_(pins),
          slots_path_(directory.file(ipc::slots_file_name)) {}

    // Opening.
    /// What a former producer made durable, and whether the machine has stopped since: if so, the
    /// store must be opened at that generation. Pins it. Throws system.
    struct Start {
        std::optional<ipc::DurableSlot> slot{};
        std::optional<ipc::DurableSlot> acknowledged{};  // if the flush of `slot` failed: the last
        bool after_cut = false;
    };
    Start begin(const std::string& operation) STRATA_REQUIRES(commit_role);
    /// When the store is taken over: from here on it is this run's. Throws system,
    /// durability_lost.
    void finish_opening(const Start& start, const std::string& operation)
        STRATA_REQUIRES(commit_role);

    // Commits.
    /// Before `generation` is published. Throws durability_lost: it may not be.
    void admit(Generation generation) STRATA_REQUIRES(commit_role) {
        if (generation > lease_ || refuses_) [[unlikely]] {
            extend_lease(generation);
        }
    }

    // Any thread.
    Generation durable() const noexcept { return durable_.load(std::memory_order_acquire); }
    /// Returns when `generation` is durable; those who wait at the same time share a flush. Throws
    /// durability_lost, system, no_space, and invalid_argument: it is not published.
    void wait(std::mutex& commit_mutex, Generation generation, const std::string& operation)
        STRATA_EXCLUDES(commit_role);
    /// For a holder of the commit lock that needs the pinned memory. False: nothing has changed,
    /// and trying again would change nothing.
    bool checkpoint_held(const std::string& operation) noexcept STRATA_REQUIRES(commit_role);
    /// At the end of a producer's life: makes the newest generation durable and says that nothing
    /// was published beyond it. What fails is left to the next one.
    void close(std::mutex& commit_mutex) noexcept STRATA_EXCLUDES(commit_role);
    bool pins_memory() const noexcept { return !pins_.empty(); }
    /// Whether the durable generation is kept even if its memory is needed. Before anybody else has
    /// the store.
    void keep(bool kept) noexcept { kept_ = kept; }
    const std::optional<ipc::DurableSlot>& newest_slot() const noexcept { return slots_.newest(); }

private:
    struct Plan {
        ipc::DurableSlot slot{};
        std::vector<std::shared_ptr<Region>> regions{};
        std::vector<int> files{};  // the control file's and theirs
        std::uint64_t next_serial = 0;
    };
    [[noreturn]] void fail_lost(const std::string& operation) const;
    void check_lost(const std::string& operation) const;
    void make_slots(const std::string& operation) STRATA_REQUIRES(commit_role);
    Plan plan(const std::string& operation) STRATA_REQUIRES(commit_role);
    std::optional<Plan> begin_flush(std::mutex& commit_mutex, const std::string& operation)
        STRATA_EXCLUDES(commit_role);
    bool claim_flush() noexcept;
    Plan claimed_plan(const std::string& operation) STRATA_REQUIRES(commit_role);
    void carry_out(const Plan& plan) noexcept;
    bool pays_parallel(const Plan& plan, bool files_made) const noexcept;
    int write_slot(ipc::DurableSlot slot) noexcept;
    void lose(int error, std::string_view path) noexcept;
    void extend_lease(Generation generation) STRATA_REQUIRES(commit_role);

    const ipc::StoreDirectory& directory_;
    const DurabilityOptions& options_;
    ipc::DurableSlots& slots_;
    ControlRegion& control_;
    const CurrentGeneration& current_;
    const RegionFactory& factory_;
    DurablePins& pins_;
    ipc::os::Standpoint here_;

    std::atomic<Generation> durable_{0};
    std::atomic<Generation> lease_{~Generation{0}};  // no slot: nothing was promised
    std::atomic<bool> refuses_{false};               // each commit was to be durable, and cannot be

    bool kept_ = false;
    std::mutex slot_mutex_;  // after the commit lock; guards slots_ once the store is open
    std::mutex
        state_mutex_;  // after both; guards flushing_, group_, and what is said when it changes
    std::condition_variable changed_;
    bool flushing_ = false;
    FlushGroup group_;
    std::atomic<int> lost_{0};  // the errno of the flush that failed
    std::string lost_path_;

    // Of the last flush; they belong to the thread that is flushing.
    std::uint64_t flushed_serial_ = 0;
    Generation flushed_ = 0;
    bool directory_flushed_ = false;
    std::chrono::steady_clock::duration slot_took_ = std::chrono::steady_clock::duration::max();

    const std::string slots_path_;
};

}  // namespace strata::producer_impl

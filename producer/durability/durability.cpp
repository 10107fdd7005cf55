// SPDX-License-Identifier: Apache-2.0
#include "producer/durability/durability.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/lock_table.hpp"
#include "producer/durability/parallel_flush.hpp"

namespace strata::producer_impl {

namespace {

// In the cell `durability`: there are slots; and, above, the errno of the flush that failed.
constexpr std::uint64_t has_slots = 1;
constexpr unsigned errno_shift = 8;

}  // namespace

Durability::Start Durability::begin(const std::string& operation) {
    if (!slots_ || !slots_.newest()) {
        return {};
    }
    const ipc::DurableSlot& slot = *slots_.newest();
    const auto here = ipc::os::standpoint_of(directory_.directory.get());
    if (!here) {
        ipc::fail_errno(here.error, operation, directory_.path,
                        "cannot find out whether the machine stopped since the last producer");
    }
    here_ = here.value;
    if (!std::equal(std::begin(slot.identity.store_id), std::end(slot.identity.store_id),
                    std::begin(control_.identity().store_id))) {
        ipc::fail(Errc::corrupt, operation, directory_.file(ipc::slots_file_name),
                  "the slots belong to another store",
                  "remove the store and publish it anew, or restore a backup");
    }
    Start start{.slot = slot, .after_cut = !ipc::is_same_run(slot, here_)};
    const bool same_machine = here_.is_boot(slot.boot_id) && here_.device == slot.device;
    // By another mount of the same disk, as in a container: who reads there reads the same files.
    if (start.after_cut && same_machine &&
        ipc::pins_up_to(control_.lock_description(), ipc::epoch_end - 1) != ipc::LockState::free) {
        start.after_cut = false;
    }
    durable_.store(slot.generation, std::memory_order_release);
    lease_.store(slot.lease, std::memory_order_relaxed);
    const std::uint64_t word = ipc::load_relaxed(control_.cells().durability);
    if (!start.after_cut && word >> errno_shift != 0) {
        lose(static_cast<int>(word >> errno_shift), directory_.path);  // what failed stays failed
        // If that was the flush of a slot, it may be read, and be lost all the same: a power
        // failure may lead back to it, or to the one before.
        const Generation flushed = ipc::load_relaxed(control_.cells().durable);
        if (flushed < slot.generation) {
            durable_.store(flushed, std::memory_order_release);
            if (slots_.older() && slots_.older()->generation == flushed) {
                start.acknowledged = slots_.older();
                pins_.add(start.acknowledged->epoch);
            }
        }
    }
    pins_.add(slot.epoch);
    return start;
}

void Durability::finish_opening(const Start& start, const std::string& operation) {
    if (!start.slot) {
        return;
    }
    ipc::ControlCells& cells = control_.cells();
    if (start.after_cut) {
        ipc::store_release(cells.durability, has_slots);
        STRATA_CRASH_POINT("recover.after-cut");
        // From here on what stands in the page cache is right: the slot is of this run. Its root is
        // as durable as before. No number is given twice: what was lost may have been seen.
        ipc::DurableSlot slot = *start.slot;
        slot.lease += lease_length;
        std::copy(here_.boot_id.begin(), here_.boot_id.end(), std::begin(slot.boot_id));
        slot.device = here_.device;
        slot.mount = here_.mount;
        if (const int error = slots_.write(slot)) {
            lose(error, slots_path_);
            fail_lost(operation);
        }
        lease_.store(slot.lease, std::memory_order_relaxed);
    }
    // Release; partner: the acquire load in Consumer::durable_generation.
    ipc::store_release(cells.durable, durable());
}

void Durability::check_lost(const std::string& operation) const {
    if (lost_.load(std::memory_order_acquire) != 0) {
        fail_lost(operation);
    }
}

void Durability::fail_lost(const std::string& operation) const {
    throw Error({.code = Errc::durability_lost,
                 .operation = operation,
                 .path = lost_path_,
                 .detail = "a flush failed; of " + std::to_string(current_.number()) +
                           " generations " + std::to_string(durable()) +
                           " is the last that survives a power failure",
                 .hint = "copy what matters to another disk; when the machine was restarted the "
                         "store opens at the durable generation",
                 .errno_value = lost_.load(std::memory_order_acquire)});
}

// What could not be written is marked clean by the kernel: to flush again would succeed, and mean
// nothing. So a failure is for good, for successors in this run of the machine as well.
void Durability::lose(int error, std::string_view path) noexcept {
    if (lost_.load(std::memory_order_relaxed) != 0) {
        return;  // the first one counts
    }
    try {
        lost_path_ = path;
    } catch (const std::bad_alloc&) {  // what failed is known all the same
    }
    // Release; partner: check_lost's acquire load, which leads to the path.
    lost_.store(error, std::memory_order_release);
    refuses_.store(options_.policy == DurabilityPolicy::each_commit, std::memory_order_relaxed);
    // Release; partner: the acquire load in Consumer::durable_generation.
    ipc::store_release(control_.cells().durability,
                       static_cast<std::uint64_t>(error) << errno_shift | has_slots);
}

void Durability::make_slots(const std::string& operation) {
    const auto here = ipc::os::standpoint_of(directory_.directory.get());
    if (!here) {
        ipc::fail_errno(here.error, operation, directory_.path,
                        "cannot find out where the store lies");
    }
    here_ = here.value;
    const auto like = ipc::os::status(control_.region().file().get());
    if (!like) {
        ipc::fail_errno(like.error, operation, control_.path(), "cannot read its status");
    }
    slots_.create(directory_, like.value, operation);
}

Durability::Plan Durability::plan(const std::string& operation) {
    if (!slots_) {
        make_slots(operation);
    }
    ipc::ControlCells& cells = control_.cells();
    if (ipc::load_relaxed(cells.durability) == 0) {
        // Before the first flush: whatever is durable together with a slot says that there is one.
        ipc::store_release(cells.durability, has_slots);
    }
    Plan plan;
    plan.files.push_back(control_.region().file().get());
    plan.slot.root = current_.root_offset();
    plan.slot.generation = current_.root().generation;
    plan.slot.epoch = ipc::load_relaxed(cells.epoch);
    std::copy(here_.boot_id.begin(), here_.boot_id.end(), std::begin(plan.slot.boot_id));
    plan.slot.device = here_.device;
    plan.slot.mount = here_.mount;
    plan.slot.identity = control_.identity();
    for (const auto& [serial, used] : current_.regions()) {
        if (used.region->changed_in > flushed_) {
            plan.regions.push_back(used.region);
            plan.files.push_back(used.region->file().get());
        }
    }
    plan.next_serial = factory_.next_serial();
    pins_.add(plan.slot.epoch);
    return plan;
}

// It has to come to its end: whoever waits for a flush waits for this one.
void Durability::carry_out(const Plan& plan) noexcept {
    STRATA_CRASH_POINT("checkpoint.planned");
    const auto started = std::chrono::steady_clock::now();
    std::size_t failed = 0;
    // A file that is new has a mode and an owner, too.
    const bool files_made = !directory_flushed_ || plan.next_serial != flushed_serial_;
    int error = flush_all(plan.files, files_made ? Flush::all : Flush::data,
                          pays_parallel(plan, files_made), failed);
    std::string_view path = failed == 0 ? control_.path() : plan.regions[failed - 1]->path();
    STRATA_CRASH_POINT("checkpoint.flushed");
    if (error == 0 && files_made) {
        path = directory_.path;
        error = ipc::os::sync_file(directory_.directory.get());
        if (error == 0 && !directory_flushed_) {
            error = ipc::os::sync_file(directory_.base.get());  // the store's own name
        }
        STRATA_CRASH_POINT("checkpoint.directory-flushed");
    }
    if (error == 0) {
        path = slots_path_;
        const auto begun = std::chrono::steady_clock::now();
        error = write_slot(plan.slot);
        slot_took_ = std::chrono::steady_clock::now() - begun;
    }
    const std::lock_guard lock(state_mutex_);
    flushing_ = false;
    group_.flushed(std::chrono::steady_clock::now() - started);
    changed_.notify_all();
    if (error != 0) {
        lose(error, path);
        return;
    }
    directory_flushed_ = true;
    flushed_serial_ = plan.next_serial;
    flushed_ = plan.slot.generation;
    pins_.drop_before(plan.slot.epoch);
    // Release; partner: the acquire load in `durable`.
    durable_.store(plan.slot.generation, std::memory_order_release);
    // Release; partner: the acquire load in Consumer::durable_generation.
    ipc::store_release(control_.cells().durable, plan.slot.generation);
    STRATA_CRASH_POINT("checkpoint.done");
}

// A thread costs some 50 to 100 us: as much as a disk takes that answers from its own memory. What
// one flush of one page takes here, the last slot has shown.
bool Durability::pays_parallel(const Plan& plan, bool files_made) const noexcept {
    constexpr std::chrono::microseconds slow_flush(400);
    constexpr std::size_t few_files = 3;
    return files_made || plan.files.size() > few_files || slot_took_ > slow_flush;
}

int Durability::write_slot(ipc::DurableSlot slot) noexcept {
    const std::lock_guard lock(slot_mutex_);
    const Generation lease = current_.number() + lease_length;
    slot.lease = slots_.newest() ? std::max(slots_.newest()->lease, lease) : lease;
    if (!slots_.newest()) {
        lease_.store(slot.lease, std::memory_order_relaxed);  // from the first slot on it binds
    }
    const int error = slots_.write(slot);
    if (error == 0) {
        lease_.store(slot.lease, std::memory_order_relaxed);
    }
    return error;
}

void Durability::extend_lease(Generation generation) {
    const std::string operation = ipc::operation_on("crystallize", directory_.name);
    check_lost(operation);
    const std::lock_guard lock(slot_mutex_);
    if (generation <= lease_.load(std::memory_order_relaxed)) {
        return;
    }
    ipc::DurableSlot slot = *slots_.newest();
    slot.lease = generation + lease_length;
    if (const int error = slots_.write(slot)) {
        const std::lock_guard state(state_mutex_);
        lose(error, slots_path_);
        fail_lost(operation);
    }
    lease_.store(slot.lease, std::memory_order_relaxed);
}

void Durability::wait(std::mutex& commit_mutex, Generation generation,
                      const std::string& operation) {
    if (generation > current_.number()) {
        ipc::fail(Errc::invalid_argument, operation, directory_.path,
                  "generation " + std::to_string(generation) + " is not published, the newest is " +
                      std::to_string(current_.number()));
    }
    if (durable() >= generation) {
        return;
    }
    struct Member {
        explicit Member(Durability& of) : owner(of) {
            const std::lock_guard lock(owner.state_mutex_);
            owner.group_.enter();
        }
        Member(const Member&) = delete;
        Member& operator=(const Member&) = delete;
        ~Member() {
            const std::lock_guard lock(owner.state_mutex_);
            owner.group_.leave();
        }
        Durability& owner;
    };
    const Member member(*this);
    while (durable() < generation) {
        {
            std::unique_lock state(state_mutex_);
            changed_.wait(state, [&] {
                return (!flushing_ && !group_.gathering()) || durable() >= generation;
            });
            if (durable() >= generation) {
                return;
            }
            check_lost(operation);
            group_.gather(state);
        }
        if (const auto mine = begin_flush(commit_mutex, operation)) {
            carry_out(*mine);
            check_lost(operation);
        }
    }
}

void Durability::close(std::mutex& commit_mutex) noexcept {
    try {
        wait(commit_mutex, current_.number(), ipc::operation_on("close", directory_.name));
        const std::lock_guard lock(slot_mutex_);
        ipc::DurableSlot slot = *slots_.newest();
        if (slot.lease != slot.generation) {
            slot.lease = slot.generation;
            slots_.write(slot);
        }
    } catch (const std::exception&) {
        // A successor finds what there is.
    }
}

// Nothing: somebody else is at it.
std::optional<Durability::Plan> Durability::begin_flush(std::mutex& commit_mutex,
                                                        const std::string& operation) {
    const CommitLock lock(commit_mutex);
    if (!claim_flush()) {
        return std::nullopt;
    }
    return claimed_plan(operation);
}

bool Durability::claim_flush() noexcept {
    const std::lock_guard state(state_mutex_);
    return !std::exchange(flushing_, true);
}

Durability::Plan Durability::claimed_plan(const std::string& operation) {
    try {
        return plan(operation);
    } catch (...) {
        const std::lock_guard state(state_mutex_);
        flushing_ = false;
        changed_.notify_all();
        throw;
    }
}

bool Durability::checkpoint_held(const std::string& operation) noexcept {
    if (kept_) {
        return false;
    }
    bool waited = false;
    {
        std::unique_lock state(state_mutex_);
        waited = flushing_;
        changed_.wait(state, [&] { return !flushing_; });  // who flushes needs no commit lock
        if (lost_.load(std::memory_order_relaxed) != 0) {
            return false;
        }
        if (durable() == current_.root().generation) {
            return waited;
        }
        flushing_ = true;
    }
    try {
        carry_out(claimed_plan(operation));
    } catch (const std::exception&) {  // the caller reports what it wanted room for
        return waited;
    }
    return lost_.load(std::memory_order_relaxed) == 0;
}

}  // namespace strata::producer_impl

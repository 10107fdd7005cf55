// SPDX-License-Identifier: Apache-2.0
#include "producer/open_store.hpp"

#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/os/sync.hpp"
#include "ipc/reader_list.hpp"
#include "ipc/sanitizer.hpp"
#include "producer/commit/batch_state.hpp"
#include "producer/lifecycle/recovery.hpp"

namespace strata::producer_impl {

namespace {

// Decides what `automatic` means for the file system that the store lies in.
ProducerOptions with_policy(ProducerOptions options, const ipc::StoreDirectory& directory) {
    if (options.durability.policy == DurabilityPolicy::automatic) {
        const auto in_memory = ipc::os::is_volatile(directory.directory.get());
        if (!in_memory) {
            ipc::fail_errno(in_memory.error, ipc::operation_on("open", directory.name),
                            directory.path, "cannot find out what file system it lies in");
        }
        options.durability.policy =
            in_memory.value ? DurabilityPolicy::off : DurabilityPolicy::background;
    }
    return options;
}

std::uint64_t proto_limit(const ProducerOptions& options, std::uint64_t memory_limit) noexcept {
    return options.proto_memory_limit != 0 ? options.proto_memory_limit : memory_limit;
}

}  // namespace

OpenStore::OpenStore(ipc::StoreDirectory directory, ProducerLock lock,
                     const ProducerOptions& options, ipc::LifeFile life, KeepDurable keep)
    : directory_(std::move(directory)),
      path_(directory_.path),
      lock_(std::move(lock)),
      options_(with_policy(options, directory_)),
      budget_(options.memory_limit),
      slots_(ipc::DurableSlots::open_and_repair(directory_, operation("open"))),
      control_(directory_, budget_, operation("open")),
      life_(std::move(life)),
      factory_(directory_, control_.identity(), options_, budget_),
      bookmarks_(directory_, control_),
      reclaimer_(control_, current_, directory_, options_, budget_, counters_, durable_pins_,
                 bookmarks_),
      durability_(directory_, options_.durability, slots_, control_, current_, factory_,
                  durable_pins_),
      memory_(directory_, options_, control_, current_, factory_, reclaimer_, budget_, counters_,
              durability_),
      statistics_(options_, control_, current_, reclaimer_, budget_, counters_),
      committer_({.directory = directory_,
                  .control = control_,
                  .current = current_,
                  .homes = homes_,
                  .factory = factory_,
                  .reclaimer = reclaimer_,
                  .memory = memory_,
                  .budget = budget_,
                  .counters = counters_,
                  .waiters = waiters_,
                  .durability = durability_},
                 statistics_),
      relocator_(*this, placement_, committer_, current_, homes_, memory_, reclaimer_, budget_,
                 counters_, options_),
      placement_(*this, commit_mutex_, directory_, options_, homes_, memory_, reclaimer_, budget_,
                 counters_, statistics_, relocator_),
      protos_(proto_limit(options_, options_.memory_limit)) {
    register_hook();  // a child must not keep the locks alive
    durability_.keep(keep == KeepDurable::yes);
    try {
        take_over();
        start_durability();
    } catch (...) {
        checkpointer_.stop();
        waiters_.stop();
        life_.end(directory_.directory);
        unregister_hook();
        throw;
    }
}

void OpenStore::take_over() {
    announce_life();
    const CommitLock lock(commit_mutex_);
    const Durability::Start durable = durability_.begin(operation("open"));
    Recovery(directory_, control_, current_, homes_, factory_, reclaimer_, bookmarks_, memory_,
             budget_, durable, life_.number())
        .run();
    durability_.finish_opening(durable, operation("open"));
    for (const auto& [serial, used] : current_.regions()) {
        const Region& region = *used.region;
        const FileAccess& wanted = options_.access;
        if (!region.owner && !region.is_full() && region.access.mode == wanted.mode &&
            (!wanted.group || region.access.group == wanted.group)) {
            placement_.set_shared_region(used.region);  // the newest of them
        }
    }
    statistics_.count_recovered_blocks();
    memory_.fit_limit(options_.memory_limit, operation("open"),
                      "open it with a larger memory_limit");
#ifndef STRATA_TSAN  // GCC 12's takes the first thread of a forked child for this one, and gives up
    waiters_.prepare(control_.lock_description(), control_.cells().generation);
#endif
    statistics_.write(ipc::os::realtime_ns());
}

void OpenStore::start_durability() {
    const DurabilityPolicy policy = options_.durability.policy;
    if (policy == DurabilityPolicy::off) {
        return;
    }
    make_durable(generation(), operation("open"));
    if (policy == DurabilityPolicy::background) {
        checkpointer_.start(
            options_.durability,
            [this] {
                try {
                    make_durable(generation(), operation("checkpoint"));
                } catch (const std::exception&) {
                    // A failed flush is latched, and told to everybody who asks. All else may be
                    // better next time.
                }
            },
            operation("open"), directory_.path);
    }
}

void OpenStore::make_durable(Generation generation, const std::string& operation) {
    try {
        durability_.wait(commit_mutex_, generation, operation);
    } catch (const Error& error) {
        if (options_.audit && error.code() == Errc::durability_lost &&
            !loss_told_.exchange(true, std::memory_order_relaxed)) {
            AuditEntry lost = entry("lose durability");
            lost.generation = generation;
            lost.result = to_string(error.code());
            options_.audit->record(lost);
        }
        throw;
    }
}

OpenStore::~OpenStore() {
    checkpointer_.stop();
    if (options_.durability.policy != DurabilityPolicy::off) {
        durability_.close(commit_mutex_);
    }
    waiters_.stop();
    // Retired files stay until nobody can need them: the next producer sees to them.
    reclaimer_.keep_files();
    // Locks first, so that those who are woken find nobody. The file goes while it is still ours.
    STRATA_CRASH_POINT("close.begin");
    life_.end(directory_.directory);
    lock_.release();
    control_.region().close_file();
    STRATA_CRASH_POINT("close.unlocked");
    control_.wake_waiters();
    unregister_hook();
    if (options_.audit) {
        AuditEntry closed = entry("close");
        closed.generation = generation();
        options_.audit->record(closed);
    }
}

void OpenStore::child_after_fork() noexcept {
    forked_.store(true, std::memory_order_relaxed);
    waiters_.forget();
    checkpointer_.forget();
    control_.region().close_file();
}

void OpenStore::announce_life() {
    if (life_.number() != 0) {
        return;  // a new store's, which was alive when it got its name
    }
    std::uint64_t& cell = control_.cells().life;
    const ipc::os::FileStatus& access = control_.file().status();
    STRATA_CRASH_POINT("open.before-life");
    life_ = ipc::LifeFile::make(directory_.directory, ipc::load_relaxed(cell) + 1,
                                {.mode = access.mode & ipc::most_file_mode, .group = access.group},
                                operation("open"), directory_.path);
    STRATA_CRASH_POINT("open.life-made");
    // Release; partner: the acquire load in find_producer, which opens the file by this number.
    ipc::store_release(cell, life_.number());
    STRATA_CRASH_POINT("open.alive");
}

void OpenStore::check_process(std::string_view operation) const {
    if (forked()) {
        ipc::fail(Errc::wrong_process, operation, directory_.path,
                  "this producer belongs to the parent process",
                  "create or open it after the fork");
    }
}

Batch OpenStore::make_batch() { return Batch(std::make_unique<BatchState>(*this, placement_)); }

Generation OpenStore::commit(BatchState& batch) {
    check_process("crystallize");
    batch.consolidate();
    const Notices notices(*this);
    const Generation generation = commit_locked(batch);
    if (options_.durability.policy == DurabilityPolicy::each_commit) {
        make_durable(generation, operation("crystallize"));
    }
    return generation;
}

std::uint64_t OpenStore::root_offset() const {
    const CommitLock lock(commit_mutex_);
    return current_.root_offset();
}

Generation OpenStore::try_commit(BatchState& batch) {
    try {
        return committer_.commit(batch);
    } catch (const Error& error) {
        const bool no_room = error.code() == Errc::limit_exceeded || error.code() == Errc::no_space;
        if (!no_room || !relocator_.relocate_for(error.path())) {
            throw;
        }
        return committer_.commit(batch);
    }
}

// What it publishes, and that in the order of generations, is told while the lock is held.
Generation OpenStore::commit_told(BatchState& batch) {
    const bool wanted = options_.audit->wants_commits() || batch.dimension_changes() != 0;
    AuditEntry change = entry(wanted && batch.size() != 0 ? "commit" : "");
    change.dimensions = batch.dimension_changes();
    change.layers = batch.size() - batch.dimension_changes();
    const Generation before = current_.number();
    return ipc::audited(options_.audit, change, [&](AuditEntry& told) STRATA_REQUIRES(commit_role) {
        told.generation = try_commit(batch);
        if (told.generation == before) {
            told.operation = {};  // what was to be is so already
        }
        return told.generation;
    });
}

Generation OpenStore::commit_locked(BatchState& batch) {
    const CommitLock lock(commit_mutex_);
    const Generation generation = options_.audit ? commit_told(batch) : try_commit(batch);
    checkpointer_.committed(generation, reclaimer_.held_bytes(), budget_.limit());
    return generation;
}

Generation OpenStore::move_dimension(Dimension dimension, const DimensionOptions& options) {
    const std::string operation =
        this->operation("move dimension " + std::to_string(dimension) + " of");
    check_process(operation);
    if (!options.name.empty()) {
        ipc::fail(Errc::invalid_argument, operation, directory_.path,
                  "a dimension keeps its name when it is moved", "leave `name` empty");
    }
    const Notices notices(*this);
    Generation generation = 0;
    {
        const CommitLock lock(commit_mutex_);
        const Generation before = current_.number();
        AuditEntry move = entry("move dimension");
        move.dimensions = 1;
        generation =
            ipc::audited(options_.audit, move, [&](AuditEntry& told) STRATA_REQUIRES(commit_role) {
                told.generation = relocator_.move(dimension, options, operation);
                if (told.generation == before) {
                    told.operation = {};  // it lies there already
                }
                return told.generation;
            });
        checkpointer_.committed(generation, reclaimer_.held_bytes(), budget_.limit());
    }
    if (options_.durability.policy == DurabilityPolicy::each_commit) {
        make_durable(generation, this->operation("crystallize"));
    }
    return generation;
}

Generation OpenStore::checkpoint() {
    check_process("checkpoint");
    const bool wanted = options_.audit && options_.audit->wants_commits();
    return ipc::audited(options_.audit, entry(wanted ? "checkpoint" : ""), [&](AuditEntry& told) {
        told.generation = generation();
        make_durable(told.generation, operation("checkpoint"));
        return told.generation;
    });
}

void OpenStore::wait_durable(Generation generation) {
    check_process("wait_durable");
    make_durable(generation, operation("wait for durability of"));
}

std::uint64_t OpenStore::reclaim() {
    check_process("reclaim");
    const Notices notices(*this);
    const CommitLock lock(commit_mutex_);
    const std::uint64_t bytes = memory_.reclaim();
    statistics_.write_all(ipc::os::realtime_ns());
    return bytes;
}

std::uint64_t OpenStore::trim() {
    check_process("trim");
    const Notices notices(*this);
    const CommitLock lock(commit_mutex_);
    memory_.reclaim();
    const std::uint64_t bytes = memory_.trim(ipc::page_bytes);
    statistics_.write_all(ipc::os::realtime_ns());
    return bytes;
}

std::optional<Dimension> OpenStore::find_dimension(std::string_view name) const {
    const CommitLock lock(commit_mutex_);
    return current_.find(name);
}

bool OpenStore::has_dimension(Dimension dimension) const {
    const CommitLock lock(commit_mutex_);
    return current_.dimensions().contains(dimension);
}

void OpenStore::set_memory_limit(std::uint64_t bytes) {
    check_process("set_memory_limit");
    const Notices notices(*this);
    const CommitLock lock(commit_mutex_);
    AuditEntry change = entry("set memory limit");
    change.generation = current_.number();
    change.bytes = bytes;
    ipc::audited(options_.audit, change, [&](AuditEntry&) STRATA_REQUIRES(commit_role) {
        memory_.fit_limit(bytes, operation("set the memory limit of"),
                          "erase something first; the old limit stays");
        return bytes;
    });
    protos_.set_limit(proto_limit(options_, bytes));
    statistics_.write_all(ipc::os::realtime_ns());
}

ProducerStats OpenStore::stats() const {
    check_process("stats");
    const CommitLock lock(commit_mutex_);
    const ipc::RootRecord& root = current_.root();
    return {.generation = root.generation,
            .epoch = reclaimer_.epoch(),
            .memory_limit = budget_.limit(),
            .committed_bytes = budget_.used(),
            .live_bytes = root.live_bytes,
            .limbo_bytes = reclaimer_.waiting().block_bytes(),
            .proto_bytes = protos_.heap().used(),
            .proto_limit = protos_.heap().limit(),
            .layers = root.layers,
            .dimensions = root.dimensions,
            .commits = counters_.commits.get(),
            .allocations = counters_.allocations.get(),
            .deallocations = counters_.deallocations.get(),
            .allocation_failures = counters_.allocation_failures.get(),
            .audit_dropped = options_.audit ? options_.audit->statistics().dropped : 0};
}

StoreStatistics OpenStore::statistics() {
    check_process("statistics");
    // Without the lock: there may be many, and commits need not wait for that.
    const std::size_t readers = ipc::list_readers(control_.lock_description(), ipc::epoch_end - 1,
                                                  operation("statistics"), control_.path())
                                    .size();
    const Notices notices(*this);
    const CommitLock lock(commit_mutex_);
    StoreStatistics result = statistics_.read();
    result.name = directory_.name;
    result.readers = readers;
    result.sampled_peak_readers = std::max(result.sampled_peak_readers, result.readers);
    return result;
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
#include "producer/store.hpp"

#include <algorithm>
#include <utility>

#include "ipc/atomic_word.hpp"
#include "ipc/checksum.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/region_file.hpp"
#include "ipc/sanitizer.hpp"
#include "producer/create.hpp"

namespace strata::producer_impl {

namespace {

ipc::Trust own_files() { return {.any_owner = false, .owner = ipc::os::effective_user()}; }

// The writable description of the control file; its own, for the locks that hang on it.
ipc::FileDescriptor open_control(const ipc::StoreDirectory& directory, std::string_view operation) {
    auto file = ipc::os::open_write(directory.directory.get(), ipc::control_file_name);
    if (!file) {
        ipc::fail_errno(file.error, operation, directory.file(ipc::control_file_name),
                        "cannot open the control file for writing");
    }
    return std::move(file.value);
}

// Whole pages: a producer that died while its file grew may have left half of one.
std::uint64_t whole_pages(const ipc::FileDescriptor& file, std::uint64_t bytes,
                          std::string_view operation, const std::string& path) {
    const std::uint64_t rounded = ipc::round_up(bytes, ipc::page_bytes);
    if (rounded != bytes) {
        if (const int error = ipc::os::commit_range(file.get(), 0, rounded)) {
            ipc::fail_errno(error, operation, path, "cannot complete its last page");
        }
    }
    return rounded;
}

}  // namespace

Store::Store(ipc::StoreDirectory directory, ProducerLock lock, const ProducerOptions& options,
             ipc::FileDescriptor control)
    : directory_(std::move(directory)),
      path_(directory_.path),
      lock_(std::move(lock)),
      options_(options),
      retain_(options.retain),
      budget_(options.memory_limit),
      control_file_(directory_, ipc::Access::read_only, own_files(), operation("open")),
      control_(
          [&] {
              // Counted first: the region gives back what it finds to be holes.
              budget_.take_existing(
                  ipc::round_up(control_file_.status().size_bytes, ipc::page_bytes));
              ipc::FileDescriptor file =
                  control ? std::move(control) : open_control(directory_, operation("open"));
              whole_pages(file, control_file_.status().size_bytes, operation("open"),
                          control_file_.path());
              return file;
          }(),
          control_file_.path(), ipc::round_up(control_file_.status().size_bytes, ipc::page_bytes),
          control_file_.identity().control_max_bytes, budget_, true, operation("open")) {
    control_.keep_file = true;
    // Before anything is reclaimed: a lock of our own keeps the file's lock list from being empty,
    // so that every look at it takes the kernel's lock (docs/reclamation.md, C10).
    STRATA_CRASH_POINT("open.before-life");
    ipc::announce_life(control_.file().get(), ipc::os::process_id());
    STRATA_CRASH_POINT("open.alive");
    recover();
    fit_limit(options.memory_limit, "open", "open it with a larger memory_limit");
    register_hook();
#ifndef STRATA_TSAN  // GCC 12's takes the first thread of a forked child for this one, and gives up
    waiters_.start(control_.file().get(),
                   control_.at<ipc::ControlCells>(ipc::cells_offset)->generation);
#endif
    publish_tables(started_at_ns_);  // nobody else has this object yet
}

Store::~Store() {
    unregister_hook();
    if (forked()) {  // the parent's store: leave files and mappings alone
        for (auto& [dimension, region] : published_) {
            region->abandon();
        }
        for (RetiredFile& file : retired_files_) {
            if (file.region) {
                file.region->abandon();
            }
        }
        for (HistoryEntry& entry : history_) {
            for (RetiredFile& file : entry.files) {
                if (file.region) {
                    file.region->abandon();
                }
            }
        }
        control_.abandon();
        return;
    }
    waiters_.stop();
    // Retired files stay until nobody can need them: the next producer sees to them.
    for (RetiredFile& file : retired_files_) {
        if (file.region) {
            file.region->keep_file = true;
        }
    }
    // Locks first, so that those who are woken find nobody.
    STRATA_CRASH_POINT("close.begin");
    lock_.forget();
    control_.close_file();
    STRATA_CRASH_POINT("close.unlocked");
    ipc::os::futex_wake(
        ipc::futex_word(control_.at<ipc::ControlCells>(ipc::cells_offset)->generation));
}

void Store::child_after_fork() noexcept {
    forked_.store(true, std::memory_order_relaxed);
    lock_.forget();
    waiters_.forget();
    control_.close_file();
}

void Store::check_process(std::string_view operation) const {
    if (forked()) {
        ipc::fail(Errc::wrong_process, operation, directory_.path,
                  "this producer belongs to the parent process",
                  "create or open it after the fork");
    }
}

RegionSizes Store::sizes_of(const DimensionOptions& options, std::string_view what) const {
    const std::uint64_t most = identity().region_max_bytes;
    const RegionSizes sizes{.initial_bytes = ipc::round_up(
                                std::max(options.initial_bytes != 0 ? options.initial_bytes
                                                                    : options_.region_initial_bytes,
                                         Region::initial_bytes),
                                ipc::page_bytes),
                            .max_bytes = options.max_bytes != 0 ? options.max_bytes : most};
    if (sizes.max_bytes > most || sizes.max_bytes % ipc::page_bytes != 0 ||
        sizes.max_bytes < Region::initial_bytes) {
        ipc::fail(Errc::invalid_argument, what, directory_.path,
                  "max_bytes is " + std::to_string(sizes.max_bytes) +
                      ": it has to be a multiple of 4096 from " +
                      std::to_string(Region::initial_bytes) + " to the store's region_max_bytes, " +
                      std::to_string(most));
    }
    return {std::min(sizes.initial_bytes, sizes.max_bytes), sizes.max_bytes};
}

std::shared_ptr<Region> Store::new_region(Dimension dimension, const DimensionOptions& options,
                                          bool mutex_held) {
    const std::string op = operation("add dimension " + std::to_string(dimension) + " to");
    if (options.access) {
        check_access(*options.access, op);
    }
    const auto [initial_bytes, max_bytes] = sizes_of(options, op);
    const std::uint64_t serial = next_serial_.fetch_add(1, std::memory_order_relaxed);
    std::string name = ipc::region_file_name(dimension, serial);
    const std::string path = directory_.file(name);
    if (!budget_.take(initial_bytes, Reserve::keep)) {
        std::unique_lock lock(commit_mutex_, std::defer_lock);
        if (!mutex_held) {
            lock.lock();
        }
        make_room(initial_bytes);
        if (!budget_.take(initial_bytes, Reserve::keep)) {
            allocation_failures_.fetch_add(1, std::memory_order_relaxed);
            throw Error({.code = Errc::limit_exceeded,
                         .operation = op,
                         .path = path,
                         .detail = "the limit of " + std::to_string(budget_.limit()) +
                                   " bytes leaves no room for another region (" +
                                   std::to_string(budget_.used()) + " in use)",
                         .hint = "raise the limit (set_memory_limit)",
                         .needed = initial_bytes,
                         .limit = budget_.limit(),
                         .current = budget_.used()});
        }
    }
    const FileAccess access = options.access.value_or(options_.access);
    auto file = ipc::os::create_file(directory_.directory.get(), name, access.mode, access.group);
    STRATA_CRASH_POINT("region.file-made");
    int error = file.error;
    if (error == 0) {
        error = ipc::os::commit_range(file.value.get(), 0, initial_bytes);
        if (error != 0) {
            ipc::os::remove_file(directory_.directory.get(), name);
        }
    }
    if (error != 0) {
        budget_.give_back(initial_bytes);
        ipc::fail_errno(error, op, path,
                        "cannot create a region of " + std::to_string(initial_bytes) + " bytes",
                        error == EPERM ? "this user has to belong to the dimension's group" : "");
    }
    STRATA_CRASH_POINT("region.file-sized");
    std::shared_ptr<Region> region;
    try {
        region = std::make_shared<Region>(std::move(file.value), path, initial_bytes, max_bytes,
                                          budget_, false, op);
    } catch (...) {
        ipc::os::remove_file(directory_.directory.get(), name);
        budget_.give_back(initial_bytes);
        throw;
    }
    region->dimension = dimension;
    region->serial = region->lineage = serial;
    region->directory = directory_.directory.get();
    region->file_name = std::move(name);  // from here on it removes its file itself
    region->published.birth_epoch = epoch_.load(std::memory_order_relaxed);
    const ipc::RegionHeader header =
        ipc::make_region_header(identity(), dimension, serial, max_bytes);
    *region->at<ipc::RegionHeader>(0) = header;
    STRATA_CRASH_POINT("region.header-written");
    return region;
}

std::shared_ptr<Region> Store::region_for(Dimension dimension, const DimensionOptions& options) {
    {
        const std::lock_guard lock(regions_mutex_);
        if (auto region = current_regions_[dimension].lock()) {
            return region;
        }
    }
    // Made without the lock: making room may need to commit nothing, but does take the commit
    // mutex.
    std::shared_ptr<Region> made = new_region(dimension, options);
    const std::lock_guard lock(regions_mutex_);
    std::weak_ptr<Region>& current = current_regions_[dimension];
    if (auto region = current.lock()) {
        return region;  // another thread was quicker; ours removes itself
    }
    current = made;
    return made;
}

std::uint64_t Store::allocate(Region& region, std::uint64_t bytes, std::uint64_t alignment,
                              std::string_view what) {
    // Read before the region's lock: at worst older than the truth, which only holds blocks longer.
    const std::uint64_t birth = epoch_.load(std::memory_order_relaxed);
    bool moved_on = false;
    for (int attempt = 0;; ++attempt) {
        const Region::Allocation result = region.allocate(bytes, alignment, birth, Reserve::keep);
        if (result.refusal == Region::Refusal::none) {
            return result.offset;
        }
        const Notices notices(*this);
        const std::lock_guard lock(commit_mutex_);
        if (region.moved()) {
            return 0;  // another thread's doing
        }
        if (attempt >= 2 || !make_room(result.needed)) {
            if (!std::exchange(moved_on, true) && move_on(region.path())) {
                if (region.moved()) {
                    return 0;
                }
                continue;  // another dimension did: there may be room now
            }
            allocation_failures_.fetch_add(1, std::memory_order_relaxed);
            publish_counters(ipc::os::realtime_ns());
            fail_allocation(region, result, bytes, operation(what));
        }
    }
}

void Store::free_block(Region& region, std::uint64_t offset) noexcept { region.free(offset); }

void Store::fail_allocation(const Region& region, const Region::Allocation& refusal,
                            std::uint64_t bytes, std::string_view what) const {
    Error::Parts parts{.code = Errc::limit_exceeded,
                       .operation = std::string(what),
                       .path = region.path(),
                       .detail = std::to_string(bytes) + " bytes do not fit",
                       .errno_value = refusal.error,
                       .needed = bytes,
                       .limit = budget_.limit(),
                       .current = budget_.used()};
    switch (refusal.refusal) {
        case Region::Refusal::region_full:
            parts.limit = region.max_bytes();
            parts.current = region.end();
            parts.detail += ": the region has " + std::to_string(parts.current) + " of at most " +
                            std::to_string(parts.limit) + " bytes";
            if (bytes > region.max_bytes() - ipc::header_bytes) {
                parts.code = Errc::layer_too_large;
            }
            parts.hint = "create the store with a larger region_max_bytes";
            break;
        case Region::Refusal::no_space:
            parts.code = Errc::no_space;
            parts.detail += ": the file system is full";
            parts.hint =
                "enlarge it (for /dev/shm in a container: --shm-size), or lower the memory limit";
            break;
        case Region::Refusal::system:
            parts.code = ipc::errc_of(refusal.error);
            parts.detail += ": growing the file failed";
            break;
        default:
            parts.detail += ": the memory limit is " + std::to_string(parts.limit) +
                            " bytes, in use are " + std::to_string(parts.current);
            parts.hint = "raise the limit (set_memory_limit) or erase something";
    }
    name_holders(parts);
    throw Error(std::move(parts));
}

void Store::name_holders(Error::Parts& parts) const {
    if (limbo_.bytes() == 0) {
        return;
    }
    parts.detail += ", " + std::to_string(limbo_.bytes()) + " of them held back for readers:";
    std::size_t named = 0;
    for (const ipc::PinHolder& holder :
         ipc::pin_holders(control_.file().get(), epoch_.load(std::memory_order_relaxed))) {
        parts.detail += (named == 0 ? " process " : ", ") + std::to_string(holder.pid);
        if (++named == 16) {
            parts.detail += ", ...";
            break;
        }
    }
    parts.hint += "; let those readers drop their old snapshots";
}

ProducerStats Store::stats() const {
    check_process("stats");
    const std::lock_guard lock(commit_mutex_);
    return {.generation = root_.generation,
            .epoch = epoch_.load(std::memory_order_relaxed),
            .memory_limit = budget_.limit(),
            .committed_bytes = budget_.used(),
            .live_bytes = root_.live_bytes,
            .limbo_bytes = limbo_.bytes() + history_bytes(),
            .layers = root_.layers,
            .dimensions = root_.dimensions,
            .commits = commits_.load(std::memory_order_relaxed),
            .allocations = allocations_.load(std::memory_order_relaxed),
            .deallocations = deallocations_.load(std::memory_order_relaxed),
            .allocation_failures = allocation_failures_.load(std::memory_order_relaxed)};
}

}  // namespace strata::producer_impl

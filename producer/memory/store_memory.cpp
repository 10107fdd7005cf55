// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/store_memory.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "ipc/deadline.hpp"
#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "producer/lifecycle/create.hpp"

namespace strata::producer_impl {

namespace {

std::string new_region_operation(std::optional<Dimension> owner, std::string_view store) {
    return ipc::operation_on(
        owner ? "add dimension " + std::to_string(*owner) + " to" : "add a region to", store);
}

}  // namespace

std::uint64_t StoreMemory::reclaim(unsigned questions) {
    held_at_look_ = reclaimer_.held_bytes();
    const std::uint64_t bytes = reclaimer_.reclaim(questions);
    give_back_if_much_was_released();
    return bytes;
}

void StoreMemory::reclaim_portion(std::int64_t now_ns, std::size_t blocks) {
    if (reclaimer_.is_due(now_ns)) {
        held_at_look_ = reclaimer_.held_bytes();
        reclaimer_.begin_reclaim(PinnedEpochs::few_questions);
    }
    if (reclaimer_.reclaim_portion(blocks)) {
        give_back_if_much_was_released();
    }
}

void StoreMemory::give_back_if_much_was_released() {
    if (held_at_look_ > reclaimer_.held_bytes() +
                            std::max<std::uint64_t>(current_.root().live_bytes / 8, 1 << 20)) {
        give_back_excess();
    }
}

// The kernel wakes nobody when a lock goes, except those who wait for it in a thread of their own
// and cannot give up: so this looks again, after ever longer pauses.
bool StoreMemory::make_room(std::uint64_t bytes) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds idle_patience(10);
    constexpr std::chrono::microseconds longest_pause(4000);
    std::chrono::microseconds pause(125);
    const SlowReaderOptions& slow = options_.slow_readers;
    const auto deadline = ipc::deadline_after(
        slow.policy == SlowReaderPolicy::wait ? std::max(slow.wait, idle_patience) : idle_patience);
    std::uint64_t freed = reclaim(PinnedEpochs::many_questions);
    if (freed < bytes && durability_.pins_memory() &&
        durability_.checkpoint_held(ipc::operation_on("checkpoint", directory_.name))) {
        freed += reclaim(PinnedEpochs::many_questions);
    }
    while (freed < bytes && !reclaimer_.pins().empty() && Clock::now() < deadline) {
        control_.nudge_idle_readers();
        std::this_thread::sleep_until(std::min(deadline, Clock::now() + pause));
        pause = std::min(2 * pause, longest_pause);
        freed += reclaim(PinnedEpochs::many_questions);
    }
    const std::uint64_t trimmed = trim(ipc::page_bytes);
    return freed > 0 || trimmed > 0;
}

std::uint64_t StoreMemory::trim(std::uint64_t min_bytes) {
    std::uint64_t bytes = control_.region().trim(min_bytes);
    for (const auto& [serial, region] : current_.regions()) {
        bytes += region.region->trim(min_bytes);
    }
    for (const RetiredFile& file : reclaimer_.retired_files().files()) {
        if (file.region) {
            bytes += file.region->trim(min_bytes);
        }
    }
    return bytes;
}

// What was needed once need not be kept. Some is, for churn needs room, and short runs are not
// worth a system call.
void StoreMemory::give_back_excess() {
    const std::uint64_t needed = current_.root().live_bytes + reclaimer_.waiting().block_bytes();
    if (budget_.used() > needed + needed / 4 + (2 << 20)) {
        trim(64 << 10);
    }
}

void StoreMemory::fit_limit(std::uint64_t bytes, const std::string& operation,
                            std::string_view hint) {
    if (budget_.set_limit(bytes)) {
        return;
    }
    make_room(budget_.used() - std::min(bytes, budget_.used()));
    if (budget_.set_limit(bytes)) {
        return;
    }
    Error::Parts parts{.code = Errc::limit_exceeded,
                       .operation = operation,
                       .path = directory_.path,
                       .detail = std::to_string(budget_.used()) +
                                 " bytes are in use, the limit was to be " + std::to_string(bytes),
                       .hint = std::string(hint),
                       .needed = budget_.used(),
                       .limit = bytes,
                       .current = budget_.used()};
    reclaimer_.name_holders(parts);
    throw Error(std::move(parts));
}

std::shared_ptr<Region> StoreMemory::try_new_region(std::optional<Dimension> owner,
                                                    const DimensionOptions& options) {
    const std::string operation = new_region_operation(owner, directory_.name);
    const FileAccess access = options.access.value_or(options_.access);
    check_access(access, operation);
    const RegionFactory::Sizes sizes = factory_.sizes_of(options, operation);
    if (!budget_.take(sizes.initial_bytes, Reserve::keep)) {
        return nullptr;
    }
    return factory_.make(owner, sizes, access, reclaimer_.epoch(), operation);
}

std::shared_ptr<Region> StoreMemory::new_region(std::optional<Dimension> owner,
                                                const DimensionOptions& options) {
    if (auto region = try_new_region(owner, options)) {
        return region;
    }
    const std::string operation = new_region_operation(owner, directory_.name);
    const std::uint64_t bytes = factory_.sizes_of(options, operation).initial_bytes;
    make_room(bytes);
    if (auto region = try_new_region(owner, options)) {
        return region;
    }
    counters_.allocation_failures.add(1);
    throw Error({.code = Errc::limit_exceeded,
                 .operation = operation,
                 .path = directory_.path,
                 .detail = "the limit of " + std::to_string(budget_.limit()) + " bytes" +
                           reserve_text(budget_.limit()) + ", leaves no room for another region (" +
                           std::to_string(budget_.used()) + " in use)",
                 .hint = "raise the limit (set_memory_limit)",
                 .needed = bytes,
                 .limit = budget_.limit(),
                 .current = budget_.used()});
}

std::string StoreMemory::reserve_text(std::uint64_t limit) const {
    return ", of which " + std::to_string(MemoryBudget::reserve_of(limit)) +
           " are kept so that something can always be erased";
}

void StoreMemory::fail(const Region& region, const Region::Allocation& refusal, std::uint64_t bytes,
                       const std::string& operation) const {
    Error::Parts parts{.code = Errc::limit_exceeded,
                       .operation = operation,
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
            parts.hint = region.owner ? "create the store with a larger region_max_bytes"
                                      : "create the store with a larger region_max_bytes, or give "
                                        "large dimensions files of their own";
            break;
        case Region::Refusal::no_space:
            parts.code = Errc::no_space;
            parts.detail +=
                ": the file system is full, up to what is kept so that something can always be "
                "erased";
            parts.hint = std::string(ipc::os::full_hint) + ", or erase something";
            break;
        case Region::Refusal::system:
            parts.code = ipc::errc_of(refusal.error);
            parts.detail += ": growing the file failed";
            parts.hint = "check its file system and the limits of the process (ulimit -f)";
            throw Error(std::move(parts));  // no reader is to blame
        default:
            parts.detail += ": the memory limit is " + std::to_string(parts.limit) + " bytes" +
                            reserve_text(parts.limit) + ", in use are " +
                            std::to_string(parts.current);
            parts.hint = "raise the limit (set_memory_limit) or erase something";
    }
    reclaimer_.name_holders(parts);
    throw Error(std::move(parts));
}

}  // namespace strata::producer_impl

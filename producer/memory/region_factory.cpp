// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/region_factory.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/region_file.hpp"
#include "producer/memory/space_reserve.hpp"

namespace strata::producer_impl {

namespace {

/// Gives memory back to the budget that no region has come to own.
struct Unowned {
    MemoryBudget& budget;
    std::uint64_t bytes;

    Unowned(MemoryBudget& from, std::uint64_t taken) noexcept : budget(from), bytes(taken) {}
    Unowned(const Unowned&) = delete;
    Unowned& operator=(const Unowned&) = delete;
    ~Unowned() { budget.give_back(bytes); }
};

}  // namespace

RegionFactory::Sizes RegionFactory::sizes_of(const DimensionOptions& options,
                                             std::string_view operation) const {
    const std::uint64_t most = identity_.region_max_bytes;
    const Sizes sizes{.initial_bytes = ipc::round_up(
                          std::max(options.initial_bytes != 0 ? options.initial_bytes
                                                              : options_.region_initial_bytes,
                                   Region::initial_bytes),
                          ipc::page_bytes),
                      .max_bytes = options.max_bytes != 0 ? options.max_bytes : most};
    if (sizes.max_bytes > most || sizes.max_bytes % ipc::page_bytes != 0 ||
        sizes.max_bytes < Region::initial_bytes) {
        ipc::fail(Errc::invalid_argument, operation, directory_.path,
                  "max_bytes is " + std::to_string(sizes.max_bytes) +
                      ": it has to be a multiple of 4096 from " +
                      std::to_string(Region::initial_bytes) + " to the store's region_max_bytes, " +
                      std::to_string(most));
    }
    return {std::min(sizes.initial_bytes, sizes.max_bytes), sizes.max_bytes};
}

std::shared_ptr<Region> RegionFactory::make(std::optional<Dimension> owner, const Sizes& sizes,
                                            const FileAccess& access, std::uint64_t birth,
                                            std::string_view operation) {
    Unowned memory(budget_, sizes.initial_bytes);
    const std::uint64_t serial = next_serial_.fetch_add(1, std::memory_order_relaxed);
    std::string name = ipc::region_file_name(serial);
    const std::string path = directory_.file(name);
    const ipc::FileDescriptor& directory = directory_.directory;
    auto file = ipc::os::create_file(directory.get(), name, access.mode, access.group);
    STRATA_CRASH_POINT("region.file-made");
    int error = file.error;
    if (error == 0) {
        error = leaves_reserve(file.value, sizes.initial_bytes, Reserve::keep, budget_.limit())
                    ? ipc::os::commit_range(file.value.get(), 0, sizes.initial_bytes)
                    : ENOSPC;
        if (error != 0) {
            ipc::os::remove_file(directory.get(), name);
        }
    }
    if (error != 0) {
        ipc::fail_errno(
            error, operation, path,
            "cannot create a region of " + std::to_string(sizes.initial_bytes) + " bytes",
            error == EPERM ? "this user has to belong to the group that may read it" : "");
    }
    STRATA_CRASH_POINT("region.file-sized");
    std::shared_ptr<Region> region;
    try {
        region = std::make_shared<Region>(std::move(file.value), path, sizes.initial_bytes,
                                          sizes.max_bytes, budget_, false, operation);
    } catch (...) {
        ipc::os::remove_file(directory.get(), name);
        throw;
    }
    memory.bytes = 0;
    region->owner = owner;
    region->access = access;
    region->serial = serial;
    region->birth_epoch = birth;
    region->directory = &directory;
    region->file_name = std::move(name);  // from here on it removes its file itself
    *region->at<ipc::RegionHeader>(0) =
        ipc::make_region_header(identity_, owner, serial, sizes.max_bytes);
    STRATA_CRASH_POINT("region.header-written");
    return region;
}

std::shared_ptr<Region> RegionFactory::open(std::uint64_t serial, std::uint64_t birth,
                                            std::string_view operation) {
    ipc::OpenedRegion opened =
        ipc::open_region(directory_, identity_, serial, ipc::Access::read_write,
                         {.any_owner = false, .owner = ipc::os::effective_user()}, operation);
    std::string name = ipc::region_file_name(serial);
    const std::string path = directory_.file(name);
    const std::uint64_t file_bytes = opened.status.size_bytes;
    if (file_bytes > opened.max_bytes) {
        ipc::fail(Errc::corrupt, operation, path,
                  "has " + std::to_string(file_bytes) + " bytes, at most " +
                      std::to_string(opened.max_bytes) + " are possible");
    }
    const std::uint64_t pages = ipc::round_up(file_bytes, ipc::page_bytes);
    budget_.take_existing(pages);
    Unowned memory(budget_, pages);
    auto region = std::make_shared<Region>(std::move(opened.file), path, pages, opened.max_bytes,
                                           budget_, true, operation);
    memory.bytes = 0;
    region->owner = opened.owner;
    region->access = access_of(opened.status);
    region->serial = serial;
    region->birth_epoch = birth;
    region->found_bytes = file_bytes;
    region->directory = &directory_.directory;
    region->file_name = std::move(name);
    region->keep_file = true;
    return region;
}

void RegionFactory::skip_serials_to(std::uint64_t next) noexcept {
    std::uint64_t known = next_serial();
    while (known < next &&
           !next_serial_.compare_exchange_weak(known, next, std::memory_order_relaxed)) {
    }
}

}  // namespace strata::producer_impl

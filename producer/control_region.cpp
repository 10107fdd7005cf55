// SPDX-License-Identifier: Apache-2.0
#include "producer/control_region.hpp"

#include <utility>

#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/os.hpp"

namespace strata::producer_impl {

namespace {

// The writable description of the control file, in whole pages; a separate one because of the locks
// on it.
ipc::FileDescriptor open_whole(const ipc::StoreDirectory& directory, std::uint64_t bytes,
                               const std::string& operation) {
    const std::string path = directory.file(ipc::control_file_name);
    auto file = ipc::os::open_write(directory.directory.get(), ipc::control_file_name);
    if (!file) {
        ipc::fail_errno(file.error, operation, path, "cannot open the control file for writing");
    }
    complete_last_page(file.value, bytes, operation, path);
    return std::move(file.value);
}

// Counted before the region is made, which gives back what it finds to be holes.
std::uint64_t counted(MemoryBudget& budget, std::uint64_t bytes) noexcept {
    const std::uint64_t pages = ipc::round_up(bytes, ipc::page_bytes);
    budget.take_existing(pages);
    return pages;
}

}  // namespace

ControlRegion::ControlRegion(const ipc::StoreDirectory& directory, MemoryBudget& budget,
                             const std::string& operation)
    : file_(directory, {.any_owner = false, .owner = ipc::os::effective_user()}, operation),
      region_(open_whole(directory, file_.status().size_bytes, operation), file_.path(),
              counted(budget, file_.status().size_bytes), identity().control_max_bytes, budget,
              true, operation, ipc::control_header_bytes) {
    region_.keep_file = true;
}

void ControlRegion::wake_waiters() const noexcept {
    ipc::os::futex_wake(ipc::futex_word(cells().generation));
}

void ControlRegion::nudge_idle_readers() const noexcept {
    ipc::os::futex_wake(ipc::futex_word(cells().epoch));
}

}  // namespace strata::producer_impl

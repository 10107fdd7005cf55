// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/retired_files.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/os.hpp"
#include "producer/reclaim/limbo.hpp"
#include "producer/reserve.hpp"
#include "strata/store.hpp"

namespace strata::producer_impl {

void RetiredFiles::reserve(std::size_t count) { reserve_more(files_, count); }

std::uint64_t RetiredFiles::bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const RetiredFile& file : files_) {
        bytes += file.region ? file.region->committed_bytes() : file.bytes;
    }
    return bytes;
}

std::uint64_t RetiredFiles::remove_free(std::uint64_t last,
                                        std::span<const ipc::EpochRange> pinned) {
    std::uint64_t bytes = 0;
    std::erase_if(files_, [&](RetiredFile& file) STRATA_REQUIRES(commit_role) {
        if (file.tag > last || oldest_holder(pinned, file.birth, file.tag)) {
            return false;
        }
        const std::uint64_t before = budget_.used();
        STRATA_CRASH_POINT("reclaim.before-file");
        const bool removed = remove(file);
        STRATA_CRASH_POINT("reclaim.file-removed");
        bytes += before - std::min(before, budget_.used());
        return removed;
    });
    return bytes;
}

void RetiredFiles::remove_or_add(RetiredFile&& file) {
    reserve(1);
    if (!remove(file)) {
        add(std::move(file));
    }
}

// False: the system refuses, and the memory that it holds still counts.
bool RetiredFiles::remove(RetiredFile& file) noexcept {
    if (file.region) {
        const std::uint64_t blocks = file.region->used_blocks();
        // Nobody reads it, but idle consumers may still have it mapped: give its memory back now.
        // Unless a batch was begun before the removal and has blocks in it: then its end does that.
        if (file.region.use_count() > 1) {
            file.region->keep_file = false;
        } else {
            file.region->trim_all();
            STRATA_CRASH_POINT("reclaim.file-trimmed");
            if (!file.region->remove_file()) {
                return false;
            }
        }
        // The blocks of a dimension that was removed go with its file.
        counters_.deallocations.add(blocks);
        file.region.reset();
        return true;
    }
    // A consumer that has it mapped would keep its memory.
    const auto leftover = ipc::os::open_write(directory_.get(), file.name);
    if (leftover) {
        if (ipc::os::punch_hole(leftover.value.get(), 0, max_region_bytes) != 0) {
            return false;
        }
    } else if (leftover.error != ENOENT) {
        return false;
    }
    STRATA_CRASH_POINT("reclaim.leftover-punched");
    const int error = ipc::os::remove_file(directory_.get(), file.name);
    if (error != 0 && error != ENOENT) {
        return false;
    }
    budget_.give_back(file.bytes);
    return true;
}

void RetiredFiles::keep_all() noexcept STRATA_NO_THREAD_ANALYSIS {
    for (RetiredFile& file : files_) {
        if (file.region) {
            file.region->keep_file = true;
        }
    }
}

}  // namespace strata::producer_impl

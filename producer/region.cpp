// SPDX-License-Identifier: Apache-2.0
#include "producer/region.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"

namespace strata::producer_impl {

namespace {

// Files grow by an eighth of themselves: few system calls, little memory ahead of its use.
constexpr std::uint64_t max_growth_step = 16 << 20;

std::uint64_t growth_step(std::uint64_t file_bytes) noexcept {
    return ipc::round_up(std::clamp(file_bytes / 8, Region::initial_bytes, max_growth_step),
                         ipc::page_bytes);
}

}  // namespace

Region::Region(ipc::FileDescriptor file, std::string path, std::uint64_t file_bytes,
               std::uint64_t max_bytes, MemoryBudget& budget, bool rebuilding,
               std::string_view operation)
    : file_(std::move(file)),
      path_(std::move(path)),
      max_bytes_(max_bytes),
      budget_(budget),
      mapping_(file_.get(), max_bytes, ipc::Access::read_write, operation, path_),
      allocator_(rebuilding ? BlockAllocator::rebuilding(ipc::header_bytes, file_bytes)
                            : BlockAllocator(ipc::header_bytes, file_bytes)),
      committed_bytes_(file_bytes) {
    mapping_.exclude_from_fork();
    if (rebuilding) {
        find_holes();
    }
}

void Region::abandon() noexcept {
    mapping_.abandon();
    keep_file = true;
    file_.reset();
}

Region::~Region() {
    if (ipc::os::process_id() != owner_) {
        abandon();
        return;
    }
    if (!keep_file && !file_name.empty()) {
        // Mappings, ours and idle consumers', would keep the memory beyond the file's end: it goes
        // before the budget hears of it.
        ipc::os::punch_hole(file_.get(), 0, max_bytes_);
        STRATA_CRASH_POINT("region.dropped-punched");
        ipc::os::remove_file(directory, file_name);
    }
    budget_.give_back(committed_bytes_);
}

Region::Allocation Region::allocate_held(std::uint64_t bytes, std::uint64_t alignment,
                                         std::uint64_t birth, Reserve reserve) {
    Allocation result;
    auto offset = allocator_.allocate(bytes, birth, alignment);
    if (!offset) {
        const std::uint64_t needed = allocator_.extent_needed(bytes, alignment);
        if (!grow(needed, reserve, result)) {
            return result;
        }
        offset = allocator_.allocate(bytes, birth, alignment);
        if (!offset) {
            ipc::bug("a region was extended as needed and is still too small");
        }
    }
    if (allocator_.has_holes()) {
        bool committed = false;
        try {
            committed = commit_holes(*offset, reserve, result);
        } catch (...) {  // out of memory before anything was changed
            allocator_.free(*offset);
            throw;
        }
        if (!committed) {
            allocator_.free(*offset);
            return result;
        }
    }
    result.offset = *offset;
    return result;
}

// Commits more memory behind the end: a comfortable step if there is room for it, else what is
// needed.
bool Region::grow(std::uint64_t needed, Reserve reserve, Allocation& result) {
    const std::uint64_t end = allocator_.end();
    result.needed = needed;
    if (needed > max_bytes_ - end) {
        result.refusal = Refusal::region_full;
        return false;
    }
    const std::uint64_t comfortable =
        std::min(std::max(needed, growth_step(end)), max_bytes_ - end);
    for (const std::uint64_t step : {comfortable, needed}) {
        if (!budget_.take(step, reserve)) {
            result.refusal = Refusal::limit;
            continue;
        }
        STRATA_CRASH_POINT("grow.before");
        const int error = ipc::os::commit_range(file_.get(), end, step);
        if (error == 0) {
            STRATA_CRASH_POINT("grow.done");
            try {
                allocator_.extend(end + step);
            } catch (...) {  // the file stays longer than we use; the memory goes back
                ipc::os::punch_hole(file_.get(), end, step);
                budget_.give_back(step);
                throw;
            }
            committed_bytes_ += step;
            result.refusal = Refusal::none;
            return true;
        }
        budget_.give_back(step);
        result.error = error;
        result.refusal = error == ENOSPC || error == EDQUOT ? Refusal::no_space : Refusal::system;
    }
    return false;
}

// Gives the pages of a new block (or of its whole slab) that were trimmed away memory again, so
// that a full file system is an error here and not a SIGBUS at the first write.
bool Region::commit_holes(std::uint64_t offset, Reserve reserve, Allocation& result) {
    const std::vector<Extent> holes = allocator_.take_holes(offset);
    for (std::size_t i = 0; i < holes.size(); ++i) {
        result.needed = holes[i].bytes;
        result.error = 0;
        if (!budget_.take(holes[i].bytes, reserve)) {
            result.refusal = Refusal::limit;
        } else {
            result.error = ipc::os::commit_range(file_.get(), holes[i].offset, holes[i].bytes);
            if (result.error == 0) {
                STRATA_CRASH_POINT("grow.hole-filled");
                committed_bytes_ += holes[i].bytes;
                continue;
            }
            budget_.give_back(holes[i].bytes);
            result.refusal = result.error == ENOSPC || result.error == EDQUOT ? Refusal::no_space
                                                                              : Refusal::system;
        }
        for (; i < holes.size(); ++i) {
            allocator_.mark_hole(holes[i]);
        }
        return false;
    }
    return true;
}

void Region::free(std::uint64_t offset) {
    const std::lock_guard lock(mutex_);
    allocator_.free(offset);
}

bool Region::adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment) {
    return allocator_.adopt(offset, bytes, alignment);  // restart: nobody else is there yet
}

std::vector<std::uint64_t> Region::finish_rebuild() { return allocator_.finish_rebuild(); }

// Files may have holes that an earlier producer punched. Memory that was committed and never
// written looks the same to the search, so the kernel's own count says how much there is.
void Region::find_holes() {
    const std::uint64_t end = allocator_.end();
    const auto status = ipc::os::status(file_.get());
    if (!status || status.value.allocated_bytes >= end) {
        return;
    }
    std::uint64_t at = ipc::header_bytes;
    while (at < end) {
        const auto [data, data_end] = ipc::os::next_data(file_.get(), at, end);
        if (data > at) {
            unsettled_holes_.push_back({at, std::min(data, end) - at});
        }
        at = data_end;
    }
    const std::uint64_t held = ipc::round_up(status.value.allocated_bytes, ipc::page_bytes);
    budget_.give_back(committed_bytes_ - std::min(committed_bytes_, held));
    committed_bytes_ = std::min(committed_bytes_, held);
}

void Region::settle_holes() {
    const std::lock_guard lock(mutex_);
    if (unsettled_holes_.empty()) {
        return;
    }
    const std::vector<Extent> free = allocator_.free_runs(ipc::page_bytes);
    std::vector<Extent> holes;
    std::vector<Extent> rest;
    for (const Extent& hole : unsettled_holes_) {
        std::uint64_t at = hole.offset;
        const std::uint64_t hole_end = hole.offset + hole.bytes;
        for (const Extent& run : free) {
            const std::uint64_t from = std::max(at, run.offset);
            const std::uint64_t to = std::min(hole_end, run.offset + run.bytes);
            if (from < to) {
                if (from > at) {
                    rest.push_back({at, from - at});
                }
                holes.push_back({from, to - from});
                at = to;
            }
        }
        if (at < hole_end) {
            rest.push_back({at, hole_end - at});
        }
    }
    unsettled_holes_ = std::move(rest);
    if (holes.empty()) {
        return;
    }
    const auto before = ipc::os::status(file_.get());
    for (const Extent& hole : holes) {
        // It may have memory that was never written; from here on it has none. Marked first: what
        // is a hole and not known as one would be a SIGBUS one day.
        allocator_.mark_hole(hole);
        if (ipc::os::punch_hole(file_.get(), hole.offset, hole.bytes) == 0) {
            STRATA_CRASH_POINT("holes.settled");
        } else {
            allocator_.unmark_hole(hole);
        }
    }
    const auto after = ipc::os::status(file_.get());
    if (before && after && after.value.allocated_bytes < before.value.allocated_bytes) {
        const std::uint64_t bytes =
            std::min(before.value.allocated_bytes - after.value.allocated_bytes, committed_bytes_);
        committed_bytes_ -= bytes;
        budget_.give_back(bytes);
    }
}

std::uint64_t Region::trim(std::uint64_t min_bytes) {
    const std::lock_guard lock(mutex_);
    std::uint64_t given_back = 0;
    for (const Extent& run : allocator_.free_runs(min_bytes)) {
        allocator_.mark_hole(run);  // first: see settle_holes
        if (ipc::os::punch_hole(file_.get(), run.offset, run.bytes) != 0) {
            allocator_.unmark_hole(run);
            continue;
        }
        committed_bytes_ -= run.bytes;
        budget_.give_back(run.bytes);
        given_back += run.bytes;
        STRATA_CRASH_POINT("trim.punched");
    }
    return given_back;
}

void Region::trim_all() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t bytes = allocator_.end() - ipc::header_bytes;
    if (ipc::os::punch_hole(file_.get(), ipc::header_bytes, bytes) == 0) {
        budget_.give_back(committed_bytes_ - ipc::header_bytes);
        committed_bytes_ = ipc::header_bytes;
    }
}

std::uint64_t Region::end() const {
    const std::lock_guard lock(mutex_);
    return allocator_.end();
}

AllocatorStats Region::stats() const {
    const std::lock_guard lock(mutex_);
    return allocator_.stats();
}

}  // namespace strata::producer_impl

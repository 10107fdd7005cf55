// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/region.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/memory/space_reserve.hpp"

namespace strata::producer_impl {

namespace {

// Small: the kernel zeroes what is added while an allocation waits for it, and the zeros are still
// in the cache when they are overwritten.
constexpr std::uint64_t max_growth_step = 128 << 10;

std::uint64_t growth_step(std::uint64_t file_bytes) noexcept {
    return ipc::round_up(std::clamp(file_bytes / 8, Region::initial_bytes, max_growth_step),
                         ipc::page_bytes);
}

int commit_range(const ipc::FileDescriptor& file, const Extent& range, Reserve reserve,
                 std::uint64_t limit) {
    return leaves_reserve(file, range.bytes, reserve, limit)
               ? ipc::os::commit_range(file.get(), range.offset, range.bytes)
               : ENOSPC;
}

}  // namespace

void complete_last_page(const ipc::FileDescriptor& file, std::uint64_t bytes,
                        std::string_view operation, std::string_view path) {
    const std::uint64_t pages = ipc::round_up(bytes, ipc::page_bytes);
    if (pages != bytes) {
        if (const int error = ipc::os::commit_range(file.get(), 0, pages)) {
            ipc::fail_errno(error, operation, path, "cannot complete its last page");
        }
    }
}

Region::Region(ipc::FileDescriptor file, std::string path, std::uint64_t file_bytes,
               std::uint64_t max_bytes, MemoryBudget& budget, bool rebuilding,
               std::string_view operation, std::uint64_t begin)
    : file_(std::move(file)),
      path_(std::move(path)),
      max_bytes_(max_bytes),
      budget_(budget),
      mapping_(file_, max_bytes, ipc::Access::read_write, operation, path_),
      allocator_(rebuilding ? BlockAllocator::rebuilding(begin, file_bytes)
                            : BlockAllocator(begin, file_bytes)),
      committed_bytes_(file_bytes) {
    mapping_.exclude_from_fork();
    if (!rebuilding) {
        keep_back_free(Reserve::keep);
    }
}

bool Region::remove_file() noexcept {
    const int error = ipc::os::remove_file(directory->get(), file_name);
    if (error == 0 || error == ENOENT) {
        keep_file = true;  // there is nothing left to remove
        return true;
    }
    return false;
}

Region::~Region() {
    if (!owner_.of_this_process()) {  // neither the mapping nor the file are a child's business
        mapping_.abandon();
        return;
    }
    if (!keep_file && !file_name.empty()) {
        // Mappings, ours and idle consumers', would keep the memory beyond the file's end: it goes
        // before the budget hears of it.
        ipc::os::punch_hole(file_.get(), 0, max_bytes_);
        STRATA_CRASH_POINT("region.dropped-punched");
        remove_file();
    }
    budget_.give_back(committed_bytes_);
}

// A thirty-second of the limit and a sixteenth of the region, at most eight pages: each of the
// eight sizes of index nodes has slabs of one page, of at least eight blocks, so that is enough for
// any path from a root to a layer. In the control file there are up to six nodes of the directory,
// a record and a root record.
std::uint64_t Region::bytes_to_keep() const noexcept {
    const std::uint64_t pages =
        std::min({BlockAllocator::most_kept_pages, budget_.limit() / (32 * ipc::page_bytes),
                  max_bytes_ / (16 * ipc::page_bytes)});
    return pages * ipc::page_bytes;
}

// Of the free pages that there are. True if they are enough.
bool Region::keep_back_free(Reserve reserve) {
    const std::uint64_t wanted = bytes_to_keep();
    while (allocator_.kept_bytes() > wanted) {
        allocator_.release_last_kept();
    }
    while (allocator_.kept_bytes() < wanted) {
        const Extent kept = allocator_.keep_back(wanted - allocator_.kept_bytes());
        if (kept.bytes == 0) {
            break;
        }
        bool committed = true;
        if (allocator_.has_holes()) {
            Allocation ignored;
            try {
                committed = commit_holes(allocator_.take_kept_holes(kept), reserve, ignored);
            } catch (...) {
                allocator_.release_last_kept();
                throw;
            }
        }
        if (!committed) {
            allocator_.release_last_kept();
            break;
        }
        // Memory that was never written is a hole to the next producer.
        for (std::uint64_t page = 0; page < kept.bytes; page += ipc::page_bytes) {
            *at<volatile std::uint64_t>(kept.offset + page) = 0;
        }
    }
    keeps_enough_ = allocator_.kept_bytes() >= wanted;
    return keeps_enough_;
}

bool Region::keep_back_or_grow(Reserve reserve, Allocation& result) {
    return keep_back_free(reserve) ||
           (grow(bytes_to_keep() - allocator_.kept_bytes(), reserve, result) &&
            keep_back_free(reserve));
}

void Region::keep_back() {
    const std::lock_guard lock(mutex_);
    Allocation ignored;
    keep_back_or_grow(Reserve::use, ignored);
}

Region::Allocation Region::allocate_or_grow(std::uint64_t bytes, std::uint64_t alignment,
                                            std::uint64_t birth, Reserve reserve) {
    Allocation result;
    if (may_allocate(reserve) || keep_back_or_grow(reserve, result)) {
        result = try_allocate(bytes, alignment, birth, reserve);
    }
    // In a full region the commit of what was put there gets some as well: no other program can
    // have taken it, and puts leave the rest.
    const bool may_use = reserve == Reserve::use ||
                         (reserve == Reserve::keep_half && result.refusal == Refusal::region_full);
    if (result.refusal != Refusal::none && may_use && allocator_.kept_bytes() != 0) {
        keeps_enough_ = false;
        allocator_.release_kept();
        result = try_allocate(bytes, alignment, birth, reserve);
    }
    return result;
}

Region::Allocation Region::try_allocate(std::uint64_t bytes, std::uint64_t alignment,
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
            committed = commit_holes(allocator_.take_holes(*offset), reserve, result);
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
    // What is kept for the last commits is too little for comfort.
    for (const auto& [step, kept] : {std::pair(comfortable, Reserve::keep), {needed, reserve}}) {
        if (!budget_.take(step, kept)) {
            result.refusal = Refusal::limit;
            continue;
        }
        STRATA_CRASH_POINT("grow.before");
        const int error = commit_range(file_, {end, step}, kept, budget_.limit());
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
        result.refusal = ipc::os::is_full(error) ? Refusal::no_space : Refusal::system;
    }
    return false;
}

// Gives the pages of a new block (or of its whole slab) that were trimmed away memory again, so
// that a full file system is an error here and not a SIGBUS at the first write.
bool Region::commit_holes(const std::vector<Extent>& holes, Reserve reserve, Allocation& result) {
    for (std::size_t i = 0; i < holes.size(); ++i) {
        result.needed = holes[i].bytes;
        result.error = 0;
        if (!budget_.take(holes[i].bytes, reserve)) {
            result.refusal = Refusal::limit;
        } else {
            result.error = commit_range(file_, holes[i], reserve, budget_.limit());
            if (result.error == 0) {
                STRATA_CRASH_POINT("grow.hole-filled");
                committed_bytes_ += holes[i].bytes;
                continue;
            }
            budget_.give_back(holes[i].bytes);
            result.refusal = ipc::os::is_full(result.error) ? Refusal::no_space : Refusal::system;
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

std::vector<std::uint64_t> Region::finish_rebuild(std::string_view operation) {
    give_up_holes(operation);
    return allocator_.finish_rebuild();
}

// Where earlier producers gave memory back there is a hole now, and has to be known as one: what is
// written there needs memory first. Memory that was committed and never written looks the same to
// the search; it is given back, too, so that all holes are what they seem. (The file system's own
// count is no help: some count memory beyond the file's end.) Only what nobody uses is changed, and
// not even its contents, which are zeros in either case.
void Region::give_up_holes(std::string_view operation) {
    std::uint64_t hole_bytes = 0;
    // The last answer: from where it was asked for, a hole up to `begin`, then data up to `end`. It
    // serves all gaps in that range, for the kernel walks all pages of the data to find its end.
    ipc::os::DataRange known{};
    for (const Extent& gap : allocator_.free_runs(ipc::page_bytes)) {
        const std::uint64_t gap_end = gap.offset + gap.bytes;
        for (std::uint64_t at = gap.offset; at < gap_end;) {
            if (at >= known.end) {
                const auto data = ipc::os::next_data(file_.get(), at, allocator_.end());
                if (!data) {
                    ipc::fail_errno(data.error, operation, path_, "cannot look for its holes");
                }
                known = data.value;
            }
            // Whole pages without data; the file system may speak of smaller units.
            const std::uint64_t hole_end = std::min(known.begin, gap_end) & ~(ipc::page_bytes - 1);
            if (hole_end > at) {
                const Extent hole{at, hole_end - at};
                allocator_.mark_hole(hole);
                if (ipc::os::punch_hole(file_.get(), hole.offset, hole.bytes) == 0) {
                    hole_bytes += hole.bytes;  // else it counts on, and twice when it is used
                }
            }
            at = std::max(ipc::round_up(known.end, ipc::page_bytes), hole_end + ipc::page_bytes);
        }
    }
    committed_bytes_ -= hole_bytes;
    budget_.give_back(hole_bytes);
}

std::uint64_t Region::trim(std::uint64_t min_bytes) {
    const std::lock_guard lock(mutex_);
    std::uint64_t given_back = 0;
    if (emptied_) {
        return 0;  // the allocator does not know
    }
    keep_back_free(Reserve::keep);
    for (const Extent& run : allocator_.free_runs(min_bytes)) {
        // First: what is a hole and not known as one would be a SIGBUS one day.
        allocator_.mark_hole(run);
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
    if (!emptied_ && ipc::os::punch_hole(file_.get(), ipc::header_bytes, bytes) == 0) {
        emptied_ = true;
        budget_.give_back(committed_bytes_ - ipc::header_bytes);
        committed_bytes_ = ipc::header_bytes;
    }
}

std::uint64_t Region::end() const {
    const std::lock_guard lock(mutex_);
    return allocator_.end();
}

std::uint64_t Region::used_blocks() const noexcept {
    const std::lock_guard lock(mutex_);
    return allocator_.used_blocks();
}

MemoryStatistics Region::statistics() const {
    const std::lock_guard lock(mutex_);
    return allocator_.statistics();
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/named_files.hpp"

// Newer than the headers of the oldest system that we build on.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace strata::ipc::os {

namespace {
constexpr long cachestat_number = 451;  // on all architectures but alpha
}  // namespace

std::size_t page_size() noexcept {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

Result<const std::byte*> map_file(int fd, std::uint64_t offset, std::uint64_t bytes) {
    if (bytes > PTRDIFF_MAX) {
        return {nullptr, ENOMEM};
    }
    void* const base = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ,
                              MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(offset));
    if (base == MAP_FAILED) {
        return {nullptr, errno};
    }
    return {static_cast<const std::byte*>(base)};
}

void unmap_file(const std::byte* base, std::uint64_t bytes) noexcept {
    ::munmap(const_cast<std::byte*>(base), static_cast<std::size_t>(bytes));
}

namespace {

struct PageRange {
    std::byte* begin;
    std::size_t bytes;
};

PageRange whole_pages(const std::byte* at, std::uint64_t bytes) noexcept {
    const std::size_t inside = reinterpret_cast<std::uintptr_t>(at) % page_size();
    return {const_cast<std::byte*>(at) - inside, static_cast<std::size_t>(bytes) + inside};
}

}  // namespace

int advise_mapping(const std::byte* at, std::uint64_t bytes, Advice advice) noexcept {
    int meant = MADV_NORMAL;
    switch (advice) {
        case Advice::normal: break;
        case Advice::sequential: meant = MADV_SEQUENTIAL; break;
        case Advice::random: meant = MADV_RANDOM; break;
        case Advice::huge_pages: meant = MADV_HUGEPAGE; break;
        case Advice::will_need: meant = MADV_WILLNEED; break;
        case Advice::populate: meant = MADV_POPULATE_READ; break;
        case Advice::populate_writable: meant = MADV_POPULATE_WRITE; break;
    }
    const PageRange range = whole_pages(at, bytes);
    // EAGAIN may pass while pages are read, but not where it says that there is no mapping to
    // spare.
    const int attempts = advice == Advice::populate ? 16 : 1;
    int error = 0;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        error = retry([&] { return ::madvise(range.begin, range.bytes, meant); }) == 0 ? 0 : errno;
        if (error != EAGAIN) {
            break;
        }
    }
    return error;
}

Result<CachedPages> cached_pages(int fd, std::uint64_t offset, std::uint64_t bytes) {
    // struct cachestat_range and struct cachestat of <linux/mman.h>.
    const std::array<std::uint64_t, 2> range{offset, bytes};
    struct {
        std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } found{};
    if (bytes == 0) {  // to the kernel: up to the end of the file
        return {};
    }
    if (::syscall(cachestat_number, fd, range.data(), &found, 0) != 0) {
        return {{}, errno};
    }
    return {{.resident = found.cached * page_size(),
             .dirty = (found.dirty + found.writeback) * page_size(),
             .evicted = found.evicted * page_size()}};
}

Result<std::uint64_t> resident_bytes(const std::byte* at, std::uint64_t bytes) {
    if (bytes == 0) {
        return {};
    }
    const PageRange range = whole_pages(at, bytes);
    std::array<unsigned char, 4096> pages{};
    std::uint64_t resident = 0;
    const std::size_t step = pages.size() * page_size();
    for (std::size_t done = 0; done < range.bytes; done += step) {
        const std::size_t part = std::min(step, range.bytes - done);
        if (::mincore(range.begin + done, part, pages.data()) != 0) {
            return {0, errno};
        }
        const std::size_t count = (part + page_size() - 1) / page_size();
        resident += static_cast<std::uint64_t>(
            std::count_if(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count),
                          [](unsigned char page) { return (page & 1U) != 0; }));
    }
    return {resident * page_size()};
}

}  // namespace strata::ipc::os

// SPDX-License-Identifier: Apache-2.0
#include "directory/preload.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include "directory/open_file.hpp"
#include "ipc/background_thread.hpp"
#include "ipc/os/fault.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

using ipc::os::Advice;

namespace {

// For kernels before 5.14.
int touch(const ChunkMap::Run& run) noexcept {
    const ipc::FaultGuard guard;
    const auto touch_byte = [](const std::byte* at) {
        [[maybe_unused]] const auto byte = *static_cast<const volatile std::byte*>(at);
    };
    touch_byte(run.begin);
    const std::uint64_t page = ipc::os::page_size();
    const std::uint64_t inside = reinterpret_cast<std::uintptr_t>(run.begin) % page;
    for (std::uint64_t at = page - inside; at < run.bytes; at += page) {
        touch_byte(run.begin + at);
    }
    return guard.faulted() ? EFAULT : 0;
}

// Populating reads as faults do, with the read-ahead that the mapping's advice stands for.
int populate(const OpenFile& file, std::uint64_t offset, std::uint64_t size) noexcept {
    int error = 0;
    file.for_each_run(offset, size, [&](const ChunkMap::Run& run) {
        error = ipc::os::advise_mapping(run.begin, run.bytes, Advice::populate);
        if (error == EINVAL) {
            error = touch(run);
        }
        return error == 0;
    });
    return error;
}

void advise(const OpenFile& file, std::uint64_t offset, std::uint64_t size,
            Advice advice) noexcept {
    file.for_each_run(offset, size, [&](const ChunkMap::Run& run) {
        ipc::os::advise_mapping(run.begin, run.bytes, advice);  // a hint: may fail
        return true;
    });
}

// One thread asks the disk for one thing at a time and copies nothing meanwhile. Several keep its
// queue filled; the steps they take are in the order of the file.
int populate_in_parallel(const OpenFile& file, std::uint64_t offset, std::uint64_t size) noexcept {
    constexpr std::uint64_t most_threads = 8;
    std::atomic<std::uint64_t> next{0};  // relaxed: joining the threads orders all that they did
    std::atomic<int> failure{0};
    const auto work = [&]() noexcept {
        while (failure.load(std::memory_order_relaxed) == 0) {
            const std::uint64_t at = next.fetch_add(preload_step, std::memory_order_relaxed);
            if (at >= size) {
                return;
            }
            const int error = populate(file, offset + at, std::min(preload_step, size - at));
            if (error != 0) {
                failure.store(error, std::memory_order_relaxed);
            }
        }
    };
    std::array<ipc::BackgroundThread, most_threads - 1> helpers;
    const std::uint64_t steps = (size - 1) / preload_step;  // beyond our own first one
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(steps, helpers.size()); ++i) {
        if (!helpers[i].start(work)) {
            break;  // with those that there are
        }
    }
    work();
    for (ipc::BackgroundThread& helper : helpers) {
        if (helper.running()) {
            helper.join();
        }
    }
    return failure.load(std::memory_order_relaxed);
}

}  // namespace

ipc::os::Advice advice_to_kernel(ReadAdvice advice) noexcept {
    switch (advice) {
        case ReadAdvice::sequential: return Advice::sequential;
        case ReadAdvice::random: return Advice::random;
        case ReadAdvice::normal: break;
    }
    return Advice::normal;
}

int preload_part(const OpenFile& file, std::uint64_t offset, std::uint64_t size) noexcept {
    // Without read-ahead it would come page by page. Otherwise asking for it first is slower.
    if (file.advice() == ReadAdvice::random) {
        advise(file, offset, size, Advice::will_need);
    }
    return populate_in_parallel(file, offset, size);
}

int preload_whole(const OpenFile& file) noexcept {
    if (file.advice() == ReadAdvice::random) {
        advise(file, 0, file.size(), Advice::normal);
    }
    advise(file, 0, file.size(), Advice::huge_pages);
    const int error = populate_in_parallel(file, 0, file.size());
    // As it is now: another thread may have advised meanwhile.
    advise(file, 0, file.size(), advice_to_kernel(file.advice()));
    return error;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

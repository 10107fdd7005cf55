// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/allocations.hpp"

#include <cstdint>
#include <cstdlib>
#include <new>

namespace strata::test {

namespace {

struct Watch {
    Stage* stage = nullptr;
    std::uint64_t nth = 0;  // 0: none is refused
    bool sticky = false;
    bool in_background = false;
};
Watch watch;
thread_local bool is_main = false;

bool refused() noexcept {
    Stage* const stage = watch.stage;
    if (stage == nullptr || !stage->armed || (is_main && stage->own_work)) {
        return false;
    }
    const std::uint64_t count = ++stage->allocations[is_main ? 0 : 1];
    if (watch.nth == 0) {
        return false;
    }
    const bool begins = watch.in_background != is_main && count == watch.nth;
    const bool goes_on = watch.sticky && stage->refused > 0;
    if (!begins && !goes_on) {
        return false;
    }
    if (stage->refused.fetch_add(1) == 0) {
        Stage::copy(stage->step, stage->refused_in);
    }
    return true;
}

// `alignment` 0: that of malloc.
void* allocate(std::size_t bytes, std::size_t alignment) {
    void* memory = nullptr;
    if (!refused()) {
        memory = alignment == 0 ? std::malloc(bytes == 0 ? 1 : bytes)
                                : std::aligned_alloc(
                                      alignment, (bytes + alignment - 1) / alignment * alignment);
    }
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

void watch_allocations(const std::optional<Plan>& plan, Stage& stage) {
    is_main = true;
    if (plan && plan->site.kind == allocation_kind) {
        watch.nth = plan->nth;
        watch.sticky = plan->sticky;
        watch.in_background = plan->site.thread == ThreadClass::background;
    }
    watch.stage = &stage;
}

}  // namespace strata::test

using strata::test::allocate;

void* operator new(std::size_t bytes) { return allocate(bytes, 0); }
void* operator new[](std::size_t bytes) { return allocate(bytes, 0); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

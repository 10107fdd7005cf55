// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/crash_points.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>

#include "crash_point_list.hpp"  // written when the build is configured

namespace strata::test {

namespace {

static_assert(std::size(crash_point_list) <= max_crash_points);

Ledger* armed_ledger = nullptr;
std::string_view armed_point;
std::size_t armed_index = 0;
std::atomic<std::int64_t> hits_left{0};

}  // namespace

std::span<const std::string_view> crash_points() noexcept { return crash_point_list; }

void arm(Ledger& ledger, std::string_view point, std::uint64_t hit) noexcept {
    const auto found = std::find(std::begin(crash_point_list), std::end(crash_point_list), point);
    if (found != std::end(crash_point_list)) {
        armed_ledger = &ledger;
        armed_point = point;
        armed_index = static_cast<std::size_t>(found - std::begin(crash_point_list));
        hits_left.store(static_cast<std::int64_t>(hit));
    }
}

}  // namespace strata::test

namespace strata::ipc {

void crash_point(const char* name) noexcept {
    using namespace strata::test;
    if (armed_ledger != nullptr && armed_point == name && hits_left.fetch_sub(1) == 1) {
        armed_ledger->deaths_at[armed_index].fetch_add(1);
        std::raise(SIGKILL);
    }
}

}  // namespace strata::ipc

// SPDX-License-Identifier: Apache-2.0
// How much of the limits on files a process has used: what an error says when it met one.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "ipc/os/named_files.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"

using namespace strata;
using namespace strata::test;
namespace os = strata::ipc::os;

namespace {

std::uint64_t listed() {  // without the one that lists them
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::uint64_t>(std::distance(begin(all), end(all))) - 1;
}

void limit_descriptors(std::uint64_t count) {
    rlimit limit{};
    STRATA_REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = count;
    STRATA_REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

// Older kernels do not tell the number of descriptors as the size of their directory.
void make_kernel_old() { refuse_call(SYS_newfstatat, ENOENT); }

}  // namespace

TEST_CASE("the descriptors of a process are counted, whether the kernel tells or not") {
    Child child = Child::start([](const Channel&) {
        ::close_range(100, ~0U, 0);  // what whoever runs the tests has left open
        limit_descriptors(100);
        STRATA_REQUIRE_EQ(os::descriptor_count().limit.value_or(0), 100U);
        const std::uint64_t few = listed();
        STRATA_REQUIRE_EQ(os::descriptor_count().used, few);
        for (const int number : {50, 98, 99}) {
            STRATA_REQUIRE(::dup2(0, number) == number);
        }
        STRATA_REQUIRE_EQ(listed(), few + 3);
        STRATA_REQUIRE_EQ(os::descriptor_count().used, few + 3);
        make_kernel_old();
        STRATA_REQUIRE_EQ(os::descriptor_count().used, few + 3);
        STRATA_REQUIRE_EQ(os::descriptor_count().limit.value_or(0), 100U);
    });
    CHECK(child.join() == "");
}

TEST_CASE("a process that has no descriptor left has used them all, and no more than that") {
    Child child = Child::start([](const Channel&) {
        limit_descriptors(100);
        STRATA_REQUIRE(::dup2(0, 60) == 60);
        limit_descriptors(60);
        while (::dup(0) >= 0) {
        }
        STRATA_REQUIRE_EQ(errno, EMFILE);
        make_kernel_old();
        const os::LimitUse use = os::descriptor_count();
        STRATA_REQUIRE_EQ(use.limit.value_or(0), 60U);
        STRATA_REQUIRE_EQ(use.used, 60U);  // 60 itself is beyond the limit
    });
    CHECK(child.join() == "");
}

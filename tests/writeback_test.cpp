// SPDX-License-Identifier: Apache-2.0
// Asking the kernel to begin writing before the files are flushed saves time and nothing else:
// refused, every file is flushed all the same, and a flush that fails is noticed.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

std::atomic<int> refused_with{0};  // 0: it is not refused
std::atomic<unsigned> begun{0};
std::atomic<bool> only_begun{true};  // neither waited for, nor of a part of the file

}  // namespace

// The C library's name: the library under test calls this.
extern "C" int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags) {
    ++begun;
    if (offset != 0 || bytes != 0 || flags != SYNC_FILE_RANGE_WRITE) {
        only_begun = false;
    }
    if (const int error = refused_with.load()) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_sync_file_range, fd, offset, bytes, flags));
}

namespace {

/// The flushes of a checkpoint that has two dimensions' files to flush: each is refused once, and
/// nothing is durable then.
unsigned flushes_of_a_checkpoint() {
    unsigned flushes = 0;
    for (std::uint64_t n = 1;; ++n) {
        const TempStore store(TempStore::Regions::own);
        ProducerOptions options = store.producer_options();
        options.durability.policy = DurabilityPolicy::off;
        Producer producer = Producer::create(store.name(), options);
        publish(producer, {1, 1}, "x");
        publish(producer, {2, 1}, "x");
        const Generation durable = producer.checkpoint();
        publish(producer, {1, 1}, "y");
        const Generation published = publish(producer, {2, 1}, "y");
        std::optional<Error> refused;
        {
            const FailingCallAnywhere failing(n, EIO);
            refused = error_of([&] { producer.checkpoint(); });
        }
        CAPTURE(n);
        const std::string name = FailingCallAnywhere::name();
        if (!FailingCallAnywhere::happened()) {
            CHECK(!refused);
            CHECK(producer.durable_generation() == published);
            return flushes;
        }
        if (name == "fsync" || name == "fdatasync") {
            REQUIRE(refused);
            CHECK(refused->code() == Errc::durability_lost);
            CHECK(producer.durable_generation() == durable);
            ++flushes;
        }
    }
}

}  // namespace

TEST_CASE("a kernel that does not begin to write early loses no flush, and hides no failed one") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    const unsigned flushes = flushes_of_a_checkpoint();
    CHECK(flushes >= 4);  // of two regions, the control file and the slots
    CHECK(begun > 0);
    for (const int error : {EIO, ENOSPC, ENOSYS, EPERM}) {
        CAPTURE(error);
        begun = 0;
        refused_with = error;
        CHECK(flushes_of_a_checkpoint() == flushes);
        refused_with = 0;
        CHECK(begun > 0);
    }
    CHECK(only_begun);  // to wait would take away an error that the flush has to find
}

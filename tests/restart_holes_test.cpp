// SPDX-License-Identifier: Apache-2.0
// A producer that takes over a store with very many gaps learns from few questions which of them
// have memory, and is right about it.
#include <cstdint>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::payload_of;
using strata::test::TempStore;

namespace {

constexpr std::uint64_t layers = 4000;
constexpr std::size_t page_payload = 3000;  // a page each

thread_local std::uint64_t seeks = 0;

// Where layers of about a page were erased in a pattern that leaves gaps everywhere.
void make_gaps(Producer& producer) {
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        batch.put({1, layer}, payload_of(layer, 1, page_payload));
    }
    batch.crystallize();
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        if (layer % 3 == 1 || layer % 64 < 20) {
            batch.erase({1, layer});
        }
    }
    batch.crystallize();
    producer.reclaim();
}

}  // namespace

// Counts the library's questions.
extern "C" off_t lseek(int fd, off_t offset, int whence) noexcept {
    ++seeks;
    return static_cast<off_t>(::syscall(SYS_lseek, fd, offset, whence));
}

TEST_CASE("a restart asks for holes once for each stretch of data, not once for each gap") {
    const TempStore store;
    {
        Producer producer = store.create();
        make_gaps(producer);
    }
    seeks = 0;
    Producer producer = store.open();
    CHECK(seeks > 0);  // they do come past here
    CHECK(seeks < 40);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("a restart tells holes from gaps that have memory, whatever their order") {
    const TempStore store;
    Producer producer = store.create();
    make_gaps(producer);
    // Long gaps lose their memory, short ones keep it; then new ones come between them.
    producer.trim();
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < layers; layer += 128) {
        for (std::uint64_t i = 25; i < 40; ++i) {
            batch.erase({1, layer + i});
        }
    }
    batch.crystallize();
    producer.reclaim();
    for (int restart = 0; restart < 3; ++restart) {
        { const Producer ended = std::move(producer); }
        seeks = 0;
        producer = store.open();
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        // What was taken for memory and is none would be a SIGBUS on a full file system; here it
        // would be memory that nobody counts.
        Batch again = producer.batch();
        for (std::uint64_t layer = 0; layer < 200; ++layer) {
            again.put({2, layer}, payload_of(layer, 2, page_payload));
        }
        again.crystallize();
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    }
}

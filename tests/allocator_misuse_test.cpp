// SPDX-License-Identifier: Apache-2.0
// What the block allocator calls a bug of its owner ends the process, before it corrupts a file.
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "producer/memory/block_allocator.hpp"
#include "producer/memory/page_runs.hpp"
#include "tests/support/process.hpp"

using namespace strata::producer_impl;
using strata::test::Channel;
using strata::test::Child;

namespace {

constexpr std::uint64_t begin = 64 * page_bytes;
constexpr std::uint64_t end = 320 * page_bytes;

// What is wrong with the way it ended; empty if it aborted.
template <class Misuse>
std::string why_not_aborted(Misuse misuse) {
    return Child::start([misuse](Channel&) {
               ::close(STDERR_FILENO);  // it says so there
               misuse();
           })
        .join_killed(SIGABRT);
}

}  // namespace

TEST_CASE("offsets that are no block's are refused, wherever they point") {
    BlockAllocator allocator(begin, end);
    const std::uint64_t small = allocator.allocate(100, 1).value();
    const std::uint64_t other = allocator.allocate(100, 1).value();
    const std::uint64_t run = allocator.allocate(20 * page_bytes, 1).value();
    allocator.free(other);
    for (const std::uint64_t offset :
         {std::uint64_t{0}, begin - 1, end, end + page_bytes, ~std::uint64_t{0}, small + 1,
          small + block_unit, other, run + 1, run + page_bytes, run - 1, run + 20 * page_bytes}) {
        CAPTURE(offset);
        CHECK(why_not_aborted([&] { allocator.free(offset); }) == "");
        CHECK(why_not_aborted([&] { allocator.block_bytes(offset); }) == "");
        CHECK(why_not_aborted([&] { allocator.birth(offset); }) == "");
        CHECK(why_not_aborted([&] { allocator.take_holes(offset); }) == "");
    }
    CHECK(Child::start([&](Channel&) {
              allocator.free(small);
              allocator.free(run);
          }).join() == "");
}

TEST_CASE("a block is freed once") {
    BlockAllocator allocator(begin, end);
    const std::uint64_t kept = allocator.allocate(100, 1).value();
    for (const std::uint64_t bytes : {std::uint64_t{100}, 20 * page_bytes}) {
        const std::uint64_t offset = allocator.allocate(bytes, 1).value();
        allocator.free(offset);
        CHECK(why_not_aborted([&] { allocator.free(offset); }) == "");
    }
    CHECK(allocator.block_bytes(kept) >= 100);
}

TEST_CASE("alignments, births and ends that cannot be are refused") {
    BlockAllocator allocator(begin, end);
    for (const std::uint64_t alignment : std::initializer_list<std::uint64_t>{0, 3, 48, 65, 8192}) {
        CAPTURE(alignment);
        CHECK(why_not_aborted([&] { allocator.allocate(100, 1, alignment); }) == "");
        CHECK(why_not_aborted([&] { (void)allocator.extent_needed(100, alignment); }) == "");
        CHECK(why_not_aborted([&] { (void)BlockAllocator::rounded_bytes(100, alignment); }) == "");
    }
    constexpr std::uint64_t births = std::uint64_t{1} << 48;
    CHECK(why_not_aborted([&] { allocator.allocate(100, births); }) == "");
    CHECK(allocator.birth(allocator.allocate(100, births - 1).value()) == births - 1);
    CHECK(why_not_aborted([&] { allocator.extend(end - page_bytes); }) == "");
    CHECK(why_not_aborted([&] { allocator.extend(end + 1); }) == "");
    CHECK(why_not_aborted([] { const BlockAllocator unaligned(begin + 1, end); }) == "");
    CHECK(why_not_aborted([] { const BlockAllocator unaligned(begin, end - 1); }) == "");
    allocator.extend(end);  // nothing new is no bug
    CHECK(allocator.end() == end);
}

TEST_CASE("holes lie within the region, on pages") {
    BlockAllocator allocator(begin, end);
    for (const Extent hole :
         {Extent{0, page_bytes}, Extent{end, page_bytes}, Extent{end - page_bytes, 2 * page_bytes},
          Extent{begin + 1, page_bytes}, Extent{begin, page_bytes + 1}}) {
        CAPTURE(hole.offset);
        CHECK(why_not_aborted([&] { allocator.mark_hole(hole); }) == "");
    }
    allocator.mark_hole({end - page_bytes, page_bytes});
    CHECK(allocator.statistics().hole_bytes == page_bytes);
}

TEST_CASE("a rebuild allows nothing but adopting, and adopting nothing but a rebuild") {
    BlockAllocator rebuilding = BlockAllocator::rebuilding(begin, end);
    REQUIRE(rebuilding.adopt(begin + 4 * page_bytes, 20 * page_bytes));
    REQUIRE(rebuilding.adopt(begin, 100));
    CHECK(why_not_aborted([&] { rebuilding.allocate(100, 1); }) == "");
    CHECK(why_not_aborted([&] { rebuilding.allocate(20 * page_bytes, 1); }) == "");
    CHECK(why_not_aborted([&] { rebuilding.free(begin + 4 * page_bytes); }) == "");
    CHECK(why_not_aborted([&] { rebuilding.free(begin); }) == "");
    CHECK(why_not_aborted([&] { rebuilding.extend(end + page_bytes); }) == "");
    rebuilding.finish_rebuild();
    CHECK(why_not_aborted([&] { rebuilding.adopt(begin, 100); }) == "");
    CHECK(why_not_aborted([&] { rebuilding.finish_rebuild(); }) == "");
    rebuilding.free(begin + 4 * page_bytes);
}

TEST_CASE("pages are given out once, and come back once") {
    PageRuns pages(64, 320);
    pages.claim({70, 100});
    for (const PageRun run :
         {PageRun{70, 1}, PageRun{169, 1}, PageRun{60 + 64, 30}, PageRun{69, 2}, PageRun{169, 2}}) {
        CAPTURE(run.first);
        CHECK(why_not_aborted([&] { pages.claim(run); }) == "");
    }
    for (const PageRun run : {PageRun{69, 1}, PageRun{170, 1}, PageRun{69, 2}, PageRun{169, 2}}) {
        CAPTURE(run.first);
        CHECK(why_not_aborted([&] { pages.release(run); }) == "");
    }
    CHECK(why_not_aborted([] { const PageRuns backwards(320, 64); }) == "");
    CHECK(why_not_aborted([&] { pages.extend(319); }) == "");
    pages.release({70, 100});
    CHECK(pages.free_pages() == 256);
    CHECK(pages.valid());
}

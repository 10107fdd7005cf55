// SPDX-License-Identifier: Apache-2.0
// What a region keeps back of its pages: how much, who gets it, and when it is kept again.
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/os.hpp"
#include "producer/memory/region.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::producer_impl;
using strata::test::TempBase;

namespace {

constexpr std::uint64_t page = ipc::page_bytes;
constexpr std::uint64_t file_pages = 16;  // the first is the header's

/// A region whose budget has no room for more, until it is given some.
struct Tight {
    explicit Tight(std::uint64_t limit = 1_MiB, std::uint64_t max_bytes = 1_MiB)
        : budget(limit),
          region(made(base), path(base), file_pages * page, max_bytes, budget, false, "test") {
        region.keep_file = true;
        budget.take_existing(limit);
    }
    ~Tight() {
        budget.give_back(budget.used());
        budget.take_existing(region.committed_bytes());
    }

    static std::string path(const TempBase& base) { return (base.path() / "region").string(); }
    static ipc::FileDescriptor made(const TempBase& base) {
        ipc::FileDescriptor file(::open(path(base).c_str(), O_RDWR | O_CREAT, 0600));
        REQUIRE(ipc::os::commit_range(file.get(), 0, file_pages * page) == 0);
        return file;
    }
    Region::Allocation take(std::uint64_t bytes, Reserve reserve) {
        return region.allocate(bytes, block_unit, 0, reserve);
    }
    bool takes(std::uint64_t bytes, Reserve reserve) {
        return take(bytes, reserve).refusal == Region::Refusal::none;
    }
    /// Runs of three pages, then of one, as long as there are any: their offsets.
    std::vector<std::uint64_t> fill() {
        std::vector<std::uint64_t> offsets;
        for (const std::uint64_t bytes : {3 * page, page}) {
            for (;;) {
                const Region::Allocation got =
                    region.allocate(bytes, bytes == page ? page : block_unit, 0, Reserve::keep);
                if (got.refusal != Region::Refusal::none) {
                    break;
                }
                offsets.push_back(got.offset);
            }
        }
        return offsets;
    }
    std::uint64_t free_pages() const { return region.statistics().free_bytes / page; }
    std::uint64_t allocated_bytes() const {
        struct stat status {};
        REQUIRE(::fstat(region.file().get(), &status) == 0);
        return static_cast<std::uint64_t>(status.st_blocks) * 512;
    }

    TempBase base;
    MemoryBudget budget;
    Region region;
};

}  // namespace

TEST_CASE(
    "a region keeps eight pages back, or a thirty-second of the limit, or a sixteenth of it") {
    const auto kept = [](std::uint64_t limit, std::uint64_t max_bytes) {
        Tight tight(limit, max_bytes);
        tight.fill();
        return tight.free_pages();
    };
    CHECK(kept(280_MiB, 64_MiB) == 8);
    CHECK(kept(1_MiB, 512_KiB) == 8);
    CHECK(kept(512_KiB, 64_MiB) == 4);
    CHECK(kept(128_KiB, 64_MiB) == 1);
    CHECK(kept(127_KiB, 64_MiB) == 0);
    CHECK(kept(64_MiB, 256_KiB) == 4);
    CHECK(kept(64_MiB, 64_KiB) == 1);
}

TEST_CASE("what was cut from the kept pages is for erasing, until they are kept again") {
    Tight tight;
    std::vector<std::uint64_t> filled = tight.fill();
    REQUIRE_FALSE(tight.takes(32, Reserve::keep_half));
    REQUIRE(tight.takes(32, Reserve::use));  // a slab with room for more of them
    CHECK_FALSE(tight.takes(32, Reserve::keep));
    CHECK_FALSE(tight.takes(32, Reserve::keep_half));
    CHECK(tight.takes(32, Reserve::use));
    CHECK(tight.free_pages() == 7);
    tight.region.free(filled.back());
    CHECK(tight.takes(32, Reserve::keep));
    CHECK(tight.free_pages() >= 8);
    CHECK(tight.takes(32, Reserve::keep_half));
}

TEST_CASE("pages are kept again where the file grows, if none is free") {
    Tight tight;
    tight.fill();
    REQUIRE(tight.takes(32, Reserve::use));
    REQUIRE_FALSE(tight.takes(32, Reserve::keep));
    const std::uint64_t before = tight.region.committed_bytes();
    tight.budget.give_back(512_KiB);
    CHECK(tight.takes(32, Reserve::keep));
    CHECK(tight.region.committed_bytes() > before);
    CHECK(tight.free_pages() >= 8);
}

TEST_CASE("in a full region the commit of a put gets what is kept, and nowhere else") {
    Tight full(64_MiB, file_pages * page);  // a page is kept
    full.fill();
    REQUIRE(full.take(page, Reserve::keep).refusal == Region::Refusal::region_full);
    CHECK_FALSE(full.takes(512, Reserve::keep));
    CHECK(full.takes(512, Reserve::keep_half));
    CHECK(full.takes(512, Reserve::use));
    Tight tight;
    tight.fill();
    CHECK(tight.take(512, Reserve::keep_half).refusal == Region::Refusal::limit);
}

TEST_CASE("a trim keeps pages before it gives any back, and gives back what is kept too many") {
    Tight tight;
    const std::vector<std::uint64_t> filled = tight.fill();
    REQUIRE(tight.takes(32, Reserve::use));
    for (const std::uint64_t offset : filled) {
        tight.region.free(offset);
    }
    CHECK(tight.region.trim(page) == (tight.free_pages() - 8) * page);
    CHECK(tight.region.committed_bytes() == tight.allocated_bytes());
    CHECK(tight.takes(32, Reserve::keep));  // they are there: it needs no more
    tight.budget.give_back(tight.budget.used());
    REQUIRE(tight.budget.set_limit(512_KiB));
    tight.budget.take_existing(512_KiB);
    CHECK(tight.region.trim(page) == 4 * page);
    CHECK(tight.region.committed_bytes() == tight.allocated_bytes());
}

TEST_CASE("a page that gets no memory is not kept") {
    Tight tight;
    const std::vector<std::uint64_t> filled = tight.fill();
    for (const std::uint64_t offset : filled) {
        tight.region.free(offset);
    }
    const std::uint64_t given_back = tight.region.trim(page);
    REQUIRE(given_back == 7 * page);
    tight.budget.take_existing(given_back);  // somebody else's now
    REQUIRE(tight.takes(7 * page, Reserve::use));
    CHECK_FALSE(tight.takes(32, Reserve::keep));
    CHECK(tight.region.trim(page) == 0);
    CHECK(tight.region.committed_bytes() == tight.allocated_bytes());
    CHECK(tight.takes(32, Reserve::use));
}

TEST_CASE(
    "a producer that takes a region over may keep pages of what the limit keeps for erasing") {
    const TempBase base;
    MemoryBudget budget(1_MiB);
    ipc::FileDescriptor file = Tight::made(base);
    budget.take_existing(file_pages * page);
    Region region(std::move(file), Tight::path(base), file_pages * page, 1_MiB, budget, true,
                  "test");
    region.keep_file = true;
    for (std::uint64_t at = 1; at < file_pages; ++at) {
        REQUIRE(region.adopt(at * page, at == 1 ? 32 : page, at == 1 ? block_unit : page, 0));
        *region.at<std::uint64_t>(at * page) = 1;
    }
    for (const std::uint64_t offset : region.finish_rebuild("test")) {
        region.free(offset);
    }
    const std::uint64_t others = 1_MiB - 32_KiB - budget.used();
    budget.take_existing(others);
    region.keep_back();
    CHECK(region.committed_bytes() == (file_pages + 8) * page);
    CHECK(region.allocate(32, block_unit, 0, Reserve::keep).refusal == Region::Refusal::none);
    budget.give_back(others);
}

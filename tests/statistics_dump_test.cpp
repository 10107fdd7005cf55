// SPDX-License-Identifier: Apache-2.0
// The dump leaves nothing out: every number of the statistics stands in it under its own name.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "strata/statistics.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::error_of;
using strata::test::TempBase;

namespace {

// In how many places the dump says that.
std::size_t places(const std::string& dump, std::string_view name, std::uint64_t value) {
    const std::string text =
        "\"" + std::string(name) + "\": " + std::to_string(value) + std::string("\n");
    const std::string inner = text.substr(0, text.size() - 1) + ",";
    std::size_t count = 0;
    for (const std::string& form : {text, inner}) {
        for (std::size_t at = dump.find(form); at != std::string::npos;
             at = dump.find(form, at + 1)) {
            ++count;
        }
    }
    return count;
}

// Each number its own, from `first` on.
MemoryStatistics numbered(std::uint64_t first) {
    MemoryStatistics memory{.updated_at = {},
                            .updated_generation = first,
                            .managed_bytes = first + 1,
                            .committed_bytes = first + 2,
                            .hole_bytes = first + 3,
                            .used_blocks = first + 4,
                            .used_bytes = first + 5,
                            .requested_bytes = first + 6,
                            .slab_bytes = first + 7,
                            .runs = first + 8,
                            .run_bytes = first + 9,
                            .free_runs = first + 10,
                            .free_bytes = first + 11,
                            .largest_free_bytes = first + 12};
    std::uint64_t next = first + 20;
    for (PoolStatistics& pool : memory.pools) {
        pool = {.block_bytes = next,
                .used_blocks = next + 1,
                .used_bytes = next + 2,
                .requested_bytes = next + 3,
                .slab_bytes = next + 4,
                .free_blocks = next + 5,
                .available_blocks = next + 6};
        next += 10;
    }
    memory.classes.push_back(
        {.block_bytes = next, .used_blocks = next + 1, .free_blocks = next + 2, .slabs = next + 3});
    return memory;
}

void check_memory(const std::string& dump, std::uint64_t first) {
    std::uint64_t next = first;
    for (const char* const name :
         {"updated_generation", "managed_bytes", "committed_bytes", "hole_bytes", "used_blocks",
          "used_bytes", "requested_bytes", "slab_bytes", "runs", "run_bytes", "free_runs",
          "free_bytes", "largest_free_bytes"}) {
        CAPTURE(name);
        CHECK(places(dump, name, next++) == 1);
    }
    for (std::uint64_t pool = 0; pool < 5; ++pool) {
        next = first + 20 + 10 * pool;
        for (const char* const name :
             {"block_bytes", "used_blocks", "used_bytes", "requested_bytes", "slab_bytes",
              "free_blocks", "available_blocks"}) {
            CAPTURE(name);
            CHECK(places(dump, name, next++) == 1);
        }
    }
    next = first + 70;
    for (const char* const name : {"block_bytes", "used_blocks", "free_blocks", "slabs"}) {
        CAPTURE(name);
        CHECK(places(dump, name, next++) == 1);
    }
}

}  // namespace

TEST_CASE("every number of the statistics stands in the dump, under its own name") {
    StoreStatistics s;
    s.name = "market";
    s.generation = 11;
    s.layers = 12;
    s.dimensions = 13;
    s.producer_pid = 14;
    s.memory_limit = 15;
    s.committed_bytes = 16;
    s.warning_bytes = 17;
    s.pool_budget_bytes = {9001, 9002, 9003, 9004};
    s.live_bytes = 18;
    s.limbo_unscanned_bytes = 19;
    s.limbo_held_bytes = 20;
    s.history_bytes = 21;
    s.retired_file_bytes = 22;
    s.commits = 23;
    s.allocations = 24;
    s.deallocations = 25;
    s.allocation_failures = 26;
    s.reclaims = 27;
    s.relocations = 28;
    s.epoch = 29;
    s.readers = 30;
    s.oldest_pinned_epoch = 32;
    s.oldest_pin_age = std::chrono::seconds(33);
    s.control = numbered(1000);
    s.dimension_list.push_back({.dimension = 41,
                                .name = "Technical",
                                .serial = 42,
                                .layers = 43,
                                .live_bytes = 44,
                                .generation = 45});
    RegionStatistics region;
    region.serial = 46;
    region.owner = 47;
    region.dimensions = 48;
    region.live_bytes = 49;
    region.file_bytes = 50;
    region.max_bytes = 51;
    region.memory = numbered(2000);
    s.regions.push_back(region);

    std::ostringstream out;
    dump_json(s, out);
    const std::string dump = out.str();
    CAPTURE(dump);
    CHECK(dump.find("\"name\": \"market\"") != std::string::npos);
    CHECK(dump.find("\"name\": \"Technical\"") != std::string::npos);
    std::uint64_t next = 11;
    for (const char* const name : {"generation",
                                   "layers",
                                   "dimensions",
                                   "producer_pid",
                                   "memory_limit",
                                   "committed_bytes",
                                   "warning_bytes",
                                   "live_bytes",
                                   "limbo_unscanned_bytes",
                                   "limbo_held_bytes",
                                   "history_bytes",
                                   "retired_file_bytes",
                                   "commits",
                                   "allocations",
                                   "deallocations",
                                   "allocation_failures",
                                   "reclaims",
                                   "relocations",
                                   "epoch",
                                   "readers"}) {
        CAPTURE(name);
        CHECK(places(dump, name, next++) == 1);
    }
    CHECK(places(dump, "oldest_pinned_epoch", 32) == 1);
    CHECK(dump.find("\"oldest_pin_age_seconds\": 33.0") != std::string::npos);
    next = 41;
    for (const char* const name :
         {"dimension", "serial", "layers", "live_bytes", "generation", "serial", "dimension",
          "dimensions", "live_bytes", "file_bytes", "max_bytes"}) {
        CAPTURE(name);
        CHECK(places(dump, name, next++) == 1);
    }
    for (const char* const name :
         {"producer_started_at", "updated_at", "utilisation", "above_warning",
          "fragmentation_ratio", "internal_fragmentation", "slab_fragmentation",
          "external_fragmentation", "pools", "classes", "control", "regions"}) {
        CAPTURE(name);
        CHECK(dump.find("\"" + std::string(name) + "\": ") != std::string::npos);
    }
    for (std::uint64_t pool = 0; pool < 4; ++pool) {
        CHECK(places(dump, "pool_budget_bytes", 9001 + pool) == 1);
        CHECK(places(dump, "pool_used_bytes", 3000 + 2 * (22 + 10 * pool)) == 1);
    }
    check_memory(dump, 1000);
    check_memory(dump, 2000);
    CHECK(dump.back() == '\n');
}

TEST_CASE("a dump takes its place whole, or not at all and leaves nothing behind") {
    const TempBase base;
    const StoreStatistics s{.name = "market"};
    const std::filesystem::path file = base.path() / "dump.json";
    errno = EIO;  // of an earlier call of somebody else's
    dump_json(s, file);
    dump_json(s, file);  // in place of the first
    CHECK(std::filesystem::file_size(file) > 100);

    const std::filesystem::path missing = base.path() / "no" / "dump.json";
    const auto nowhere = error_of([&] { dump_json(s, missing); });
    REQUIRE(nowhere);
    CHECK(nowhere->errno_value() == ENOENT);
    CHECK(nowhere->path() == missing);
    const std::filesystem::path taken = base.path() / "taken";
    std::filesystem::create_directory(taken);
    errno = 0;
    const auto directory = error_of([&] { dump_json(s, taken); });
    REQUIRE(directory);
    CHECK(directory->errno_value() == EISDIR);
    CHECK(directory->path() == taken);
    CHECK(std::distance(std::filesystem::directory_iterator(base.path()), {}) == 2);
}

// SPDX-License-Identifier: Apache-2.0
// Inputs in many threads: clones, slices, opening and closing, prefetching, forking.
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

template <class Body>
void in_threads(int count, Body body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&body, i] { body(i); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace

TEST_CASE("threads clone one input and read at once, mapped, grouped and buffered") {
    TempFiles files;
    files.make("data", 2 * chunk + 100);
    for (const FileDirectory& directory : std::initializer_list<FileDirectory>{
             MappedDirectory(files.path(), {.chunk_power = 20}),
             MappedDirectory(files.path(), {.group_files_up_to = 4 * chunk}),
             BufferedDirectory(files.path(), {.buffer_bytes = 512})}) {
        const MappedInput input = directory.open("data");
        std::atomic<int> wrong{0};
        in_threads(4, [&](int thread) {
            Random random(static_cast<std::uint64_t>(thread));
            std::vector<std::byte> bytes(100);
            for (int n = 0; n < scaled(20'000, 2'000); ++n) {
                MappedInput mine = input.clone();
                const std::uint64_t at = random.below(2 * chunk);
                mine.seek(at);
                wrong += mine.read_u32_le() == number_at(at, 4, false) ? 0 : 1;
                MappedInput part = mine.slice("part", at, 50);
                wrong += part.read_u16_be() == number_at(at, 2, true) ? 0 : 1;
                input.read_at(at, bytes);  // one input, const, in all threads
                wrong += static_cast<std::uint8_t>(bytes[99]) == byte_at(at + 99) ? 0 : 1;
            }
        });
        CHECK(wrong.load() == 0);
    }
}

TEST_CASE("threads open and close the same files; in the end nothing is left") {
    TempFiles files;
    for (int i = 0; i < 4; ++i) {
        files.make("mapped-" + std::to_string(i), chunk + 10, 1000U * static_cast<unsigned>(i));
        files.make("small-" + std::to_string(i), 3000, 1000U * static_cast<unsigned>(i));
    }
    for (const std::size_t idle : {0U, 2U}) {
        const MappedDirectory directory(files.path(), {.chunk_power = 20, .idle_files = idle});
        std::atomic<int> wrong{0};
        in_threads(4, [&](int thread) {
            Random random(static_cast<std::uint64_t>(thread) + 77);
            for (int n = 0; n < scaled(5'000, 500); ++n) {
                const std::uint64_t which = random.below(4);
                const char* kind = random.below(2) == 0 ? "mapped-" : "small-";
                MappedInput input = directory.open(kind + std::to_string(which));
                wrong += input.read_u64_le() == number_at(1000 * which, 8, false) ? 0 : 1;
                if (random.below(8) == 0) (void)input.prefetch(0, input.size());
                if (random.below(64) == 0) directory.trim();
            }
        });
        directory.wait_for_prefetches();
        CHECK(wrong.load() == 0);
        CHECK(directory.statistics().open_files == 0);
        CHECK(directory.statistics().idle_files <= idle);
        directory.trim();
        CHECK(directory.statistics().mappings == 0);
        CHECK(directory.statistics().mapped_bytes == 0);
    }
}

TEST_CASE("threads that open one file at once share one mapping") {
    TempFiles files;
    constexpr std::uint64_t chunks = scaled(1'500, 200);  // which take a while
    files.make_sparse("data", chunks * chunk);
    for (int round = 0; round < 8; ++round) {
        std::atomic<int> ready{0};
        MappedDirectoryOptions options{.chunk_power = 20};
        options.advice = [&](std::string_view, ReadContext) {  // asked before anybody looks for it
            for (++ready; ready.load() < 4;) {
                std::this_thread::yield();
            }
            return ReadAdvice::normal;
        };
        const MappedDirectory directory(files.path(), options);
        MappedInput inputs[4];
        in_threads(4, [&](int thread) { inputs[thread] = directory.open("data"); });
        CHECK(directory.statistics().open_files == 1);
        CHECK(directory.statistics().mappings == chunks);
        CHECK(directory.statistics().opened == 4);
        CHECK(directory.statistics().shared == 3);
    }
}

TEST_CASE("waiting for prefetches ends although others go on adding some") {
    TempFiles files;
    files.make_sparse("hole", 64 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 30});
    const MappedInput input = directory.open("hole");
    std::atomic<bool> waited{false};
    std::thread adder([&] {
        while (!waited.load()) {
            (void)input.prefetch(0, 12 * chunk);
        }
    });
    while (directory.statistics().prefetches < 10) {
        std::this_thread::yield();
    }
    directory.wait_for_prefetches();
    waited = true;
    adder.join();
    const std::uint64_t before = directory.statistics().prefetches;
    CHECK(input.prefetch(0, 4096));
    CHECK(directory.statistics().prefetches == before + 1);
}

TEST_CASE("inputs go while their file is prefetched, and the directory with them") {
    TempFiles files;
    files.make_sparse("hole", 64 * chunk);
    for (int n = 0; n < scaled(200, 20); ++n) {
        MappedInput input = MappedDirectory(files.path(), {.chunk_power = 20}).open("hole");
        for (std::uint64_t part = 0; part < 4; ++part) {
            CHECK(input.prefetch(part * chunk, 8 * chunk));
        }
    }
}

TEST_CASE("a prefetch of a file that is cut short harms nobody") {
    TempFiles files;
    files.make("data", 4 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 20});
    MappedInput input = directory.open("data");
    files.resize("data", 0);
    CHECK(input.prefetch(0, 4 * chunk));
    directory.wait_for_prefetches();
    std::uint8_t byte = 0;
    CHECK(code_of([&] { input.read({reinterpret_cast<std::byte*>(&byte), 1}); }) == "truncated");
    CHECK(byte == 0);
}

TEST_CASE("when too much waits, prefetches are dropped and counted") {
    TempFiles files;
    files.make_sparse("hole", 64 * chunk);
    const MappedDirectory directory(files.path());
    const MappedInput input = directory.open("hole");
    std::uint64_t taken = 0;
    for (int n = 0; n < 2'000; ++n) {
        taken += input.prefetch(0, 64 * chunk) ? 1U : 0U;
    }
    CHECK(taken >= 256);
    CHECK(directory.statistics().prefetches == 2'000);
    CHECK(directory.statistics().prefetches_dropped == 2'000 - taken);
    CHECK(taken < 2'000);
}

TEST_CASE("a forked child reads on, opens and prefetches; the parent does not notice") {
    TempFiles files;
    files.make("data", 4 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 20});
    MappedInput input = directory.open("data");
    CHECK(input.prefetch(0, chunk));  // its thread does not go along
    std::atomic<bool> stop{false};
    std::thread opener;
    if (address_sanitized) {
        // GCC 12's allocator hangs in a child that was forked while another thread allocated.
        directory.wait_for_prefetches();
    } else {
        opener = std::thread([&] {  // holds the mutex at the moment of forking, now and then
            while (!stop.load()) {
                (void)directory.open("data").prefetch(0, chunk);
            }
        });
    }
    for (int n = 0; n < scaled(20, 5); ++n) {
        Child child = Child::start([&](Channel&) {
            MappedInput mine = input.clone();
            mine.seek(chunk - 2);
            STRATA_REQUIRE(mine.read_u32_le() == number_at(chunk - 2, 4, false));
            MappedInput again = directory.open("data", {.context = ReadContext::look_up});
            STRATA_REQUIRE(again.read_u8() == byte_at(0));
            STRATA_REQUIRE(again.prefetch(chunk, chunk));
            directory.wait_for_prefetches();
        });
        CHECK(child.join() == "");
    }
    stop = true;
    if (opener.joinable()) {
        opener.join();
    }
    CHECK(input.read_u8() == byte_at(0));
}

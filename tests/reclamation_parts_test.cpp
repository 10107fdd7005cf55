// SPDX-License-Identifier: Apache-2.0
// The parts of reclamation one by one, against models that do it the slow way: which blocks
// pins hold back, which roots a successor has to look at.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/lock_table.hpp"
#include "producer/lifecycle/pinned_generations.hpp"
#include "producer/reclaim/closing_roots.hpp"
#include "producer/reclaim/limbo.hpp"
#include "producer/reclaim/pinned_epochs.hpp"
#include "tests/support/epoch_ranges.hpp"
#include "tests/support/failing_allocations.hpp"

using namespace strata;
using namespace strata::producer_impl;
using ipc::EpochRange;
using strata::test::contains;
using strata::test::FailAfter;

namespace {

using Ranges = std::vector<EpochRange>;

Retired block_of(std::uint64_t birth, std::uint64_t tag, std::uint64_t bytes) {
    return {.region = nullptr, .offset = 0, .birth = birth, .tag = tag, .bytes = bytes};
}

}  // namespace

TEST_CASE("the range with an epoch, and the oldest holder of a block, are found in any list") {
    const std::vector<Ranges> lists = {
        {}, {{5, 5}}, {{3, 7}}, {{2, 2}, {4, 6}, {9, 9}}, {{0, 1}, {3, 3}, {10, 12}}};
    for (const Ranges& ranges : lists) {
        for (std::uint64_t first = 0; first < 14; ++first) {
            CHECK((range_with(ranges, first) != nullptr) == contains(ranges, first));
            for (std::uint64_t last = first; last < 14; ++last) {
                std::optional<std::uint64_t> oldest;
                for (std::uint64_t epoch = last + 1; epoch-- > first;) {
                    oldest = contains(ranges, epoch) ? epoch : oldest;
                }
                CHECK((range_within(ranges, first, last) != nullptr) == oldest.has_value());
                CHECK(oldest_holder(ranges, first, last) == oldest);
            }
        }
    }
}

TEST_CASE("limbo frees what no pin protects, and counts what each pin holds back") {
    std::mt19937_64 random(7);
    Limbo limbo;
    std::multimap<std::uint64_t, Retired> waiting;  // by bytes, which name a block
    std::set<std::uint64_t> pins;
    std::uint64_t next_bytes = 1;
    for (std::uint64_t last = 10; last < 300; ++last) {
        for (int i = 0; i < 10; ++i) {
            const std::uint64_t tag = last - random() % 3;
            const Retired block = block_of(tag - std::min(tag, random() % 40), tag, next_bytes++);
            waiting.emplace(block.bytes, block);
            limbo.reserve(1);
            limbo.add(block);
        }
        if (random() % 2 == 0) {
            pins.insert(last - random() % 2);
        }
        if (!pins.empty() && random() % 3 == 0) {
            pins.erase(std::next(pins.begin(), static_cast<long>(random() % pins.size())));
        }
        if (last == 299) {
            pins.clear();
        }
        Ranges ranges;
        for (const std::uint64_t epoch : pins) {
            if (!ranges.empty() && ranges.back().last + 1 == epoch) {
                ranges.back().last = epoch;
            } else {
                ranges.push_back({epoch, epoch});
            }
        }
        limbo.begin_scan(ranges);
        CHECK(limbo.new_bytes() == 0);
        // Some scans are cut short: what they have not reached joins the next one.
        const bool whole = last % 5 != 0;
        std::vector<Retired> freed;
        while (limbo.scanning()) {
            const std::size_t most = 1 + random() % 7;
            freed.assign({block_of(0, 0, 0)});  // what is there stays
            const std::uint64_t unscanned = limbo.unscanned_bytes();
            const std::size_t examined = limbo.scan(most, freed);
            REQUIRE(examined > 0);
            REQUIRE(examined <= most);
            REQUIRE((examined == most || !limbo.scanning()));
            REQUIRE(limbo.unscanned_bytes() < unscanned);
            REQUIRE(freed.front().bytes == 0);
            for (std::size_t i = 1; i < freed.size(); ++i) {
                const auto at = waiting.find(freed[i].bytes);
                REQUIRE(at != waiting.end());
                REQUIRE_FALSE(oldest_holder(ranges, at->second.birth, at->second.tag));
                waiting.erase(at);
            }
            if (!whole && random() % 4 == 0) {
                break;
            }
        }
        std::uint64_t all = 0;
        std::map<std::uint64_t, std::uint64_t> held;
        for (const auto& [bytes, block] : waiting) {
            all += bytes;
            if (const auto holder = oldest_holder(ranges, block.birth, block.tag)) {
                held[*holder] += bytes;
            } else {
                REQUIRE(limbo.scanning());
            }
        }
        REQUIRE(limbo.bytes() == all);
        REQUIRE(limbo.bytes() == limbo.unscanned_bytes() + limbo.held_bytes());
        // A block stays with the holder that it had when it was examined, as long as that pins.
        std::uint64_t sum = 0;
        for (const EpochRange& range : ranges) {
            sum += limbo.held_by(range);
        }
        REQUIRE(sum == limbo.held_bytes());
        if (!limbo.scanning()) {
            REQUIRE(limbo.held_bytes() == all);
            if (!ranges.empty()) {
                REQUIRE(limbo.held_by(ranges.front()) >= held[ranges.front().first]);
            }
        }
    }
    CHECK(limbo.bytes() == 0);
}

TEST_CASE("a scan that finds no memory loses no block, and the next one goes on") {
    const std::vector<EpochRange> pinned = {{3, 3}};
    const std::vector<EpochRange> others = {{9, 9}};
    std::uint64_t failures = 0;
    for (bool failed = true; failed; ++failures) {
        Limbo limbo;
        limbo.reserve(3);
        for (const std::uint64_t offset : {10U, 20U, 30U}) {
            limbo.add({.region = nullptr, .offset = offset, .birth = 3, .tag = 4, .bytes = 7});
        }
        limbo.begin_scan(pinned);
        std::vector<Retired> freed;
        freed.reserve(3);
        std::size_t examined = 0;
        {
            const FailAfter fault(failures);
            examined = limbo.scan(64, freed);
        }
        failed = examined < 3;
        CAPTURE(failures);
        CHECK(freed.empty());
        CHECK(limbo.scanning() == failed);
        CHECK(limbo.held_by({3, 3}) == 7 * examined);
        CHECK(limbo.held_bytes() == 7 * examined);
        CHECK(limbo.unscanned_bytes() == 7 * (3 - examined));
        if (failures % 2 == 0) {  // either goes on, or begins anew with what others pin
            CHECK(limbo.scan(64, freed) == 3 - examined);
            CHECK(limbo.held_by({3, 3}) == 21);
        }
        limbo.begin_scan(others);
        while (limbo.scan(1, freed) != 0) {
        }
        CHECK(limbo.bytes() == 0);
        std::set<std::uint64_t> offsets;
        for (const Retired& block : freed) {
            offsets.insert(block.offset);
        }
        CHECK(freed.size() == 3);
        CHECK(offsets == std::set<std::uint64_t>{10, 20, 30});
    }
    CHECK(failures > 3);  // for the list of a holder, and for room in it
}

TEST_CASE("a scan frees each block once, portion by portion") {
    Limbo limbo;
    constexpr std::size_t blocks = 5000;
    limbo.reserve(blocks);
    for (std::size_t i = 0; i < blocks; ++i) {
        limbo.add({.region = nullptr, .offset = i, .birth = 3, .tag = 4, .bytes = 1});
    }
    const std::vector<EpochRange> pinned = {{3, 3}};
    limbo.begin_scan(pinned);
    std::vector<Retired> freed;
    freed.reserve(blocks);
    while (limbo.scan(64, freed) != 0) {
    }
    CHECK(freed.empty());
    CHECK(limbo.held_bytes() == blocks);
    limbo.begin_scan({});  // the reader is gone
    CHECK(limbo.held_bytes() == 0);
    CHECK(limbo.unscanned_bytes() == blocks);
    std::set<std::uint64_t> offsets;
    for (std::size_t left = blocks; left > 0;) {
        freed.clear();
        const std::size_t examined = limbo.scan(34, freed);
        REQUIRE(examined == std::min<std::size_t>(34, left));
        REQUIRE(freed.size() == examined);
        left -= examined;
        REQUIRE(limbo.bytes() == left);
        for (const Retired& block : freed) {
            offsets.insert(block.offset);
        }
    }
    CHECK(offsets.size() == blocks);
    CHECK(limbo.scan(34, freed) == 0);
}

TEST_CASE("closing roots: what is pinned keeps its root, also for the next producer") {
    std::mt19937_64 random(3);
    std::array<ipc::ClosingRoot, ipc::closing_root_slots> table{};
    ClosingRoots roots(table.data());
    std::map<std::uint64_t, std::uint64_t> model;
    for (std::uint64_t epoch = 1; epoch < 600; ++epoch) {
        roots.add(epoch, epoch * 64, epoch + 7);
        if (model.size() < table.size()) {
            model[epoch] = epoch * 64;
        }
        if (random() % 5 == 0) {
            Ranges pinned;
            for (std::uint64_t at = random() % 20; at < epoch; at += 1 + random() % 40) {
                const std::uint64_t last = at + random() % 10;
                pinned.push_back({at, last});
                at = last + 1;
            }
            roots.keep_only(pinned);
            std::erase_if(model, [&](const auto& entry) { return !contains(pinned, entry.first); });
        }
        if (random() % 50 == 0) {
            roots = ClosingRoots(table.data());
        }
        for (std::uint64_t asked = 0; asked <= epoch + 1; ++asked) {
            const auto known = model.find(asked);
            const auto closing = roots.find(asked);
            REQUIRE(closing.has_value() == (known != model.end()));
            REQUIRE((!closing || closing->root == known->second));
            REQUIRE((!closing || closing->oldest == asked + 7));
        }
    }
    roots.add(600, 1, 1);
    roots.add(600, 2, 1);  // its first producer died before the epoch was over
    REQUIRE(roots.find(600));
    CHECK(roots.find(600)->root == 2);
    roots.keep_only({});
    CHECK_FALSE(roots.find(600));
    for (const ipc::ClosingRoot& entry : table) {
        CHECK(entry.epoch == 0);
    }
}

TEST_CASE("closing roots: a full table takes no more, and what is in it stays right") {
    std::array<ipc::ClosingRoot, ipc::closing_root_slots + 1> table{};
    table.back() = {77, 78, 79, 80};
    ClosingRoots roots(table.data());
    for (std::uint64_t epoch = 1; epoch <= ipc::closing_root_slots + 10; ++epoch) {
        roots.add(epoch, 10 * epoch, 1);
    }
    REQUIRE(roots.find(ipc::closing_root_slots));
    CHECK(roots.find(1)->root == 10);
    CHECK(roots.find(ipc::closing_root_slots)->root == 10 * ipc::closing_root_slots);
    CHECK_FALSE(roots.find(ipc::closing_root_slots + 1));
    roots.add(5, 99, 1);  // one that is there
    CHECK(roots.find(5)->root == 99);
    CHECK(table.back().epoch == 77);
    CHECK(table.back().root == 78);
}

TEST_CASE("births after a restart: the first epoch whose readers can have it") {
    PinnedGenerations pinned(50);
    CHECK(pinned.birth_of(1) == 50);
    CHECK(pinned.birth_of_file(1) == 50);
    pinned.add({.epoch = 10, .root = 1, .generation = 100, .next_serial = 3});
    pinned.add({.epoch = 20, .root = 2, .generation = 200, .next_serial = 7});
    CHECK(pinned.birth_of(1) == 10);
    CHECK(pinned.birth_of(100) == 10);
    CHECK(pinned.birth_of(101) == 20);
    CHECK(pinned.birth_of(200) == 20);
    CHECK(pinned.birth_of(201) == 50);
    CHECK(pinned.birth_of_file(2) == 10);
    CHECK(pinned.birth_of_file(3) == 20);
    CHECK(pinned.birth_of_file(6) == 20);
    CHECK(pinned.birth_of_file(7) == 50);
    pinned.add_unknown({30, 31});
    CHECK(pinned.birth_of(201) == 30);
    CHECK(pinned.birth_of(101) == 20);
    pinned.add_unknown({15, 16});
    CHECK(pinned.birth_of(101) == 15);
    CHECK(pinned.birth_of(100) == 10);
    pinned.add_unknown({40, 41});
    CHECK(*pinned.unknown() == EpochRange{15, 41});
}

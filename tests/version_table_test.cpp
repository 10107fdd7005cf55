// SPDX-License-Identifier: Apache-2.0
// The table of versions by itself: what is put in is found in its generations and nowhere else,
// what is taken out is not, and all of it is counted.
#include "consumer/lookup/version_table.hpp"

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <doctest/doctest.h>

using namespace strata;
using namespace strata::consumer_impl;

namespace {

std::unique_ptr<CachedDimension> version_of(Dimension dimension, Generation first,
                                            Generation last) {
    auto version = std::make_unique<CachedDimension>();
    version->dimension = dimension;
    version->serial = 1000 + std::uint64_t{dimension};
    version->changed = first;
    version->index.root = first << 6;
    version->first = first;
    version->last = last;
    return version;
}

ipc::DimensionRecord record_of(const CachedDimension& version) {
    ipc::DimensionRecord record{};
    record.dimension = version.dimension;
    record.serial = version.serial;
    record.generation = version.changed;
    record.index = version.index.root;
    return record;
}

struct Table {
    CacheMemory memory{std::nullopt};
    VersionTable versions{SeededHash::of_seed(7), memory};

    CachedDimension& put(Dimension dimension, Generation first, Generation last) {
        versions.make_room(last, 0);
        auto version = version_of(dimension, first, last);
        CachedDimension& put = *version;
        versions.insert(std::move(version));
        return put;
    }
    const CachedDimension* at(Generation generation, Dimension dimension,
                              std::uint32_t chain = 0) const {
        const auto found = versions.newest().find(generation, dimension, chain);
        return found.entry != nullptr ? found.entry->version.load() : nullptr;
    }
    void take_out(const CachedDimension& version) {
        versions.visit(static_cast<Dimension>(version.dimension), [&](LookupEntry& entry) {
            const bool is_it = entry.version == &version;
            if (is_it) {
                CHECK(versions.take_out(entry).get() == &version);
            }
            return is_it;
        });
    }
};

}  // namespace

TEST_CASE("each generation has the version that it was put in with, until that is taken out") {
    Table table;
    const std::uint64_t empty = table.memory.used();
    const CachedDimension& older = table.put(7, 3, 5);
    const CachedDimension& newer = table.put(7, 6, 9);
    CHECK(table.versions.size() == 2);
    CHECK(table.memory.used() == empty + 2 * sizeof(CachedDimension));
    CHECK(table.at(2, 7) == nullptr);
    CHECK(table.at(3, 7) == &older);
    CHECK(table.at(5, 7) == &older);
    CHECK(table.at(6, 7) == &newer);
    CHECK(table.at(10, 7) == nullptr);
    CHECK(table.at(6, 8) == nullptr);
    table.take_out(older);
    CHECK(table.at(4, 7) == nullptr);
    CHECK(table.at(6, 7) == &newer);
    CHECK(table.versions.size() == 1);
    CHECK(table.memory.used() == empty + sizeof(CachedDimension));
}

TEST_CASE("a visitor is shown each version of its dimension, until it has what it wants") {
    Table table;
    table.put(7, 3, 5);
    table.put(8, 3, 5);
    table.put(7, 6, 9);
    table.put(7, 10, 12);
    const auto visits = [&](Dimension dimension, int wanted) {
        int visited = 0;
        table.versions.visit(dimension, [&](LookupEntry&) { return ++visited == wanted; });
        return visited;
    };
    CHECK(visits(7, 1) == 1);
    CHECK(visits(7, 2) == 2);
    CHECK(visits(7, 100) == 3);
    CHECK(visits(8, 100) == 1);
    CHECK(visits(9, 100) == 0);
}

TEST_CASE("a record that describes a version makes it known in one more generation") {
    Table table;
    const CachedDimension& version = table.put(7, 3, 5);
    ipc::DimensionRecord record = record_of(version);
    CHECK(table.versions.match(8, record) == &version);
    CHECK(table.at(8, 7) == &version);
    CHECK(version.last == 8);
    CHECK(table.versions.match(2, record) == &version);
    CHECK(table.at(2, 7) == &version);
    // Each of these alone tells another version.
    for (std::uint64_t ipc::DimensionRecord::*field :
         {&ipc::DimensionRecord::serial, &ipc::DimensionRecord::generation,
          &ipc::DimensionRecord::index}) {
        ++(record.*field);
        CHECK(table.versions.match(9, record) == nullptr);
        --(record.*field);
    }
    CHECK(table.at(9, 7) == nullptr);
}

TEST_CASE("a thousand dimensions are found in the tables that grow, and visited once each") {
    Table table;
    std::map<Dimension, const CachedDimension*> put;
    const LookupTable* const first = &table.versions.newest();
    for (Dimension dimension = 0; dimension < 1000; ++dimension) {
        put[dimension * 4096] = &table.put(dimension * 4096, 1, 2);
    }
    CHECK(first != &table.versions.newest());
    CHECK(2 * table.versions.size() <= table.versions.newest().capacity());
    for (const auto& [dimension, version] : put) {
        REQUIRE(table.at(2, dimension) == version);
    }
    std::set<const CachedDimension*> visited;
    table.versions.visit_all(
        [&](LookupEntry& entry) { CHECK(visited.insert(entry.version).second); });
    CHECK(visited.size() == put.size());
    std::set<const LookupEntry*> in_turn;
    for (std::uint64_t i = 0; i < table.versions.newest().capacity(); ++i) {
        in_turn.insert(&table.versions.next_entry());
    }
    CHECK(in_turn.size() == table.versions.newest().capacity());
}

TEST_CASE("a list is published with its version, and goes along into a larger table") {
    Table table;
    CachedDimension& version = table.put(7, 1, 2);
    constexpr std::uint64_t words = 5;
    version.words.reset(static_cast<std::uint64_t*>(std::calloc(words, sizeof(std::uint64_t))));
    REQUIRE(version.words);
    version.dense.words = version.words.get();
    version.dense.count = words;
    version.list_bytes = words * sizeof(std::uint64_t);
    CHECK(version.dense.tag == 0);
    table.versions.publish_list(version);
    const std::uint64_t tag = detail::DenseList::tag_of(7, words);
    CHECK(version.dense.tag == tag);
    CHECK(table.versions.newest().find(2, 7).tag == tag);
    const LookupTable* const first = &table.versions.newest();
    for (Dimension dimension = 100; &table.versions.newest() == first; ++dimension) {
        table.put(dimension, 1, 2);
    }
    const auto found = table.versions.newest().find(2, 7);
    REQUIRE(found.entry != nullptr);
    CHECK(found.tag == tag);
    CHECK((found.entry->list & LookupEntry::address_mask) ==
          reinterpret_cast<std::uintptr_t>(version.words.get()));
}

TEST_CASE("a table that was superseded is there as long as a view from before that is open") {
    Table table;
    const auto fill = [&](Dimension first, Dimension last, std::uint64_t opened) {
        for (Dimension dimension = first; dimension < last; ++dimension) {
            table.versions.make_room(1, opened);
            table.versions.insert(version_of(dimension, 1, 9));
        }
    };
    const auto used_beside_versions = [&] {
        return table.memory.used() - table.versions.size() * sizeof(CachedDimension);
    };
    fill(0, 100, 5);     // several tables, while five views had been opened
    fill(100, 1000, 8);  // and more, after three more of them
    const std::uint64_t newest = table.versions.newest().bytes();
    const std::uint64_t all = used_beside_versions();
    CHECK(all > newest);
    table.versions.free_superseded(5);  // the fifth is open
    CHECK(used_beside_versions() == all);
    table.versions.free_superseded(6);
    const std::uint64_t later = used_beside_versions();
    CHECK(later < all);
    CHECK(later > newest);
    table.versions.free_superseded(9);
    CHECK(used_beside_versions() == newest);
    for (Dimension dimension = 0; dimension < 1000; ++dimension) {
        REQUIRE(table.at(5, dimension) != nullptr);
    }
}

TEST_CASE("what holds on in a chain is found in its later generations, until it ends") {
    Table table;
    table.versions.begin_chain(5);
    const std::uint32_t chain = table.versions.chain();
    CachedDimension& version = table.put(7, 3, 5);
    CachedDimension& other = table.put(8, 4, 5);
    CHECK(table.at(6, 7, chain) == nullptr);
    table.versions.hold_on(version);
    table.versions.hold_on(other);
    CHECK(table.versions.held_on(7) == &version);
    CHECK(table.at(3, 7, chain) == &version);
    CHECK(table.at(1'000'000, 7, chain) == &version);
    CHECK(table.at(2, 7, chain) == nullptr);
    CHECK(table.at(5, 7) == nullptr);  // who is in no chain has to ask
    table.versions.extend_chain(9);
    CHECK(table.versions.kept_until(version) == 9);
    CHECK(table.versions.holds_until(version) == 9);

    table.versions.end(7);
    table.versions.extend_chain(10);
    CHECK(table.versions.held_on(7) == nullptr);
    CHECK(table.at(9, 7, chain) == &version);
    CHECK(table.at(9, 7) == &version);
    CHECK(table.at(10, 7, chain) == nullptr);
    CHECK(table.versions.kept_until(version) == 9);
    CHECK(table.versions.holds_until(version) == 9);
    CHECK(table.at(10, 8, chain) == &other);
    // Growing keeps it so.
    for (Dimension dimension = 100; dimension < 400; ++dimension) {
        table.put(dimension, 10, 10);
    }
    CHECK(table.at(10, 7, chain) == nullptr);
    CHECK(table.at(11, 8, chain) == &other);
    CHECK(table.at(3, 8, chain) == nullptr);
}

TEST_CASE("a new chain does not believe what an older one holds") {
    Table table;
    table.versions.begin_chain(5);
    const std::uint32_t older = table.versions.chain();
    CachedDimension& version = table.put(7, 3, 5);
    table.versions.hold_on(version);
    table.versions.extend_chain(12);
    table.versions.begin_chain(20);
    const std::uint32_t newer = table.versions.chain();
    CHECK(newer != older);
    CHECK(table.versions.held_on(7) == nullptr);
    CHECK(table.at(20, 7, newer) == nullptr);
    CHECK(table.at(12, 7, older) == &version);
    CHECK(table.versions.kept_until(version) == 12);
    CHECK(table.versions.holds_until(version) == 12);
    table.versions.end(7);  // in the newer one, where it is not
    CHECK(table.at(20, 7, newer) == nullptr);
    CHECK(table.at(12, 7, older) == &version);
    // Of chains before the last one it is not known until when they had it. Their readers may be
    // there, though a record says so of an earlier generation alone.
    table.versions.extend_chain(29);
    table.versions.begin_chain(30);
    const std::uint32_t newest = table.versions.chain();
    CHECK(table.versions.kept_until(version) == 29);
    CHECK(table.versions.holds_until(version) == 5);
    CHECK(table.versions.match(6, record_of(version)) == &version);
    CHECK(table.at(6, 7) == &version);
    CHECK(table.at(8, 7, older) == nullptr);  // has to ask now
    CHECK(table.versions.kept_until(version) == 29);
    CHECK(table.versions.holds_until(version) == 6);
    // Until a record says that it is still the same.
    CHECK(table.versions.match(30, record_of(version)) == &version);
    CHECK(table.at(30, 7, newest) == &version);
    CHECK(table.at(31, 7, newest) == nullptr);
    table.versions.hold_on(version);
    CHECK(table.at(31, 7, newest) == &version);
    CHECK(table.versions.match(22, record_of(version)) == &version);
    CHECK(table.at(40, 7, newest) == &version);
    // A view that is newer than the chain is not in it.
    CHECK(table.versions.match(33, record_of(version)) == &version);
    CHECK(table.at(33, 7) == &version);
    CHECK(table.at(30, 7, newest) == &version);
    CHECK(table.at(34, 7, newest) == nullptr);
    CHECK(table.versions.kept_until(version) == 33);
}

TEST_CASE("a version of an ended chain gets an end that does not move on") {
    Table table;
    table.versions.begin_chain(5);
    CachedDimension& version = table.put(7, 3, 5);
    table.versions.hold_on(version);
    table.versions.begin_chain(6);
    const auto settle = [&] {
        table.versions.visit(7, [&](LookupEntry& entry) {
            table.versions.settle_ended(entry);
            return false;
        });
    };
    settle();
    CHECK(table.versions.kept_until(version) == 5);
    table.versions.begin_chain(7);
    table.versions.begin_chain(8);
    settle();
    CHECK(table.versions.kept_until(version) == 5);
    CHECK(table.at(5, 7) == &version);
    // What holds on is not touched.
    table.versions.match(8, record_of(version));
    table.versions.hold_on(version);
    settle();
    CHECK(table.at(9, 7, table.versions.chain()) == &version);
}

TEST_CASE("generations that a table cannot count have nothing that holds on") {
    Table table;
    const Generation far = std::uint64_t{3} << 30;
    table.versions.begin_chain(far);
    const std::uint32_t chain = table.versions.chain();
    // Of a table whose base lies between: an old generation is before it.
    for (Dimension dimension = 100; dimension < 200; ++dimension) {
        table.put(dimension, far, far);
    }
    REQUIRE(table.versions.newest().base() > 5);
    CachedDimension& version = table.put(7, far, far);
    table.versions.hold_on(version);
    CHECK(table.at(far + 1, 7, chain) == &version);
    CHECK(table.at(5, 7, chain) == nullptr);
    CHECK(table.at(table.versions.newest().base(), 7, chain) == nullptr);
    // One that is made for an old generation counts the newest ones.
    table.versions.begin_chain(4 * far);
    table.versions.make_room(5, 0);
    CachedDimension& later = table.put(8, 4 * far, 4 * far);
    table.versions.hold_on(later);
    CHECK(table.at(4 * far, 8, table.versions.chain()) == &later);
    CHECK(table.at(5, 8, table.versions.chain()) == nullptr);
}

TEST_CASE("a length of generations is never taken for a chain") {
    Table table;
    const Generation far = std::uint64_t{1} << 33;
    CachedDimension& version = table.put(7, far - 10, far);
    CHECK(table.versions.match(far + LookupEntry::endless - 1, record_of(version)) == &version);
    for (const std::uint32_t chain : {0U, LookupEntry::endless, LookupEntry::endless + 1}) {
        CAPTURE(chain);
        CHECK(table.at(far + LookupEntry::endless - 1, 7, chain) == &version);
        CHECK(table.at(far + LookupEntry::endless, 7, chain) == nullptr);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Digests: equal for equal layers however they came to be, kept by every kind of change, and what
// shows that an index leads to layers that are sound and of another generation.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

std::uint64_t digest_of(const TempStore& store) { return store.attach().snapshot().digest(); }

/// The place of the entry word that leads to a layer below the root of the only dimension's index.
std::uint64_t entry_place(const TempStore& store, std::uint64_t layer) {
    const ControlEditor control(store.path());
    const FileEditor region(store.file("region-1.mmap"));
    const ipc::DimensionRecord record = control.record();
    std::uint64_t entry = record.index;
    std::uint64_t place = 0;
    for (unsigned shift = record.index_levels * ipc::index_bits; shift > 0;) {
        shift -= ipc::index_bits;
        const auto digit = static_cast<unsigned>(layer >> shift) & (ipc::index_fanout - 1);
        place = ipc::entry_offset(entry) + 8 * digit;
        if (ipc::entry_kind(entry) == ipc::EntryKind::bitmap_node) {
            const auto bitmap = region.read<std::uint64_t>(ipc::entry_offset(entry));
            const auto below = bitmap & ((std::uint64_t{1} << digit) - 1);
            place =
                ipc::entry_offset(entry) + 8 + 8 * static_cast<std::uint64_t>(std::popcount(below));
        }
        entry = region.read<std::uint64_t>(place);
    }
    return place;
}

}  // namespace

TEST_CASE("equal layers have equal digests, whatever their history") {
    const TempStore one("one");
    const TempStore other("other");
    {
        Producer producer = one.create();
        for (std::uint64_t i = 0; i < 300; ++i) {
            Batch batch = producer.batch();
            batch.put({1, i}, payload_of(i, 0, 50), {.frequency = 2});
            batch.put({2, i << 40}, payload_of(i, 1, 200), {.keywords = {"word"}});
            batch.crystallize();
        }
        Batch batch = producer.batch();
        batch.put({3, 1}, "goes again");
        batch.put({1, 1000}, "erased later");
        batch.crystallize();
        batch.remove_dimension(3);
        batch.erase({1, 1000});
        batch.put({1, 5}, "changed");
        batch.crystallize();
    }
    {
        Producer producer = other.create();
        Batch batch = producer.batch();
        for (std::uint64_t i = 300; i-- > 0;) {
            batch.put({2, i << 40}, payload_of(i, 1, 200), {.keywords = {"word"}});
            batch.put({1, i}, i == 5 ? std::string("changed") : payload_of(i, 0, 50),
                      {.frequency = i == 5 ? 0.0 : 2.0});
        }
        batch.crystallize();
    }
    CHECK(digest_of(one) == digest_of(other));
    CHECK(digest_of(one) != 0);
    const auto ones = one.attach().snapshot().dimensions();
    const auto others = other.attach().snapshot().dimensions();
    REQUIRE(ones.size() == 2);
    REQUIRE(others.size() == 2);
    CHECK(ones[0].digest == others[0].digest);
    CHECK(ones[1].digest == others[1].digest);
    CHECK(ones[0].digest + ones[1].digest == digest_of(one));

    Producer producer = other.open();
    const std::uint64_t before = digest_of(other);
    SUBCASE("one byte of content") { publish(producer, {1, 7}, "x" + payload_of(7, 0, 49)); }
    SUBCASE("a layer less") {
        Batch batch = producer.batch();
        batch.erase({2, 0});
        batch.crystallize();
    }
    SUBCASE("the content of two layers exchanged") {
        Batch batch = producer.batch();
        batch.put({1, 8}, payload_of(9, 0, 50), {.frequency = 2});
        batch.put({1, 9}, payload_of(8, 0, 50), {.frequency = 2});
        batch.crystallize();
    }
    SUBCASE("the same content with another frequency") {
        Batch batch = producer.batch();
        batch.put({1, 8}, payload_of(8, 0, 50), {.frequency = 3});
        batch.crystallize();
    }
    CHECK(digest_of(other) != before);
    CHECK(verify(other.attach().snapshot()).ok());
}

TEST_CASE("digests go on after a restart, and an empty store has none") {
    const TempStore store;
    {
        Producer producer = store.create();
        CHECK(digest_of(store) == 0);
        publish(producer, {1, 1}, "one");
        publish(producer, {4, 2}, "two");
    }
    const std::uint64_t before = digest_of(store);
    Producer producer = store.open();
    publish(producer, {1, 1}, "other");
    CHECK(digest_of(store) != before);
    publish(producer, {1, 1}, "one");
    CHECK(digest_of(store) == before);
    CHECK(verify(store.attach().snapshot()).ok());
    Batch batch = producer.batch();
    batch.remove_dimension(1);
    batch.remove_dimension(4);
    batch.crystallize();
    CHECK(digest_of(store) == 0);
}

TEST_CASE("an index that leads to a sound layer of an older generation is found out") {
    const TempStore store;
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 100; ++i) {
            batch.put({1, i}, payload_of(i, 0, 64));
        }
        batch.crystallize();
        Consumer consumer = store.attach();
        const Snapshot held = consumer.snapshot();  // so that the old block stays as it is
        const auto old_entry =
            FileEditor(store.file("region-1.mmap")).read<std::uint64_t>(entry_place(store, 7));
        publish(producer, {1, 7}, payload_of(7, 1, 64));
        const std::uint64_t place = entry_place(store, 7);
        FileEditor region(store.file("region-1.mmap"));
        REQUIRE(region.read<std::uint64_t>(place) != old_entry);
        CHECK(verify(store.attach().snapshot()).ok());
        region.write(place, old_entry);

        const Snapshot stale = store.attach().snapshot();
        CHECK(stale.get({1, 7}).verify());  // alone, the layer is beyond reproach
        const VerifyReport report = verify(stale);
        REQUIRE(report.failure_count == 1);
        CHECK(report.failures[0].file == "region-1.mmap");
        CHECK(report.failures[0].dimension == Dimension{1});
        CHECK(report.failures[0].what.find("digest") != std::string::npos);
        CHECK(verify(stale, 1).failure_count == 1);
    }
    const auto error = error_of([&] { store.open(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::corrupt);
    CHECK(error->detail().find("digest") != std::string::npos);
}

TEST_CASE("a directory that leads to a dimension's older record is found out") {
    const TempStore store;
    std::uint64_t old_entry = 0;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "one");
        Consumer consumer = store.attach();
        const Snapshot held = consumer.snapshot();
        old_entry = ControlEditor(store.path()).root().directory;
        publish(producer, {1, 1}, "two");
        ControlEditor control(store.path());
        control.forge_root([&](ipc::RootRecord& root) { root.directory = old_entry; });
        const VerifyReport report = verify(store.attach().snapshot());
        REQUIRE(report.failure_count == 1);
        CHECK(report.failures[0].file == "control.mmap");
        CHECK(report.failures[0].what.find("other records") != std::string::npos);
    }
    CHECK(code_of([&] { store.open(); }) == "corrupt");
}

TEST_CASE("forged digests are damage, not a crash") {
    const TempStore store;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "one");
    }
    SUBCASE("of the root") {
        ControlEditor(store.path()).forge_root([](ipc::RootRecord& root) { ++root.digest; });
    }
    SUBCASE("of the records") {
        ControlEditor(store.path()).forge_root([](ipc::RootRecord& root) { ++root.records; });
    }
    SUBCASE("of a dimension") {
        ControlEditor control(store.path());
        control.forge_record([](ipc::DimensionRecord& record) { ++record.digest; });
        const std::uint64_t records = ipc::mix_checksum(control.record().checksum);
        control.forge_root([&](ipc::RootRecord& root) {
            ++root.digest;
            root.records = records;
        });
    }
    CHECK(verify(store.attach().snapshot()).failure_count == 1);
    CHECK(code_of([&] { store.open(); }) == "corrupt");
}

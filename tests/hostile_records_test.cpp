// SPDX-License-Identifier: Apache-2.0
// Forged root records, directories, dimension records and history slots, with right checksums: a
// typed error, never a crash, a hang, or another generation than the one that was asked for.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/spoiled_store.hpp"

using namespace strata;
using namespace strata::test;
using ipc::EntryKind;
using ipc::node_entry;

TEST_CASE("a record with impossible numbers is corrupt although its checksum is right") {
    using Record = ipc::DimensionRecord;
    const auto forged = [](auto edit) {
        const SpoiledStore store;
        store.control().forge_record(edit);
        const Reading reading = read_store(store);
        CHECK(reading.found == 0);
        CHECK(reading.get == reading.scan);
        const std::string opened = open_code(store);
        CHECK((opened == "corrupt" || opened == "truncated"));
        return reading.get;
    };
    CHECK(forged([](Record& r) { r.index_levels = 12; }) == "corrupt");
    CHECK(forged([](Record& r) { r.index_levels = 0xFFFF; }) == "corrupt");
    CHECK(forged([](Record& r) { r.layers = all_ones; }) == "corrupt");
    CHECK(forged([](Record& r) { r.layers = r.committed_bytes() / ipc::block_unit + 1; }) ==
          "corrupt");
    CHECK(forged([](Record& r) { r.name_bytes = 56; }) == "corrupt");
    CHECK(forged([](Record& r) { r.name_bytes = 0xFFFF; }) == "corrupt");
    CHECK(forged([](Record& r) { r.committed_pages = 0; }) == "corrupt");
    CHECK(forged([](Record& r) { r.committed_pages = 0xFFFF'FFFF; }) == "corrupt");
    CHECK(forged([](Record& r) { r.committed_pages += 1; }) == "truncated");
    CHECK(forged([](Record& r) { r.dimension = std::uint64_t{1} << 32; }) == "corrupt");
    CHECK(forged([](Record& r) { r.serial += 1; }) == "corrupt");  // no such file
    const SpoiledStore flipped;
    const std::uint64_t offset = flipped.control().record_offset();
    flipped.control().write(offset + offsetof(Record, layers), std::uint64_t{99});
    CHECK(read_store(flipped).get == "corrupt");
    CHECK(open_code(flipped) == "corrupt");
}

TEST_CASE("a directory that is forged, shared or contains itself is corrupt") {
    const auto with_directory = [](auto make) {
        const SpoiledStore store;
        ControlEditor control(store.path());
        const std::pair<std::uint64_t, std::uint32_t> directory = make(control);
        control.forge_root([&](ipc::RootRecord& root) {
            root.directory = directory.first;
            root.directory_levels = directory.second;
        });
        const Reading reading = read_store(store);
        CHECK(reading.found == 0);
        CHECK(code_of([&] { (void)store.attach().snapshot().dimensions(); }) == "corrupt");
        CHECK(reading.changes == "corrupt");
        CHECK(open_code(store) == "corrupt");
        return reading.get;
    };
    using Pair = std::pair<std::uint64_t, std::uint32_t>;
    CHECK(with_directory([](const ControlEditor& c) {
              return Pair(layer_entry(c.size(), 64), 1);
          }) == "corrupt");
    CHECK(with_directory([](ControlEditor& c) {
              c.write(c.size() - 64, all_ones & ~std::uint64_t{0x3F});
              return Pair(node_entry(EntryKind::bitmap_node, c.size() - 64), 1);
          }) == "dimension_not_found");  // dimension 1 is not in it; those that are lie outside
    CHECK(with_directory([](const ControlEditor&) {
              return Pair(node_entry(EntryKind::array_node, ipc::entry_offset_mask), 1);
          }) == "corrupt");
    CHECK(with_directory([](ControlEditor& c) {
              const std::uint64_t offset = c.size() - 4096;
              const std::uint64_t self = node_entry(EntryKind::array_node, offset);
              for (std::uint64_t digit = 0; digit < 64; ++digit) {
                  c.write(offset + 8 * digit, self);
              }
              return Pair(self, 6);
          }) == "corrupt");
    // The root record has the shape of a dimension's and a right checksum, but is none.
    CHECK(with_directory([](const ControlEditor& c) {
              return Pair(layer_entry(c.root_offset(), 64), 1);
          }) != "no error");
}

TEST_CASE("a directory that has a dimension under another's number is corrupt") {
    const SpoiledStore store;
    ControlEditor control(store.path());
    const std::uint64_t offset = control.size() - 4096;
    for (std::uint64_t digit = 0; digit < 64; ++digit) {
        control.write(offset + 8 * digit, digit == 9 ? control.root().directory : 0);
    }
    control.forge_root([&](ipc::RootRecord& root) {
        root.directory = node_entry(EntryKind::array_node, offset);
        root.directory_levels = 1;
    });
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(code_of([&] { (void)snapshot.find({9, 1}); }) == "corrupt");
    CHECK(code_of([&] { (void)snapshot.get({9, 1}); }) == "corrupt");
    CHECK_FALSE(snapshot.find({1, 1}));
    CHECK(open_code(store) == "corrupt");
    const VerifyReport report = verify(snapshot);
    REQUIRE(report.failure_count == 1);
    CHECK(report.failures[0].file == "control.mmap");
    CHECK(report.failures[0].dimension == Dimension{1});  // as the record says
    CHECK(report.failures[0].what.find("place of another") != std::string::npos);
}

TEST_CASE("a root out of range, or with impossible numbers and a right checksum, is refused") {
    const SpoiledStore store;
    const ipc::ControlCells sound = store.control().cells();
    const std::uint64_t size = store.control().size();
    for (const std::uint64_t offset :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4095}, sound.root + 1, sound.root + 64,
          size - 64, size, std::uint64_t{1} << 33, std::uint64_t{1} << 63, all_ones - 63,
          all_ones}) {
        CAPTURE(offset);
        store.control().change_cells([&](ipc::ControlCells& cells) { cells.root = offset; });
        CHECK(snapshot_code(store) == "corrupt");
        CHECK(open_code(store) == "corrupt");
    }
    store.control().change_cells([&](ipc::ControlCells& cells) { cells.root = sound.root; });
    const ipc::RootRecord root = store.control().root();
    const auto forged = [&](auto edit) {
        store.control().forge_root(edit);
        const std::string code = snapshot_code(store);
        CHECK(open_code(store) == code);
        store.control().write(sound.root, root);
        return code;
    };
    using Root = ipc::RootRecord;
    CHECK(forged([](Root& r) { r.generation = 0; }) == "corrupt");
    CHECK(forged([](Root& r) { r.directory_levels = 12; }) == "corrupt");
    CHECK(forged([](Root& r) { r.control_bytes = 0; }) == "corrupt");
    CHECK(forged([](Root& r) { r.dimensions = 0xFFFF'FFFF; }) == "corrupt");
    CHECK(forged([](Root& r) { r.control_bytes += 4096; }) == "truncated");
    CHECK(forged([](Root& r) { r.control_bytes = all_ones; }) == "truncated");
    CHECK(snapshot_code(store) == "no error");
    CHECK(open_code(store) == "no error");
}

TEST_CASE("an epoch beyond all locks is refused by both ends") {
    for (const std::uint64_t epoch : {std::uint64_t{1} << 40, std::uint64_t{1} << 63, all_ones}) {
        CAPTURE(epoch);
        const SpoiledStore store;
        store.control().change_cells([&](ipc::ControlCells& cells) { cells.epoch = epoch; });
        CHECK(snapshot_code(store) == "corrupt");
        CHECK(open_code(store) == "corrupt");
    }
}

TEST_CASE("a wrong generation word misleads nobody: the root says what is published") {
    for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{77}, all_ones}) {
        const SpoiledStore store;
        const Generation generation = store.control().root().generation;
        store.control().change_cells([&](ipc::ControlCells& cells) { cells.generation = word; });
        Consumer consumer = store.attach();
        for (int i = 0; i < 3; ++i) {
            CHECK(consumer.snapshot().generation() == generation);
        }
        const Producer producer = store.open();  // puts it right
        CHECK(producer.generation() == generation);
        CHECK(consumer.generation() == generation);
    }
}

TEST_CASE("a history slot that is forged or stale gives an error, never another generation") {
    const SpoiledStore store(5);
    const auto slot = [](Generation g) { return ipc::history_offset + 8 * (g % 256); };
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot(1).generation() == 1);
    for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{64}, all_ones,
                                       std::uint64_t{4096 + 64}, store.control().size()}) {
        store.control().write(slot(1), offset);
        CHECK(code_of([&] { (void)consumer.snapshot(1); }) == "corrupt");
    }
    store.control().write(slot(1), store.control().root_offset());
    CHECK(code_of([&] { (void)consumer.snapshot(1); }) == "generation_not_retained");
}

TEST_CASE("root records that lead back to where they should not end in an error, and in time") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.retain = 1000;
    Producer producer = Producer::create(store.name(), options);
    while (producer.generation() < 600) {
        publish(producer, {1, 1}, "content");
    }
    Consumer consumer = store.attach();
    REQUIRE(consumer.snapshot(100).generation() == 100);
    ControlEditor control(store.path());
    const auto offset_of = [&](Generation wanted) {
        std::uint64_t offset = control.root_offset();
        while (control.read<ipc::RootRecord>(offset).generation != wanted) {
            offset = control.read<ipc::RootRecord>(offset).previous;
        }
        return offset;
    };
    const auto with = [&](auto change) {
        const std::uint64_t at = offset_of(200);
        const auto before = control.read<ipc::RootRecord>(at);
        control.forge<ipc::RootRecord>(at, change);
        const std::string by_number = code_of([&] { (void)consumer.snapshot(100); });
        const std::string by_time =
            code_of([&] { (void)consumer.snapshot_at(std::chrono::system_clock::time_point()); });
        control.write(at, before);
        CHECK(by_number == by_time);
        return by_number;
    };
    const std::uint64_t newest = control.root_offset();
    const std::uint64_t older = offset_of(150);
    const std::uint64_t itself = offset_of(200);
    CHECK(with([](auto& root) { root.previous = 64; }) == "corrupt");
    CHECK(with([](auto& root) { root.previous = all_ones; }) == "corrupt");
    CHECK(with([&](auto& root) { root.previous = newest; }) == "corrupt");
    CHECK(with([&](auto& root) { root.previous = older; }) == "corrupt");
    CHECK(with([&](auto& root) {
              root.previous = itself;
              root.previous_generation = root.generation;
          }) == "corrupt");
    CHECK(with([&](auto& root) {
              root.previous = newest;
              root.previous_generation = 600;
          }) == "corrupt");
    CHECK(with([](auto& root) { root.previous = 0; }) == "generation_not_retained");
    CHECK(with([](auto& root) { root.previous_generation = 0; }) == "generation_not_retained");
    CHECK(consumer.snapshot(100).generation() == 100);
}

// SPDX-License-Identifier: Apache-2.0
// Forged indexes: readers and a restarting producer end in a typed error or find nothing; they
// never crash, hang or read beyond.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/spoiled_store.hpp"

using namespace strata;
using namespace strata::test;
using ipc::EntryKind;
using ipc::node_entry;

TEST_CASE("the spoiler's own assumptions hold for a sound store") {
    const SpoiledStore store;
    const Reading reading = read_store(store);
    CHECK(reading.found == 100);
    CHECK(reading.scanned == 100);
    CHECK(reading.get == "no error");
    CHECK(reading.scan == "no error");
    CHECK(reading.changes == "no error");
    CHECK(store.region().read<ipc::LayerHeader>(store.layer_offset()).layer == 7);
    CHECK(open_code(store) == "no error");
}

TEST_CASE("an index whose root points outside the file is corrupt for everybody") {
    const std::uint64_t limit = SpoiledStore().limit();
    for (const std::uint64_t offset : {limit, limit - 64, limit + 4096, TempStore::region_max_bytes,
                                       TempStore::region_max_bytes - 64, ipc::entry_offset_mask}) {
        for (const EntryKind kind : {EntryKind::array_node, EntryKind::bitmap_node}) {
            CAPTURE(offset);
            CAPTURE(static_cast<int>(kind));
            const SpoiledStore store;
            if (offset == limit - 64) {
                store.region().write(offset, all_ones);  // a full bitmap that the file cuts off
            }
            store.set_index(node_entry(kind, offset));
            const Reading reading = read_store(store);
            CHECK(reading.found == 0);
            CHECK(reading.get == "corrupt");
            CHECK(reading.scan == "corrupt");
            CHECK(reading.changes == "corrupt");
            CHECK(open_code(store) == "corrupt");
        }
    }
}

TEST_CASE("a lone layer at or beyond the end, or larger than what is left, is corrupt") {
    const std::uint64_t limit = SpoiledStore().limit();
    const std::uint64_t sizes[] = {41, 64, 0xFFFFE};
    std::vector<std::uint64_t> entries = {layer_entry(limit, 0), layer_entry(limit + 64, 0),
                                          layer_entry(ipc::entry_offset_mask, 0), layer_entry(0, 0),
                                          layer_entry(64, 10)};
    for (const std::uint64_t size : sizes) {
        entries.push_back(layer_entry(limit - 64, size));
    }
    for (const std::uint64_t entry : entries) {
        CAPTURE(entry);
        const SpoiledStore store;
        store.set_index(entry, 0, 1);
        const Reading reading = read_store(store);
        CHECK(reading.found == 0);
        CHECK(reading.get == "corrupt");
        CHECK(reading.scan == "corrupt");
        CHECK(reading.changes == "corrupt");
        CHECK(open_code(store) == "corrupt");
    }
    for (const std::uint64_t size : {limit, all_ones, all_ones - 63, std::uint64_t{1} << 48}) {
        CAPTURE(size);
        const SpoiledStore store;  // the size stands before the header
        const std::uint64_t offset = store.layer_offset();
        store.region().write(offset + offsetof(ipc::LayerHeader, shape),
                             ipc::entry_shape(ipc::entry_size_unknown));
        store.region().write(offset - sizeof(ipc::LayerPrefix), ipc::LayerPrefix{size, 0});
        store.set_index(layer_entry(offset, ipc::entry_size_unknown), 0, 1);
        CHECK(read_store(store).found == 0);
        CHECK(read_store(store).get == "corrupt");
        CHECK(open_code(store) == "corrupt");
    }
}

TEST_CASE("an index that contains itself ends in an error, not in an endless walk") {
    for (const std::uint32_t levels : {1U, 2U, 5U, 11U}) {
        for (const bool everywhere : {false, true}) {
            CAPTURE(levels);
            CAPTURE(everywhere);
            const SpoiledStore store;
            const std::uint64_t offset = store.limit() - 4096;
            const std::uint64_t self = node_entry(EntryKind::array_node, offset);
            FileEditor bytes = store.region();
            for (std::uint64_t digit = 0; digit < 64; ++digit) {
                bytes.write(offset + 8 * digit, everywhere || digit == 3 ? self : 0);
            }
            store.set_index(self, levels,
                            store.limit() / ipc::block_unit);  // as many as the record may claim
            const Reading reading = read_store(store);
            CHECK(reading.found == 0);
            CHECK(reading.scan == "corrupt");
            CHECK(reading.changes == "corrupt");
            CHECK(open_code(store) == "corrupt");
        }
    }
}

TEST_CASE("shared nodes cannot unfold into an exponential walk") {
    const SpoiledStore store;
    // Eleven nodes, each of which has the next one 64 times: 64^10 paths to one layer.
    FileEditor bytes = store.region();
    std::uint64_t child = layer_entry(store.layer_offset(), 7);
    std::uint64_t offset = store.limit();
    for (int level = 0; level < 11; ++level) {
        offset -= 512;
        for (std::uint64_t digit = 0; digit < (level == 10 ? 16U : 64U); ++digit) {
            bytes.write(offset + 8 * digit, child);
        }
        child = node_entry(EntryKind::array_node, offset);
    }
    store.set_index(child, 11, store.limit() / ipc::block_unit);
    const Reading reading = read_store(store);
    CHECK(reading.scan == "corrupt");
    CHECK(reading.changes == "corrupt");
    CHECK(open_code(store) == "corrupt");
}

TEST_CASE("layers that overlap cannot make a reader read the file many times over") {
    const SpoiledStore store;
    // Sixty-four layers that each claim most of the file; none of them needs to know its number.
    const std::uint64_t header = store.layer_offset();
    const std::uint64_t size = store.limit() - header - sizeof(ipc::LayerHeader);
    FileEditor bytes = store.region();
    bytes.write(header + offsetof(ipc::LayerHeader, shape), ipc::entry_shape(size));
    const std::uint64_t node = store.limit() - 512;
    for (std::uint64_t digit = 0; digit < 64; ++digit) {
        bytes.write(node + 8 * digit, layer_entry(header, size));
    }
    store.set_index(node_entry(EntryKind::array_node, node), 1, 64);
    const Reading reading = read_store(store);
    CHECK(reading.scan == "corrupt");
    CHECK(reading.scanned <= store.limit() / size);
    const VerifyReport report = verify(store.attach().snapshot());
    CHECK(report.payload_bytes <= store.limit());
    REQUIRE_FALSE(report.failures.empty());
    CHECK(report.failures.back().what.find("overlap") != std::string::npos);
    CHECK(open_code(store) == "corrupt");
}

TEST_CASE("a node below the lowest level is corrupt") {
    const SpoiledStore store;
    const std::uint64_t root = store.control().record().index;
    store.set_index(root, 1);
    const Reading reading = read_store(store);
    CHECK(reading.found == 0);
    CHECK(reading.get == "corrupt");
    CHECK(reading.scan == "corrupt");
    CHECK(reading.changes == "corrupt");
    CHECK(open_code(store) == "corrupt");
    store.set_index(root, 0);
    CHECK(read_store(store).scan == "corrupt");
    CHECK(open_code(store) == "corrupt");
}

TEST_CASE("an index under a taller root than its own finds no wrong layer") {
    const SpoiledStore store;
    store.set_index(store.control().record().index, 5);
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.find({1, 0}).id() == LayerId{1, 0});  // all its digits are zero at any height
    CHECK(read_everything(snapshot).found == 1);
    CHECK(open_code(store) == "corrupt");  // the layers are not where their numbers belong
}

TEST_CASE("children outside the file, or of no kind, are corrupt or absent") {
    const std::uint64_t limit = SpoiledStore().limit();
    for (const std::uint64_t child :
         {layer_entry(limit, 100), layer_entry(limit - 64, 100),
          node_entry(EntryKind::array_node, limit - 64),
          node_entry(EntryKind::bitmap_node, ipc::entry_offset_mask), std::uint64_t{4096},
          std::uint64_t{0x3C}, all_ones, all_ones - 1, all_ones - 2, all_ones - 3}) {
        CAPTURE(child);
        const SpoiledStore store;
        FileEditor bytes = store.region();
        const std::uint64_t root = store.control().record().index;
        const std::uint64_t first =
            ipc::entry_offset(root) + (ipc::entry_kind(root) == EntryKind::bitmap_node ? 8 : 0);
        bytes.write(first, child);  // instead of the node of the layers 0 to 63
        const Reading reading = read_store(store);
        CHECK(reading.found >= 36);  // of the other node
        CHECK(open_code(store) == "corrupt");
        const VerifyReport report = verify(store.attach().snapshot());
        REQUIRE(report.failure_count >= 1);
        if (child == layer_entry(limit, 100)) {
            CHECK(report.failures[0].what == "an index entry points out of the file");
        }
    }
}

TEST_CASE("an entry word with bits that mean nothing is corrupt to a restarting producer") {
    for (const bool in_directory : {false, true}) {
        for (const unsigned bit : {2U, 3U, 5U, 45U}) {
            CAPTURE(in_directory);
            CAPTURE(bit);
            const SpoiledStore store;
            const std::uint64_t flip = std::uint64_t{1} << bit;
            if (in_directory) {
                store.control().forge_root([&](ipc::RootRecord& root) { root.directory ^= flip; });
            } else {
                store.control().forge_record(
                    [&](ipc::DimensionRecord& record) { record.index ^= flip; });
            }
            CHECK(open_code(store) == "corrupt");
            read_store(store);
        }
    }
}

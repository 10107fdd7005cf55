// SPDX-License-Identifier: Apache-2.0
// Forged indexes, directories and records, with right checksums where there are any: readers and a
// restarting producer end in a typed error or find nothing; they never crash, hang or read beyond.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using ipc::EntryKind;
using ipc::layer_entry;
using ipc::node_entry;
using strata::test::code_of;
using strata::test::ControlEditor;
using strata::test::error_of;
using strata::test::FileEditor;
using strata::test::payload_of;
using strata::test::TempStore;

namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

// A store with one dimension of a hundred layers, left by its producer, and the tools to spoil it.
class SpoiledStore : public TempStore {
public:
    explicit SpoiledStore(std::uint32_t retain = 0) {
        ProducerOptions options = producer_options();
        options.retain = retain;
        Producer producer = Producer::create(name(), options);
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 100; ++i) {
            batch.put({1, i}, payload_of(i, 0, 100), {.keywords = {"key"}});
        }
        batch.put(1, "called", std::as_bytes(std::span("abc", 3)));
        batch.erase(1, "called");  // so that all keys are low
        batch.put({1, 7}, "payload", {.keywords = {"one", "two"}});
        batch.crystallize();
    }

    ControlEditor control() const { return ControlEditor(path()); }
    FileEditor region() const { return FileEditor(file("region-1-1.mmap")); }
    std::uint64_t limit() const { return control().record().committed_bytes; }

    /// Makes `entry` the root of the dimension's index.
    void set_index(std::uint64_t entry, std::uint32_t levels = 2,
                   std::uint64_t layers = 100) const {
        control().forge_record([&](ipc::DimensionRecord& record) {
            record.index = entry;
            record.index_levels = levels;
            record.layers = layers;
        });
    }
    /// Of layer 7's header.
    std::uint64_t layer_offset() const {
        FileEditor bytes = region();
        std::uint64_t entry = control().record().index;
        for (const unsigned digit : {0U, 7U}) {
            REQUIRE(entry != 0);
            const std::uint64_t offset = ipc::entry_offset(entry);
            if (ipc::entry_kind(entry) == EntryKind::array_node) {
                entry = bytes.read<std::uint64_t>(offset + 8 * digit);
            } else {
                const auto bitmap = bytes.read<std::uint64_t>(offset);
                const auto rank = std::popcount(bitmap & ((std::uint64_t{1} << digit) - 1));
                entry = bytes.read<std::uint64_t>(offset + 8 + 8 * static_cast<unsigned>(rank));
            }
        }
        REQUIRE(ipc::entry_kind(entry) == EntryKind::layer);
        return ipc::entry_offset(entry);
    }
};

// Calls everything that reads; strata's own errors are the only ones that may come out.
struct Reading {
    std::string get = "no error";
    std::string scan = "no error";
    std::string changes = "no error";
    std::size_t found = 0;
    std::uint64_t scanned = 0;
};

Reading read_everything(const Snapshot& snapshot, Dimension dimension = 1) {
    Reading result;
    std::vector<LayerId> ids;
    for (std::uint64_t i = 0; i < 128; ++i) {
        ids.push_back({dimension, i});
    }
    for (const std::uint64_t key : {std::uint64_t{4095}, std::uint64_t{1} << 40, all_ones}) {
        ids.push_back({dimension, key});
    }
    std::vector<Layer> layers(ids.size());
    snapshot.find(ids, layers);
    std::uint64_t sum = 0;  // touches every byte that a layer claims to have
    const auto touch = [&](const Layer& layer) {
        if (!layer) return;
        for (const std::byte byte : layer.bytes()) {
            sum += std::to_integer<unsigned>(byte);
        }
        sum += layer.verify() ? 1 : 0;
        sum += layer.id().layer + layer.generation() + layer.type_tag();
        code_of([&] { sum += layer.name().size() + layer.keywords().size(); });
    };
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const Layer single = snapshot.find(ids[i]);
        CHECK(layers[i].data() == single.data());
        touch(single);
        result.found += single ? 1 : 0;
        const std::string code = code_of([&] { snapshot.get(ids[i]); });
        CHECK((code != "no error" || single.data() == layers[i].data()));
        CHECK((code != "no error" || single));
        if (code != "no error" && code != "layer_not_found") result.get = code;
    }
    result.scan = code_of([&] {
        for (const Layer& layer : snapshot.dimension(dimension)) {
            touch(layer);
            ++result.scanned;
        }
    });
    result.changes = code_of([&] {
        for (const Change& change : changes(Snapshot(), snapshot)) {
            touch(change.after);
        }
    });
    CHECK(code_of([&] { changes(snapshot, Snapshot()); }) == result.changes);
    code_of([&] { snapshot.dimensions(); });
    CHECK(sum != all_ones);  // keeps the reads
    return result;
}

Reading read_store(const TempStore& store) { return read_everything(store.attach().snapshot()); }

std::string snapshot_code(const TempStore& store) {
    const auto error = error_of([&] { store.attach().snapshot(); });
    if (!error) return "no error";
    CHECK(error->path() == store.file("control.mmap"));
    CHECK_FALSE(error->detail().empty());
    return std::string(to_string(error->code()));
}

std::string open_code(const TempStore& store) {
    const auto error = error_of([&] { store.open(); });
    if (!error) return "no error";
    CHECK_FALSE(error->path().empty());
    CHECK_FALSE(error->detail().empty());
    return std::string(to_string(error->code()));
}

}  // namespace

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
    const std::uint64_t sizes[] = {1, 64, 0xFFFFFE};
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
        const SpoiledStore store;  // the size is in the header
        const std::uint64_t offset = store.layer_offset();
        store.region().write(offset + offsetof(ipc::LayerHeader, payload_bytes), size);
        store.set_index(layer_entry(offset, 0xFFFFFF), 0, 1);
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
            store.set_index(self, levels, store.limit() / 64);  // as many as the record may claim
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
    store.set_index(child, 11, store.limit() / 64);
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
    bytes.write(header + offsetof(ipc::LayerHeader, payload_bytes), size);
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
    }
}

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
    CHECK(forged([](Record& r) { r.index_levels = 0xFFFF'FFFF; }) == "corrupt");
    CHECK(forged([](Record& r) { r.layers = all_ones; }) == "corrupt");
    CHECK(forged([](Record& r) { r.layers = r.committed_bytes / 64 + 1; }) == "corrupt");
    CHECK(forged([](Record& r) { r.name_bytes = 56; }) == "corrupt");
    CHECK(forged([](Record& r) { r.name_bytes = 0xFFFF'FFFF; }) == "corrupt");
    CHECK(forged([](Record& r) { r.committed_bytes = 0; }) == "corrupt");
    CHECK(forged([](Record& r) { r.committed_bytes = all_ones; }) == "corrupt");
    CHECK(forged([](Record& r) { r.committed_bytes += 4096; }) == "truncated");
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
        CHECK(code_of([&] { store.attach().snapshot().dimensions(); }) == "corrupt");
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
    CHECK_FALSE(snapshot.find({9, 1}));
    CHECK_FALSE(snapshot.find({1, 1}));
    CHECK(code_of([&] { snapshot.get({9, 1}); }) == "corrupt");
    CHECK(open_code(store) == "corrupt");
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
        CHECK(code_of([&] { consumer.snapshot(1); }) == "corrupt");
    }
    store.control().write(slot(1), store.control().root_offset());
    CHECK(code_of([&] { consumer.snapshot(1); }) == "generation_not_retained");
}

TEST_CASE("damaged layers: verify says no, metadata throws, and the payload stays readable") {
    using Header = ipc::LayerHeader;
    const auto spoiled = [](auto edit) {
        const SpoiledStore store;
        FileEditor bytes = store.region();
        edit(bytes, store.layer_offset());
        const Snapshot snapshot = store.attach().snapshot();
        const Layer layer = snapshot.get({1, 7});
        CHECK(layer.size() == 7);
        CHECK_FALSE(layer.verify());
        const std::string code = code_of([&] { layer.keywords(); });
        CHECK((code != "no error") ==
              (code_of([&] { layer.name(); }) != "no error" || code == "corrupt"));
        return code;
    };
    const auto header = [](auto change) {
        return [change](FileEditor& bytes, std::uint64_t offset) {
            auto fields = bytes.read<Header>(offset);
            change(fields);
            bytes.write(offset, fields);
        };
    };
    const auto metadata = [](std::uint64_t at, std::uint32_t value) {
        return [=](FileEditor& bytes, std::uint64_t offset) {
            bytes.write(offset + sizeof(Header) + 8 + at, value);  // behind the payload of 7
        };
    };
    CHECK(spoiled([](FileEditor& bytes, std::uint64_t offset) {
              bytes.write(offset + sizeof(Header) + 3, 'X');
          }) == "no error");
    CHECK(spoiled(header([](Header& h) { h.frequency = 9; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.type_tag = 9; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.checksum ^= 1; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.alignment = 128; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.payload_bytes = all_ones; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.metadata_bytes = 0xFFFF'FFFF; })) == "corrupt");
    CHECK(spoiled(header([](Header& h) { h.metadata_bytes = 5; })) == "corrupt");
    CHECK(spoiled(metadata(0, 0xFFFF'FFFF)) == "corrupt");  // bytes of the name
    CHECK(spoiled(metadata(4, 0xFFFF'FFFF)) == "corrupt");  // number of keywords
    CHECK(spoiled(metadata(4, 3)) == "corrupt");
    CHECK(spoiled(metadata(8, 0xFFFF'FFFF)) == "corrupt");  // bytes of the first one
}

TEST_CASE("a producer does not trust the names in the layers that it takes over") {
    const TempStore store;
    std::uint64_t offset = 0;
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put(1, "called", std::as_bytes(std::span("abcdefg", 7)));
        batch.crystallize();
        const Snapshot snapshot = store.attach().snapshot();
        REQUIRE(snapshot.find(1, "called"));
    }
    offset = ipc::entry_offset(ControlEditor(store.path()).record().index);
    for (const std::uint32_t name_bytes : {0xFFFF'FFFFU, 1000U, 5U}) {
        CAPTURE(name_bytes);
        FileEditor(store.file("region-1-1.mmap")).write(offset + 64 + 8, name_bytes);
        CHECK_FALSE(store.attach().snapshot().find(1, "called"));
        Producer producer = store.open();
        Batch batch = producer.batch();
        batch.put(1, "called", std::as_bytes(std::span("new", 3)));
        CHECK(code_of([&] { batch.crystallize(); }) == "name_collision");
    }
}

TEST_CASE(
    "random damage anywhere: typed errors or sound answers, and the producer does not crash") {
    const SpoiledStore store;
    const std::filesystem::path files[] = {store.file("control.mmap"),
                                           store.file("region-1-1.mmap")};
    std::map<std::string, std::string> sound;
    for (const auto& path : files) {
        sound[path.string()] = test::contents_of(path);
    }
    const std::uint64_t record_offset = store.control().record_offset();
    const char* const given = std::getenv("STRATA_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10)
                                                : std::uint64_t{std::random_device()()};
    MESSAGE("STRATA_TEST_SEED=" << seed);  // now: a crash must name it, too
    std::mt19937_64 random(seed);
    std::size_t opened = 0;
    for (int round = 0; round < 300; ++round) {
        for (const auto& [path, bytes] : sound) {
            test::write_contents(path, bytes);
        }
        {
            ControlEditor control = store.control();
            FileEditor region = store.region();
            for (std::uint64_t i = 1 + random() % 6; i > 0; --i) {
                FileEditor& file = random() % 2 == 0 ? static_cast<FileEditor&>(control) : region;
                const bool is_control = &file == &control;
                // Mostly where something is: the files' later parts are empty.
                const std::uint64_t used = random() % 8 == 0 ? file.size() : 24'000;
                const std::uint64_t at =
                    is_control && random() % 2 == 0
                        ? (random() % 2 == 0 ? record_offset : control.root_offset()) +
                              random() % 15 * 8
                        : 128 + random() % (used / 8 - 17) * 8;
                if (at + 8 > file.size()) continue;
                std::uint64_t word = random();
                switch (random() % 4) {
                    case 0: word = file.read<std::uint64_t>(4096 + random() % 2000 * 8); break;
                    case 1: word = (word % (file.size() / 64 + 4)) << 6 | (word >> 62); break;
                    case 2:
                        word = file.read<std::uint64_t>(at) ^ (std::uint64_t{1} << (word % 64));
                        break;
                    default: break;
                }
                file.write(at, word);
            }
            // Past the checksums, if the records are still where they were.
            control.forge<ipc::DimensionRecord>(record_offset, [](auto&) {});
            const std::uint64_t root = control.root_offset();
            if (root >= 4096 && root < control.size() - 128) {
                control.forge_root([](auto&) {});
            }
        }
        const std::string code = code_of([&] {
            Consumer consumer = store.attach();
            const Snapshot snapshot = consumer.snapshot();
            read_everything(snapshot);
            consumer.retained();
        });
        CHECK(code != "system");
        code_of([&] {
            Producer producer = store.open();
            ++opened;
            Batch batch = producer.batch();
            batch.put({1, 7}, "new");
            batch.put(1, "called", {});
            batch.put({2, 1}, "new");
            for (std::uint64_t i = 20; i < 90; ++i)
                batch.erase({1, i});
            batch.crystallize();
            producer.trim();
        });
    }
    CHECK(opened > 0);
    CHECK(opened < 300);
}

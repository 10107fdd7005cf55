// SPDX-License-Identifier: Apache-2.0
// Forged layers below a sound index: their headers, metadata and names.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <random>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/spoiled_store.hpp"

using namespace strata;
using namespace strata::test;

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
        const std::string code = code_of([&] { (void)layer.keywords(); });
        CHECK((code != "no error") ==
              (code_of([&] { (void)layer.name(); }) != "no error" || code == "corrupt"));
        return code;
    };
    const auto header = [](auto change) {
        return [change](FileEditor& bytes, std::uint64_t offset) {
            auto fields = bytes.read<Header>(offset);
            change(fields);
            bytes.write(offset, fields);
        };
    };
    // Behind the payload of 7: the size of the metadata, an empty name, "one" and "two".
    const auto tail = [](std::uint64_t at, std::uint8_t value) {
        return [=](FileEditor& bytes, std::uint64_t offset) {
            bytes.write(offset + sizeof(Header) + 7 + at, value);
        };
    };
    CHECK(spoiled([](FileEditor& bytes, std::uint64_t offset) {
              bytes.write(offset + sizeof(Header) + 3, 'X');
          }) == "no error");
    CHECK(spoiled(header([](Header& h) { h.layer = 9; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.dimension = 9; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.stamp ^= 1; })) == "no error");
    CHECK(spoiled(header([](Header& h) { h.shape |= 1; })) == "no error");  // its alignment
    CHECK(spoiled(header([](Header& h) { h.shape |= 10; })) == "corrupt");  // there is none such
    CHECK(spoiled(header([](Header& h) { h.shape ^= 8U << 4; })) == "corrupt");
    CHECK(spoiled(header([](Header& h) { h.shape |= 0xFFFFFU << 4; })) == "corrupt");
    CHECK(spoiled(header([](Header& h) { h.shape |= 3U << 26; })) == "corrupt");
    CHECK(spoiled(header([](Header& h) { h.shape |= 1U << 31; })) == "corrupt");
    CHECK(spoiled(tail(0, 5)) == "no error");  // its metadata ends with "one"
    CHECK(spoiled(tail(0, 4)) == "corrupt");
    CHECK(spoiled(tail(0, 0)) == "corrupt");
    CHECK(spoiled(tail(1, 0xFF)) == "corrupt");  // bytes of the name
    CHECK(spoiled(tail(1, 9)) == "corrupt");
    CHECK(spoiled(tail(2, 0xFF)) == "corrupt");  // bytes of the first keyword
    CHECK(spoiled(tail(6, 4)) == "corrupt");     // and of the last
}

TEST_CASE("a producer does not trust the names in the layers that it takes over") {
    const TempStore store(TempStore::Regions::own);
    std::uint64_t offset = 0;
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put(1, "called", std::as_bytes(std::span("abcdefg", 7)), {.keywords = {"k"}});
        batch.crystallize();
        const Snapshot snapshot = store.attach().snapshot();
        REQUIRE(snapshot.find(1, "called"));
    }
    offset = ipc::entry_offset(ControlEditor(store.path()).record().index);
    for (const unsigned name_bytes : {0xFFU, 50U, 5U}) {
        CAPTURE(name_bytes);
        FileEditor(store.file("region-1.mmap"))
            .write(offset + sizeof(ipc::LayerHeader) + 7 + 1,
                   static_cast<std::uint8_t>(name_bytes));
        // Five bytes are another name, and a sound one.
        Layer found;
        CHECK(code_of([&] { found = store.attach().snapshot().find(1, "called"); }) ==
              (name_bytes == 5 ? "no error" : "corrupt"));
        CHECK_FALSE(found);
        Producer producer = store.open();
        Batch batch = producer.batch();
        batch.put(1, "called", std::as_bytes(std::span("new", 3)));
        CHECK(code_of([&] { batch.crystallize(); }) == "name_collision");
    }
}

TEST_CASE(
    "random damage anywhere: typed errors or sound answers, and the producer does not crash") {
    const SpoiledStore store;
    const std::filesystem::path files[] = {store.file("control.mmap"), store.file("region-1.mmap")};
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
            (void)consumer.retained();
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

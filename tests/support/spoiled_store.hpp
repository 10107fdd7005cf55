// SPDX-License-Identifier: Apache-2.0
// A store to spoil, and everything that reads one: strata's own errors are all that may come out.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

namespace strata::test {

inline constexpr std::uint64_t all_ones = ~std::uint64_t{0};

constexpr std::uint64_t layer_entry(std::uint64_t offset, std::uint64_t payload_bytes) {
    return ipc::layer_entry(offset, ipc::entry_shape(payload_bytes));
}

// A store with one dimension of a hundred layers, left by its producer, and the tools to spoil it.
class SpoiledStore : public TempStore {
public:
    explicit SpoiledStore(std::uint32_t retain = 0) : TempStore(Regions::own) {
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
    FileEditor region() const { return FileEditor(file("region-1.mmap")); }
    std::uint64_t limit() const { return control().record().committed_bytes(); }

    /// Makes `entry` the root of the dimension's index.
    void set_index(std::uint64_t entry, std::uint32_t levels = 2,
                   std::uint64_t layers = 100) const {
        control().forge_record([&](ipc::DimensionRecord& record) {
            record.index = entry;
            record.index_levels = static_cast<std::uint16_t>(levels);
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
            if (ipc::entry_kind(entry) == ipc::EntryKind::array_node) {
                entry = bytes.read<std::uint64_t>(offset + 8 * digit);
            } else {
                const auto bitmap = bytes.read<std::uint64_t>(offset);
                const auto rank = std::popcount(bitmap & ((std::uint64_t{1} << digit) - 1));
                entry = bytes.read<std::uint64_t>(offset + 8 + 8 * static_cast<unsigned>(rank));
            }
        }
        REQUIRE(ipc::entry_kind(entry) == ipc::EntryKind::layer);
        return ipc::entry_offset(entry);
    }
};

// Calls everything that reads; strata's own errors are the only ones that may come out.
struct Reading {
    std::string many = "no error";
    std::string get = "no error";
    std::string scan = "no error";
    std::string changes = "no error";
    std::size_t found = 0;
    std::uint64_t scanned = 0;
};

inline Reading read_everything(const Snapshot& snapshot, Dimension dimension = 1) {
    Reading result;
    std::vector<LayerId> ids;
    for (std::uint64_t i = 0; i < 128; ++i) {
        ids.push_back({dimension, i});
    }
    for (const std::uint64_t key : {std::uint64_t{4095}, std::uint64_t{1} << 40, all_ones}) {
        ids.push_back({dimension, key});
    }
    std::vector<Layer> layers(ids.size());
    result.many = code_of([&] { snapshot.find(ids, layers); });
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
        // An error is thrown, never taken for "there is none".
        Layer single;
        const std::string find = code_of([&] { single = snapshot.find(ids[i]); });
        if (result.many == "no error") {
            CHECK(find == "no error");
            // A forged number of layers may end the search early, never lead elsewhere.
            CHECK((!single || !layers[i] || layers[i].data() == single.data()));
        }
        touch(single);
        result.found += single ? 1 : 0;
        const std::string code = code_of([&] { (void)snapshot.get(ids[i]); });
        CHECK((code == "no error") == static_cast<bool>(single));
        const bool absent = code == "layer_not_found" || code == "dimension_not_found";
        CHECK((find == "no error" ? single || absent : find == code));
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
    CHECK(code_of([&] { (void)changes(snapshot, Snapshot()); }) == result.changes);
    code_of([&] { (void)snapshot.dimensions(); });
    CHECK(sum != all_ones);  // keeps the reads
    return result;
}

inline Reading read_store(const TempStore& store) {
    return read_everything(store.attach().snapshot());
}

inline std::string snapshot_code(const TempStore& store) {
    const auto error = error_of([&] { (void)store.attach().snapshot(); });
    if (!error) return "no error";
    CHECK(error->path() == store.file("control.mmap"));
    CHECK_FALSE(error->detail().empty());
    return std::string(to_string(error->code()));
}

inline std::string open_code(const TempStore& store) {
    const auto error = error_of([&] { store.open(); });
    if (!error) return "no error";
    CHECK_FALSE(error->path().empty());
    CHECK_FALSE(error->detail().empty());
    return std::string(to_string(error->code()));
}

}  // namespace strata::test

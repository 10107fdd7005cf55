// SPDX-License-Identifier: Apache-2.0
// Proto-dimensions that outlive their producer, in a volume's proto/.
#include <array>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_proto.hpp>
#include <strata/volume_transfer.hpp>
#include <strata/volume_verify.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

struct Setting {
    TempStore store{"market"};
    Volume volume =
        Volume::init({.base_path = store.base() / "v", .initial_size = 64_KiB, .max_size = 1_MiB});

    void fill(Producer& producer) const {
        ProtoDimension first = producer.proto_dimension(5, "Dreams");
        first.put(1, payload_of(5, 1, 5000), {.frequency = 7.5, .keywords = {"night", "deep"}});
        first.put(2, "", {.alignment = 256});
        const std::array<double, 2> values = {1.5, -2};
        first.put(9, std::as_bytes(std::span(values)), {.type_tag = type_tag<double[]>()});
        producer.proto_dimension(77).put(3, "no name");
    }
};

/// Everything that proto-dimensions have.
std::string all_of(Producer& producer) {
    std::string text;
    for (const ProtoInfo& info : producer.proto_dimensions()) {
        text += "dimension " + std::to_string(info.dimension) + " " + info.name + "\n";
        for (const ProtoLayer& layer : producer.proto_dimension(info.dimension).layers()) {
            text += std::to_string(layer.id().layer) + " " + std::to_string(layer.frequency()) +
                    " " + std::to_string(layer.type_tag()) + " at " +
                    std::to_string(layer.alignment());
            for (const std::string& keyword : layer.keywords()) {
                text += " [" + keyword + "]";
            }
            text += ": " + std::string(layer.text()) + "\n";
        }
    }
    return text;
}

}  // namespace

TEST_CASE("what a killed producer saved, the next one picks up and crystallizes") {
    const Setting setting;
    std::string saved;
    {
        Producer producer = setting.store.create();
        setting.fill(producer);
        saved = all_of(producer);
    }
    Child first = Child::start([&](Channel& channel) {
        Producer producer = setting.store.open();
        setting.fill(producer);
        const ProtoReport report = save_proto_dimensions(producer, setting.volume);
        STRATA_REQUIRE_EQ(report.dimensions, 2U);
        STRATA_REQUIRE_EQ(report.layers, 4U);
        STRATA_REQUIRE_EQ(report.content_bytes, 5000U + 16 + 7);
        STRATA_REQUIRE_EQ(report.removed, 0U);
        channel.send(1);
        channel.receive_or_end();
    });
    REQUIRE(first.receive() == 1);
    CHECK(first.kill_and_join() == "");
    CHECK(setting.volume.proto_dimensions() == std::vector<Dimension>{5, 77});
    CHECK(verify_volume(setting.volume).ok());

    Producer producer = setting.store.open();
    const ProtoReport report = load_proto_dimensions(producer, setting.volume);
    CHECK(report.dimensions == 2);
    CHECK(report.layers == 4);
    CHECK(report.content_bytes == 5000 + 16 + 7);
    CHECK(all_of(producer) == saved);
    producer.proto_dimension(5).crystallize();
    const Snapshot snapshot = setting.store.attach().snapshot();
    CHECK(snapshot.get({5, 1}).text() == payload_of(5, 1, 5000));
    CHECK(snapshot.get({5, 9}).as_span<double>()[1] == -2);
    CHECK(!snapshot.has_dimension(77));

    const ProtoReport again = save_proto_dimensions(producer, setting.volume);
    CHECK(again.dimensions == 1);
    CHECK(again.removed == 1);
    CHECK(setting.volume.proto_dimensions() == std::vector<Dimension>{77});
    CHECK(entries(setting.volume.proto_path()) == 1);
    producer.proto_dimension(77).discard();
    CHECK(save_proto_dimensions(producer, setting.volume).removed == 1);
    CHECK(entries(setting.volume.proto_path()) == 0);
}

TEST_CASE("single dimensions are saved, loaded and removed, the others stay") {
    const Setting setting;
    Producer producer = setting.store.create();
    setting.fill(producer);
    CHECK(save_proto_dimensions(producer, setting.volume, {77}).dimensions == 1);
    CHECK(save_proto_dimensions(producer, setting.volume, {5}).removed == 0);
    CHECK(setting.volume.proto_dimensions().size() == 2);
    producer.proto_dimension(77).discard();
    CHECK(load_proto_dimensions(producer, setting.volume, {77, 77}).layers == 1);
    remove_saved_proto_dimension(setting.volume, 5);
    CHECK(setting.volume.proto_dimensions() == std::vector<Dimension>{77});
    CHECK(code_of([&] { remove_saved_proto_dimension(setting.volume, 5); }) == "file_not_found");
}

TEST_CASE("a producer that loads has everything, or what it had before") {
    const Setting setting;
    Producer producer = setting.store.create();
    setting.fill(producer);
    save_proto_dimensions(producer, setting.volume);
    const std::string before = all_of(producer);
    CHECK(code_of([&] { load_proto_dimensions(producer, setting.volume); }) == "dimension_exists");
    CHECK(all_of(producer) == before);
    producer.proto_dimension(5).discard();
    producer.proto_dimension(77).discard();
    CHECK(code_of([&] {
              load_proto_dimensions(producer, setting.volume, {5, 6});
          }) == "file_not_found");
    CHECK(producer.proto_dimensions().empty());

    FileEditor(setting.volume.proto_path() / "D77" / "region.mmap").write<char>(257, '#');
    CHECK(code_of([&] { load_proto_dimensions(producer, setting.volume); }) == "corrupt");
    CHECK(producer.proto_dimensions().empty());
    const VolumeReport report = verify_volume(setting.volume);
    REQUIRE(report.failure_count == 1);
    CHECK(contains(report.failures[0].path.string(), "proto/D77/region.mmap"));

    Producer small = Producer::create("small", {.base_path = setting.store.base(),
                                                .memory_limit = 1_MiB,
                                                .region_max_bytes = 1_MiB,
                                                .proto_memory_limit = 4096});
    CHECK(code_of([&] { load_proto_dimensions(small, setting.volume, {5}); }) == "limit_exceeded");
    CHECK(small.proto_dimensions().empty());
}

TEST_CASE("what cannot be saved leaves what was saved before") {
    const Setting setting;
    Producer producer = setting.store.create();
    setting.fill(producer);
    save_proto_dimensions(producer, setting.volume);
    const std::string saved = content_of(setting.volume.proto_path() / "D05" / "index.json");
    producer.proto_dimension(5).put(1, "changed");
    producer.proto_dimension(77).put(4, payload_of(1, 1, 2 << 20));  // beyond max_size
    CHECK(code_of([&] { save_proto_dimensions(producer, setting.volume); }) == "limit_exceeded");
    CHECK(content_of(setting.volume.proto_path() / "D05" / "index.json") == saved);
    CHECK(entries(setting.volume.proto_path()) == 2);

    // Files of others are not removed with it.
    producer.proto_dimension(77).discard();
    std::ofstream(setting.volume.proto_path() / "D77" / "notes.txt") << "mine";
    CHECK(code_of([&] { save_proto_dimensions(producer, setting.volume); }) == "file_exists");
    CHECK(fs::exists(setting.volume.proto_path() / "D77" / "notes.txt"));
    fs::rename(setting.volume.proto_path() / "D77" / "notes.txt",
               setting.volume.proto_path() / "D77" / "layers" / "notes.txt");
    CHECK(code_of([&] { remove_saved_proto_dimension(setting.volume, 77); }) == "file_exists");
    CHECK(fs::exists(setting.volume.proto_path() / "D77" / "layers" / "notes.txt"));
    CHECK(setting.volume.proto_dimensions().size() == 2);
}

TEST_CASE("an archive with named layers is no proto-dimension") {
    const Setting setting;
    Producer producer = setting.store.create();
    Batch batch = producer.batch();
    batch.put(5, "greeting", "hello");
    batch.crystallize();
    export_dimensions(setting.store.attach().snapshot(), setting.volume);
    fs::rename(setting.volume.archive_path(5), setting.volume.proto_path() / "D05");
    CHECK(code_of([&] { load_proto_dimensions(producer, setting.volume); }) == "invalid_argument");
    CHECK(producer.proto_dimensions().empty());
}

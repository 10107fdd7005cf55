// SPDX-License-Identifier: Apache-2.0
// verify_volume names what is wrong, and salvage_volume saves the rest.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_verify.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// Dimension 1 has layers 0 to 9, dimension 2 has layers 0 to 4; the live store has one layer.
struct Sound {
    TempBase base;
    VolumeOptions options{.base_path = base.path() / "v"};
    Volume volume = Volume::init(options);

    Sound() {
        for (Dimension dimension = 1; dimension <= 2; ++dimension) {
            ArchiveWriter writer(volume.archives_path(), dimension);
            for (std::uint64_t layer = 0; layer < 15 - 5 * dimension; ++layer) {
                const std::string text = payload_of(dimension, layer, 5000);
                writer.add({.layer = layer}, std::as_bytes(std::span(text)));
            }
            writer.publish();
        }
        Producer producer =
            Producer::create("consciousness", {.base_path = volume.live_path(),
                                               .memory_limit = 8_MiB,
                                               .region_max_bytes = TempStore::region_max_bytes});
        publish(producer, {3, 7}, "alive and well");
    }
    fs::path file(Dimension dimension, const char* name) const {
        return volume.archive_path(dimension) / name;
    }
    /// The one failure that there is.
    VolumeFailure failure() const {
        const VolumeReport report = verify_volume(volume);
        REQUIRE(report.failure_count == 1);
        return report.failures.at(0);
    }
};

bool content_has(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    return contains(content, "alive and");
}

}  // namespace

TEST_CASE("a sound volume has no failures, and everything was looked at") {
    const Sound sound;
    std::uint64_t told = 0;
    const VolumeReport report = verify_volume(
        sound.volume, {.progress = [&](const TransferProgress& p) { told = p.bytes; }});
    CHECK(report.ok());
    CHECK(report.dimensions == 14);
    CHECK(report.layers == 15);
    CHECK(report.content_bytes == 15 * 5000);
    CHECK(report.live_stores == 1);
    CHECK(report.live_layers == 1);
    CHECK(told == 15 * 5000);
    CHECK(verify_volume(sound.volume, {.dimensions = {2}}).layers == 5);
    VolumeOptions options = sound.options;
    options.base_path = fs::relative(sound.options.base_path) / "";  // as people type it
    CHECK(verify_volume(Volume::open(options)).ok());
}

TEST_CASE("each kind of damage is named with its file, dimension and layer") {
    const Sound sound;
    SUBCASE("a layer's byte") {
        FileEditor(sound.file(1, "region.mmap")).write<char>(256 + 3 * 8192 + 100, '#');
        const VolumeFailure failure = sound.failure();
        CHECK(failure.path == sound.file(1, "region.mmap"));
        CHECK(failure.dimension == 1);
        CHECK(failure.layer == 3);
        CHECK(verify_volume(sound.volume).layers == 15);
    }
    SUBCASE("the header, and behind it all layers") {
        FileEditor(sound.file(1, "region.mmap")).write<char>(40, '#');
        const VolumeFailure failure = sound.failure();
        CHECK(failure.dimension == 1);
        CHECK(!failure.layer);
        CHECK(verify_volume(sound.volume).content_bytes == 15 * 5000);
    }
    SUBCASE("a region that is cut short") {
        fs::resize_file(sound.file(2, "region.mmap"), 256 + 8192 * 3);
        const VolumeReport report = verify_volume(sound.volume);
        CHECK(report.failure_count == 3);  // the file, and two layers
        CHECK(report.content_bytes == 13 * 5000);
    }
    SUBCASE("an index that is no JSON") {
        std::ofstream(sound.file(2, "index.json")) << "{";
        CHECK(sound.failure().path == sound.file(2, "index.json"));
    }
    SUBCASE("modes") {
        REQUIRE(::chmod(sound.file(2, "index.json").c_str(), 0666) == 0);
        CHECK(contains(sound.failure().what, "0666 instead of 0644"));
    }
    SUBCASE("a directory that is missing") {
        fs::remove(sound.volume.proto_path());
        CHECK(sound.failure().path == sound.volume.proto_path());
    }
    SUBCASE("a directory that cannot be listed") {
        fs::remove_all(sound.volume.proto_path());
        std::ofstream(sound.volume.proto_path()) << "x";
        const VolumeReport report = verify_volume(sound.volume);
        CHECK(report.failure_count == 2);  // what it is, and that its archives are not known
        CHECK(std::ranges::all_of(report.failures, [&](const VolumeFailure& failure) {
            return failure.path == sound.volume.proto_path();
        }));
    }
    SUBCASE("an archive that is missing") {
        fs::remove_all(sound.volume.archive_path(9));
        CHECK(sound.failure().dimension == 9);
    }
    SUBCASE("the live store") {
        for (const auto& entry :
             fs::directory_iterator(sound.volume.live_path() / "consciousness")) {
            if (content_has(entry.path())) damage(entry.path(), "alive and");
        }
        const VolumeFailure failure = sound.failure();
        CHECK(failure.dimension == 3);
        CHECK(failure.layer == 7);
        CHECK(contains(failure.path.string(), "live/consciousness/region-"));
    }
}

TEST_CASE("what is sound is saved, what is not is listed") {
    const Sound sound;
    FileEditor(sound.file(1, "region.mmap")).write<char>(256 + 3 * 8192 + 100, '#');
    FileEditor(sound.file(1, "region.mmap")).write<char>(0, '#');
    fs::resize_file(sound.file(2, "region.mmap"), 256 + 8192 * 3);
    std::ofstream(sound.file(5, "index.json")) << "[";
    VolumeOptions options = sound.options;
    CHECK(code_of([&] { (void)salvage_volume(sound.volume, sound.volume); }) == "invalid_argument");
    options.base_path = sound.base.path() / "saved";
    const Volume target = Volume::init(options);
    const VolumeReport report = salvage_volume(sound.volume, target);
    CHECK(report.failure_count == 2 + 3 + 1);
    CHECK(report.failures.size() == 6);
    CHECK(verify_volume(target).ok());
    const ArchiveReader saved = ArchiveReader::open(target.archive_path(1));
    CHECK(saved.index().layers.size() == 9);
    for (const ArchivedLayer& layer : saved.index().layers) {
        CHECK(layer.layer != 3);
        const std::vector<std::byte> content = saved.read(layer);
        CHECK(std::string_view(reinterpret_cast<const char*>(content.data()), content.size()) ==
              payload_of(1, layer.layer, 5000));
    }
    CHECK(ArchiveReader::open(target.archive_path(2)).index().layers.size() == 3);
}

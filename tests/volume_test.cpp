// SPDX-License-Identifier: Apache-2.0
// Volumes: their layout, and the way from a live store to archives and back.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_transfer.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t ample = 32_MiB;

struct TempVolume {
    TempBase base;
    VolumeOptions options{
        .base_path = base.path() / "v", .initial_size = 64_KiB, .max_size = ample};
    Volume volume = Volume::init(options);
};

unsigned mode_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

void fill(Producer& producer) {
    Batch batch = producer.batch();
    for (Dimension dimension = 1; dimension <= 3; ++dimension) {
        for (std::uint64_t layer = 0; layer < 40; ++layer) {
            batch.put({dimension, layer * 7}, payload_of(dimension, layer, layer * 211),
                      {.frequency = static_cast<double>(layer) / 3, .keywords = {"k", "word"}});
        }
    }
    batch.put(5000, "greeting", std::as_bytes(std::span(std::string_view("a handshake"))),
              {.keywords = {"custom"}});
    batch.put_value({5000, 2}, 3.25);
    batch.add_dimension(77, "Empty");
    batch.crystallize();
}

}  // namespace

TEST_CASE("init makes the layout, and running it again changes nothing") {
    const TempBase base;
    const VolumeOptions options{.base_path = base.path() / "deep" / "v"};
    InitReport report;
    const mode_t before = ::umask(0077);
    const Volume volume = Volume::init(options, {.populate = true}, &report);
    ::umask(before);
    CHECK(report.created.size() == 1 + 4 + 2 + 14);
    CHECK(report.populated_bytes > 14 * 256);
    CHECK(volume.dimensions().size() == 14);
    for (const char* name : {"", "consciousness", "consciousness/D01", "consciousness/D14/layers",
                             "live", "proto", "temp"}) {
        CAPTURE(name);
        CHECK(mode_of(volume.path() / name) == 0755);
    }
    for (const char* name : {"README.md", ".gitignore", "consciousness/D07/region.mmap",
                             "consciousness/D07/index.json"}) {
        CAPTURE(name);
        CHECK(mode_of(volume.path() / name) == 0644);
    }
    const ArchiveReader archive = ArchiveReader::open(volume.archive_path(7));
    CHECK(archive.index().dimension_name == "Technical");
    CHECK(archive.index().total_size == 256);

    std::ofstream(volume.path() / "README.md") << "mine";
    fs::remove_all(volume.path() / "temp");
    Volume::init(options, {}, &report);
    CHECK(report.created == std::vector<std::string>{"temp"});
    CHECK(content_of(volume.path() / "README.md") == "mine");
}

TEST_CASE("init and open refuse what they cannot use") {
    const TempBase base;
    CHECK(code_of([] { Volume::init({}); }) == "invalid_argument");
    CHECK(code_of([&] {
              Volume::init(
                  {.base_path = base.path() / "v", .initial_size = 2_MiB, .max_size = 1_MiB});
          }) == "invalid_argument");
    CHECK(code_of([&] { static_cast<void>(Volume::open({.base_path = base.path()})); }) ==
          "file_not_found");
    CHECK(!fs::exists(base.path() / "v"));
    std::ofstream(base.path() / "file") << "x";
    CHECK(code_of([&] { Volume::init({.base_path = base.path() / "file"}); }) == "not_trusted");
    CHECK(code_of([&] { Volume::init({.base_path = base.path() / "file" / "v"}); }) ==
          "not_trusted");
    fs::create_directories(base.path() / "w" / "elsewhere");
    fs::create_directory_symlink("elsewhere", base.path() / "w" / "consciousness");
    CHECK(code_of([&] { Volume::init({.base_path = base.path() / "w"}); }) == "not_trusted");
}

TEST_CASE("the environment is read whole or refused") {
    const auto with = [](const char* name, const char* value) {
        ::setenv(name, value, 1);
        const auto error = error_of([] { (void)VolumeOptions::from_environment(); });
        ::unsetenv(name);
        return error ? error->path() + " " + std::string(to_string(error->code())) : "";
    };
    for (const char* name : {"MMAP_BASE_PATH", "MMAP_INITIAL_SIZE", "MMAP_MAX_SIZE"}) {
        ::unsetenv(name);
    }
    const VolumeOptions defaults = VolumeOptions::from_environment();
    CHECK(defaults.base_path.empty());
    CHECK(defaults.initial_size == 1_MiB);
    CHECK(defaults.max_size == 10_MiB);
    CHECK(with("MMAP_MAX_SIZE", "").empty());
    for (const char* bad : {"x", "-1", "1e6", "10 apples", "1", "99999999999999999999", "2TiB",
                            "18446744073709551615KiB"}) {
        CAPTURE(bad);
        CHECK(with("MMAP_MAX_SIZE", bad) == "MMAP_MAX_SIZE invalid_argument");
    }
    CHECK(with("MMAP_INITIAL_SIZE", "11MiB") == "MMAP_INITIAL_SIZE invalid_argument");
    CHECK(with("MMAP_MAX_SIZE", "512KiB") == "MMAP_INITIAL_SIZE invalid_argument");
    ::setenv("MMAP_BASE_PATH", "/some/where", 1);
    ::setenv("MMAP_INITIAL_SIZE", "2097152", 1);
    ::setenv("MMAP_MAX_SIZE", "280 MiB", 1);
    const VolumeOptions options = VolumeOptions::from_environment();
    CHECK(options.base_path == "/some/where");
    CHECK(options.initial_size == 2_MiB);
    CHECK(options.max_size == 280_MiB);
    for (const char* name : {"MMAP_BASE_PATH", "MMAP_INITIAL_SIZE", "MMAP_MAX_SIZE"}) {
        ::unsetenv(name);
    }
}

TEST_CASE("what is exported and imported is what was there") {
    const TempVolume temp;
    const TempStore from("from");
    const TempStore to("to");
    Producer source = from.create();
    fill(source);
    const Snapshot snapshot = from.attach().snapshot();
    const TransferReport out = export_dimensions(snapshot, temp.volume);
    CHECK(out.generation == 2);
    CHECK(out.dimensions == 5);
    CHECK(out.layers == 122);

    Producer target = to.create();
    publish(target, {1, 1}, "goes away");
    publish(target, {900, 1}, "stays");
    Consumer reader = to.attach();
    const Snapshot before = reader.snapshot();
    std::uint64_t told = 0;
    const TransferReport in =
        import_dimensions(target, temp.volume,
                          {.dimensions = {5000, 1, 2, 3, 77, 1},
                           .progress = [&](const TransferProgress& p) { told = p.layers; }});
    CHECK(told == 122);
    CHECK(in.layers == 122);
    CHECK(in.content_bytes == out.content_bytes);
    CHECK(in.region_bytes == out.region_bytes);
    CHECK(in.generation == before.generation() + 1);  // all of it at once
    CHECK(before.get({1, 1}).text() == "goes away");
    const Snapshot now = reader.snapshot();
    CHECK(now.get({900, 1}).text() == "stays");
    CHECK(now.get(5000, "greeting").text() == "a handshake");
    CHECK(now.get({5000, 2}).as<double>() == 3.25);
    Batch batch = target.batch();
    batch.remove_dimension(900);
    batch.crystallize();
    CHECK(all_of(reader.snapshot()) == all_of(snapshot));
    CHECK(verify(reader.snapshot()).ok());
    const Generation loaded = load_dimension(target, temp.volume, 4);  // an empty one
    CHECK(loaded == target.generation());
    CHECK(reader.snapshot().has_dimension(4));
}

TEST_CASE("an export that fails leaves every archive as it was") {
    const TempVolume temp;
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    const Snapshot snapshot = store.attach().snapshot();
    const auto archives = [&] {
        std::string all;
        for (const Dimension dimension : temp.volume.dimensions()) {
            all += content_of(temp.volume.archive_path(dimension) / "index.json");
        }
        return all;
    };
    export_dimensions(snapshot, temp.volume, {.dimensions = {1, 2}});
    const std::string before = archives();
    const std::size_t folders = entries(temp.volume.archives_path());

    SUBCASE("a region would be too large") {
        VolumeOptions small = temp.options;
        small.max_size = 256 + 40 * 4096;
        const auto error =
            error_of([&] { export_dimensions(snapshot, Volume::open(small), {.threads = 2}); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        CHECK(error->limit() == small.max_size);
        CHECK(contains(error->what(), "MMAP_MAX_SIZE"));
    }
    SUBCASE("a layer is damaged") {
        damage(store.file("region-1.mmap"), payload_of(3, 20, 4220).substr(0, 40));
        const auto error = error_of([&] { export_dimensions(snapshot, temp.volume); });
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
        CHECK(contains(error->what(), "layer 140 of dimension 3"));
    }
    SUBCASE("it is cancelled") {
        struct Cancelled {};
        CHECK_THROWS_AS(
            export_dimensions(snapshot, temp.volume,
                              {.progress = [](const TransferProgress&) { throw Cancelled{}; }}),
            Cancelled);
    }
    SUBCASE("a dimension is not there") {
        CHECK(code_of([&] {
                  export_dimensions(snapshot, temp.volume, {.dimensions = {1, 6}});
              }) == "dimension_not_found");
    }
    SUBCASE("a link stands in a folder's place") {
        fs::remove_all(temp.volume.archive_path(3));
        fs::create_symlink("D01", temp.volume.archive_path(3));
        CHECK(code_of([&] { export_dimensions(snapshot, temp.volume); }) == "not_trusted");
        fs::remove(temp.volume.archive_path(3));
        ArchiveWriter(temp.volume.archives_path(), 3).publish();
        return;
    }
    CHECK(archives() == before);
    CHECK(entries(temp.volume.archives_path()) == folders);
}

TEST_CASE("an import that fails leaves the store as it was") {
    const TempVolume temp;
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    export_dimensions(store.attach().snapshot(), temp.volume);
    publish(producer, {1, 1}, "newer");
    const std::string before = all_of(store.attach().snapshot());
    const Generation generation = producer.generation();
    std::string code;

    SUBCASE("a layer is damaged") {
        FileEditor(temp.volume.archive_path(2) / "region.mmap").write<char>(256 + 4096 * 3, '#');
        const auto error = error_of([&] { import_dimensions(producer, temp.volume); });
        REQUIRE(error);
        CHECK(contains(error->what(), "layer "));
        CHECK(contains(error->path(), "D02/region.mmap"));
        code = to_string(error->code());
        CHECK(code == "corrupt");
    }
    SUBCASE("an archive is another dimension's") {
        fs::rename(temp.volume.archive_path(2), temp.volume.archive_path(15));
        CHECK(code_of([&] { import_dimensions(producer, temp.volume); }) == "corrupt");
    }
    SUBCASE("there is none") {
        CHECK(code_of([&] { load_dimension(producer, temp.volume, 60); }) == "file_not_found");
    }
    SUBCASE("it is larger than allowed") {
        VolumeOptions small = temp.options;
        small.max_size = 64_KiB;
        CHECK(code_of([&] { import_dimensions(producer, Volume::open(small)); }) ==
              "limit_exceeded");
    }
    SUBCASE("the store has no room") {
        producer.set_memory_limit(producer.stats().committed_bytes + 128_KiB);
        CHECK(code_of([&] { import_dimensions(producer, temp.volume); }) == "limit_exceeded");
    }
    SUBCASE("a name does not belong to its number") {
        const fs::path json = temp.volume.archive_path(5000) / "index.json";
        std::string text = content_of(json);
        text.replace(text.find("greeting"), 8, "gruesse!");
        std::ofstream(json) << text;
        CHECK(code_of([&] { import_dimensions(producer, temp.volume); }) == "corrupt");
    }
    CHECK(producer.generation() == generation);
    CHECK(all_of(store.attach().snapshot()) == before);
    CHECK(publish(producer, {1, 2}, "works on") == generation + 1);
}

TEST_CASE("clean empties temp and removes what crashes left, not what is being made") {
    const TempVolume temp;
    fs::create_directories(temp.volume.temp_path() / "a" / "b");
    std::ofstream(temp.volume.temp_path() / "a" / "b" / "c") << "12345";
    fs::create_directory_symlink(temp.volume.archives_path(), temp.volume.temp_path() / "link");
    fs::create_directories(temp.volume.archives_path() / ".strata-new-D01-dead" / "layers");
    fs::create_directories(temp.volume.archives_path() / ".strata-new-D02-dead" / "layers" /
                           "kept");
    ArchiveWriter alive(temp.volume.archives_path(), 9);
    const CleanReport would = temp.volume.clean(true);
    CHECK(would.removed.size() == 4);
    CHECK(fs::exists(temp.volume.temp_path() / "a"));
    const CleanReport did = temp.volume.clean();
    CHECK(did.removed == would.removed);
    CHECK(did.freed_bytes == 5);
    CHECK(entries(temp.volume.temp_path()) == 0);
    CHECK(!fs::exists(temp.volume.archives_path() / ".strata-new-D01-dead"));
    CHECK(!fs::exists(temp.volume.archives_path() / ".strata-new-D02-dead"));
    CHECK(fs::exists(temp.volume.archive_path(2) / "layers" / "kept"));  // where it was
    CHECK(temp.volume.dimensions().size() == 14);  // the link's target is untouched
    alive.publish();
    CHECK(temp.volume.clean().removed.empty());
}

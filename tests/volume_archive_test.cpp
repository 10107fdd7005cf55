// SPDX-License-Identifier: Apache-2.0
// The archive format against literal bytes and against a second implementation.
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/archive_setting.hpp"
#include "tests/support/command.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_archive.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        char digits[3];
        std::snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(byte));
        text += digits;
    }
    return text;
}

}  // namespace

TEST_CASE("an archive is what the format document says, byte for byte") {
    const Joy joy;
    const std::string region = content_of(joy.region());
    REQUIRE(region.size() == 256 + 4096 + 8192);
    CHECK(hex(region.substr(0, 32)) ==
          "4d4d415001000000"    // "MMAP", version 1
          "0100000000000000"    // dimension 1, zero
          "0200000000000000"    // two layers
          "0031000000000000");  // 12544 bytes
    CHECK(hex(region.substr(32, 32)) ==
          "0fc44ef1ce08c4a133b1657126e92380779074eb007c7801765cf68613d8d89a");
    CHECK(region.substr(64, 192) == std::string(192, '\0'));
    CHECK(region.substr(256, 4096) == "joy" + std::string(4093, '\0'));
    CHECK(region.substr(4352) == std::string(4097, 'x') + std::string(4095, '\0'));

    const auto index = nlohmann::json::parse(content_of(joy.json()));
    CHECK(index["dimension_id"] == 1);
    CHECK(index["dimension_name"] == "Emotion");
    CHECK(index["version"] == 1);
    CHECK(index["created_at"] == "2025-01-31T12:00:05Z");
    CHECK(index["updated_at"].get<std::string>().size() == 20);
    CHECK(index["layer_count"] == 2);
    CHECK(index["total_size"] == 12544);
    CHECK(index["layers"][0] ==
          nlohmann::json{
              {"layer_id", 5},
              {"offset", 256},
              {"size", 4096},
              {"content_size", 3},
              {"frequency", 1.5},
              {"keywords", {"emotion", "fe\"eling"}},
              {"checksum",
               "sha256:320106287179fc5daad0a32e8066bb82c7a8ac3a0bbd203cc9c749ba296eb49d"}});
    CHECK(index["layers"][1]["offset"] == 4352);
    CHECK(index["layers"][1]["size"] == 8192);
    CHECK(index["layers"][1]["checksum"] ==
          "sha256:8e379b2fafc67bfb1bb3e274d73d6e31b23a6b8a4b44bf4a3ee3477910cb6451");
    CHECK(fs::is_directory(joy.folder() / "layers"));
    CHECK(entries(joy.base.path()) == 1);
    CHECK(fs::status(joy.region()).permissions() == static_cast<fs::perms>(0644));
    CHECK(fs::status(joy.folder()).permissions() == static_cast<fs::perms>(0755));
}

TEST_CASE("what is written is read again, whatever it is") {
    const TempBase base;
    const std::string odd("\xFF\x00 no UTF-8", 11);
    const std::string large = payload_of(1, 2, 3'000'001);
    {
        ArchiveWriter writer(base.path(), 4711, {.dimension_name = odd});
        writer.add({.layer = 0, .frequency = -0.0}, {});
        writer.add({.layer = 1, .frequency = std::numeric_limits<double>::infinity()},
                   bytes_of("a"));
        writer.add({.layer = 2,
                    .frequency = 0.1,
                    .keywords = {odd, "plain", ""},
                    .name = odd,
                    .type_tag = ~std::uint64_t{0}},
                   bytes_of(std::string(4096, 'p')));
        writer.add({.layer = ~std::uint64_t{0}, .name = "größe"}, bytes_of(large));
        CHECK(writer.size() == 256 + 4096 + 4096 + 3'002'368);
        writer.publish();
    }
    const ArchiveReader reader = ArchiveReader::open(base.path() / "D4711");
    const ArchiveIndex& index = reader.index();
    CHECK(index.dimension == 4711);
    CHECK(index.dimension_name == odd);
    REQUIRE(index.layers.size() == 4);
    CHECK(index.layers[0].size == 0);
    CHECK(std::signbit(index.layers[0].frequency));
    CHECK(reader.read(index.layers[0]).empty());
    CHECK(std::isinf(index.layers[1].frequency));
    CHECK(text_of(reader.read(index.layers[1])) == "a");
    CHECK(index.layers[2].frequency == 0.1);
    CHECK(index.layers[2].keywords == std::vector<std::string>{odd, "plain", ""});
    CHECK(index.layers[2].name == odd);
    CHECK(index.layers[2].type_tag == ~std::uint64_t{0});
    CHECK(index.layers[3].layer == ~std::uint64_t{0});
    CHECK(index.layers[3].name == "größe");
    CHECK(text_of(reader.read(index.layers[3])) == large);
    CHECK_NOTHROW(reader.verify(index.layers[3]));
    CHECK(code_of([&] { (void)reader.read(index.layers[1], {}); }) == "invalid_argument");
}

TEST_CASE("a second implementation reads what this one writes, and the other way round") {
    const Joy joy;
    const auto python = [&](const std::string& action, const fs::path& folder) {
        return RunningCommand({"python3", STRATA_ARCHIVE_READER, action, folder.string()}).finish();
    };
    const CommandResult read = python("read", joy.folder());
    CAPTURE(read.err);
    REQUIRE(read.code == 0);
    const auto found = read.json();
    CHECK(found["name"] == "Emotion");
    CHECK(found["layers"][0] == nlohmann::json{{"layer", 5},
                                               {"content", "joy"},
                                               {"frequency", 1.5},
                                               {"keywords", {"emotion", "fe\"eling"}}});
    CHECK(found["layers"][1]["content"] == std::string(4097, 'x'));

    const fs::path other = joy.base.path() / "D07";
    REQUIRE(python("write", other).code == 0);
    const ArchiveReader reader = ArchiveReader::open(other);
    CHECK(reader.index().dimension_name == "Technical");
    REQUIRE(reader.index().layers.size() == 3);
    CHECK(reader.index().layers[0].content_size == 0);
    CHECK(text_of(reader.read(reader.index().layers[1])) == "written by another program");
    CHECK(reader.index().layers[2].layer == ~std::uint64_t{0});
    CHECK(text_of(reader.read(reader.index().layers[2])) == std::string(4096, '\xFF'));

    FileEditor(joy.region()).write(256 + 3, 'x');  // padding
    CHECK(python("read", joy.folder()).code == 1);
}

TEST_CASE("an archive is replaced as a whole; who reads the old one goes on") {
    const Joy joy;
    write_contents(joy.folder() / "layers" / "mine", "kept");
    const ArchiveReader old = ArchiveReader::open(joy.folder());
    {
        ArchiveWriter writer(joy.base.path(), 1);
        writer.add({.layer = 5}, bytes_of("sorrow"));
        CHECK(text_of(ArchiveReader::open(joy.folder()).read(joy.index.layers[0])) == "joy");
        writer.publish();
        CHECK(code_of([&] { writer.add({.layer = 6}, {}); }) == "invalid_argument");
        CHECK(code_of([&] { writer.publish(); }) == "invalid_argument");
    }
    CHECK(text_of(old.read(old.index().layers[0])) == "joy");
    const ArchiveReader now = ArchiveReader::open(joy.folder());
    CHECK(text_of(now.read(now.index().layers[0])) == "sorrow");
    CHECK(content_of(joy.folder() / "layers" / "mine") == "kept");
    CHECK(entries(joy.base.path()) == 1);
}

TEST_CASE("what is not published leaves nothing; limits and order are kept") {
    const Joy joy;
    {
        ArchiveWriter writer(joy.base.path(), 1, {.max_bytes = 256 + 4096});
        writer.add({.layer = 5}, bytes_of("sorrow"));
        CHECK(code_of([&] { writer.add({.layer = 5}, {}); }) == "invalid_argument");
        CHECK(code_of([&] { writer.add({.layer = 4}, {}); }) == "invalid_argument");
        const auto error = error_of([&] { writer.add({.layer = 6}, bytes_of("x")); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        CHECK(error->needed() == 256 + 2 * 4096);
        CHECK(error->limit() == 256 + 4096);
        CHECK(entries(joy.base.path()) == 2);
    }
    CHECK(entries(joy.base.path()) == 1);
    CHECK(text_of(ArchiveReader::open(joy.folder()).read(joy.index.layers[0])) == "joy");
    write_contents(joy.folder() / "notes.txt", "mine");
    const auto error = error_of([&] { ArchiveWriter(joy.base.path(), 1); });
    REQUIRE(error);
    CHECK(error->code() == Errc::file_exists);
    CHECK(contains(error->path(), "notes.txt"));
    CHECK(code_of([&] { ArchiveWriter(joy.base.path() / "nowhere", 1); }) == "file_not_found");
    CHECK(archive_folder(0) == "D00");
    CHECK(archive_folder(14) == "D14");
    CHECK(archive_folder(4294967295) == "D4294967295");
}

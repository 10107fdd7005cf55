// SPDX-License-Identifier: Apache-2.0
// The archive format against literal bytes, against a second implementation, and against what
// hostile hands make of it.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_archive.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string content_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write_content(const fs::path& file, std::string_view content) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << content;
    REQUIRE(out.good());
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

/// An archive of dimension 1 with "joy" and 4097 times x.
class Joy {
public:
    Joy() {
        ArchiveWriter writer(base.path(), 1, {.created_at = "2025-01-31T12:00:05Z"});
        writer.add({.layer = 5, .frequency = 1.5, .keywords = {"emotion", "fe\"eling"}},
                   bytes_of("joy"));
        writer.add({.layer = 9}, bytes_of(std::string(4097, 'x')));
        index = writer.publish();
    }
    fs::path folder() const { return base.path() / "D01"; }
    fs::path region() const { return folder() / "region.mmap"; }
    fs::path json() const { return folder() / "index.json"; }
    /// Puts `with` in the place of `what` in the index.
    void edit(const std::string& what, const std::string& with) const {
        std::string text = content_of(json());
        const std::size_t at = text.find(what);
        REQUIRE(at != std::string::npos);
        write_content(json(), text.replace(at, what.size(), with));
    }
    std::string open_error() const {
        return code_of([&] { ArchiveReader::open(folder()); });
    }

    TempBase base;
    ArchiveIndex index;
};

std::size_t entries(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
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

TEST_CASE("every damaged byte of header and content is noticed") {
    for (const std::uint64_t at : {0U, 4U, 8U, 12U, 16U, 24U, 32U, 63U, 64U, 255U}) {
        CAPTURE(at);
        const Joy joy;
        FileEditor editor(joy.region());
        editor.write<char>(at, static_cast<char>(editor.read<char>(at) ^ 0x40));
        const std::string code = joy.open_error();
        CHECK((code == "corrupt" || code == "format_version" || code == "truncated"));
    }
    for (const std::uint64_t at : {256U, 258U, 259U, 4351U}) {
        CAPTURE(at);
        const Joy joy;
        FileEditor editor(joy.region());
        editor.write<char>(at, static_cast<char>(editor.read<char>(at) ^ 1));
        const ArchiveReader reader = ArchiveReader::open(joy.folder());
        const auto error = error_of([&] { (void)reader.verify(reader.index().layers[0]); });
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
        CHECK(contains(error->what(), "layer 5"));
        CHECK(contains(error->path(), "region.mmap"));
        CHECK(code_of([&] { (void)reader.read(reader.index().layers[0]); }) == "corrupt");
        CHECK_NOTHROW(reader.verify(reader.index().layers[1]));
    }
}

TEST_CASE("an archive of the other byte order says so") {
    const Joy joy;
    FileEditor(joy.region()).write(0, std::array<char, 4>{'P', 'A', 'M', 'M'});
    CHECK(joy.open_error() == "byte_order");
}

TEST_CASE("files that are cut short or too long") {
    for (const std::uint64_t bytes :
         {std::uint64_t{0}, std::uint64_t{255}, std::uint64_t{256}, std::uint64_t{12543}}) {
        CAPTURE(bytes);
        const Joy joy;
        fs::resize_file(joy.region(), bytes);
        CHECK(joy.open_error() == "truncated");
    }
    const Joy joy;
    {
        const ArchiveReader reader = ArchiveReader::open(joy.folder());
        fs::resize_file(joy.region(), 5000);  // under an open reader
        CHECK_NOTHROW(reader.verify(reader.index().layers[0]));
        CHECK(code_of([&] { (void)reader.read(reader.index().layers[1]); }) == "truncated");
    }
    fs::resize_file(joy.region(), std::uint64_t{1} << 40);
    CHECK(joy.open_error() == "corrupt");
    for (const std::uint64_t bytes : {0U, 1U, 100U, 400U}) {
        CAPTURE(bytes);
        const Joy cut;
        fs::resize_file(cut.json(), bytes);
        CHECK(cut.open_error() == "corrupt");
    }
    const Joy huge;
    fs::resize_file(huge.json(), (std::uint64_t{2} << 30) + 1);
    const auto error = error_of([&] { ArchiveReader::open(huge.folder()); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->needed() == (std::uint64_t{2} << 30) + 1);
    CHECK(error->limit() == std::uint64_t{2} << 30);
}

TEST_CASE("an index that lies is an error and nothing else") {
    struct Lie {
        const char* what;
        const char* with;
        const char* says;
    };
    const Lie lies[] = {
        {"\"offset\": 4352", "\"offset\": 256", "does not begin where"},
        {"\"offset\": 4352", "\"offset\": 8448", "does not begin where"},
        {"\"offset\": 4352", "\"offset\": 9223372036854775808", "does not begin where"},
        {"\"size\": 4096", "\"size\": 4095", "whole pages"},
        {"\"size\": 8192", "\"size\": 9223372036854775808", "whole pages"},
        {"\"size\": 8192", "\"size\": 18446744073709547520", "whole pages"},
        {"\"size\": 8192", "\"size\": 18446744073709551616", "beyond 2^64"},
        {"\"size\": 8192", "\"size\": -1", "negative"},
        {"\"size\": 8192", "\"size\": 8192.5", "not whole"},
        {"\"size\": 8192", "\"size\": \"8192\"", "has a text"},
        {"\"size\": 8192", "\"size\": null", "has null"},
        {"\"size\": 8192", "\"size\": [8192]", "has a list"},
        {"\"size\": 8192", "\"size\": {}", "has an object"},
        {"\"content_size\": 3", "\"content_size\": 4097", "content_size"},
        {"\"content_size\": 4097", "\"content_size\": 4096", "content_size"},
        {"\"content_size\": 4097", "\"content_size\": 18446744073709551615", "content_size"},
        {"\"layer_id\": 9", "\"layer_id\": 5", "twice"},
        {"\"layer_count\": 2", "\"layer_count\": 3", "layer_count"},
        {"\"layer_count\": 2", "\"layer_count\": 18446744073709551615", "layer_count"},
        {"\"layer_count\": 2", "\"layer_count\": 2, \"layer_count\": 2", "twice"},
        {"\"total_size\": 12544", "\"total_size\": 12543", "whole pages"},
        {"\"total_size\": 12544", "\"total_size\": 9223372036854775808", "total_size"},
        {"\"dimension_id\": 1", "\"dimension_id\": 2", "dimension"},
        {"\"dimension_id\": 1", "\"dimension_id\": 4294967296", "2^32"},
        {"\"dimension_id\": 1,", "", "has no \"dimension_id\""},
        {"sha256:32", "sha256:3", "checksum"},
        {"sha256:32", "sha256:zz", "checksum"},
        {"sha256:32", "sha256:33", "header's checksum"},
        {"sha256:32", "md5:xxx32", "checksum"},
        {"[\"emotion\"", "[[]", "has a list"},
        {"[\"emotion\"", "[7", "has a number"},
        {"\"frequency\": 1.5", "\"frequency\": \"x\"", "has a text"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"offset\": 256", "twice"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 0", "no power of two"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 3", "no power of two"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 4", "no power of two"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 8192", "no power of two"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 9223372036854775808",
         "no power of two"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 18446744073709551616",
         "beyond 2^64"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": -64", "negative"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": 64.5", "not whole"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": \"64\"", "has a text"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": null", "has null"},
        {"\"frequency\": 1.5", "\"frequency\": 1.5, \"alignment\": [64]", "has a list"},
        {"\"frequency\": 1.5", "\"frequency_bits\": \"0x12\"", "frequency_bits"},
        {"\"frequency\": 1.5", "\"live_checksum\": \"0x12\"", "live_checksum"},
        {"\"keywords\": [\"", "\"name_base64\": \"=\", \"keywords\": [\"", "base64"},
        {"\"layers\": [", "\"layers\": [7, ", "has a number"},
        {"\"layers\": [", "\"layers\": [[], ", "has a list"},
        {"\"layers\": [", "\"layers\": [{}, ", "has no \"layer_id\""},
        {"\"layers\": [", "\"layer\": [", "has no \"layers\""},
        {"Emotion", "Emo\xFFtion", "is no JSON"},
    };
    for (const Lie& lie : lies) {
        CAPTURE(lie.what);
        CAPTURE(lie.with);
        const Joy joy;
        joy.edit(lie.what, lie.with);
        const auto error = error_of([&] { ArchiveReader::open(joy.folder()); });
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
        CHECK_MESSAGE(contains(error->what(), lie.says), error->what());
        CHECK(contains(error->path(), joy.folder().string()));
    }
    const Joy joy;
    joy.edit("\"version\": 1", "\"version\": 2");
    CHECK(joy.open_error() == "format_version");
}

TEST_CASE("nesting costs no stack, and unknown fields stay out of the way") {
    for (const std::string open : {"[", "{\"a\":"}) {
        const Joy joy;
        std::string deep;
        for (int i = 0; i < 300'000; ++i)
            deep += open;
        joy.edit("\"version\"", "\"later\": " + deep + ", \"version\"");
        const auto error = error_of([&] { ArchiveReader::open(joy.folder()); });
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
        CHECK(contains(error->what(), "64 levels"));
    }
    const Joy joy;
    joy.edit("\"version\": 1",
             "\"later\": [[{\"size\": -1}], null, true, 1e999999, \"x\"], \"v\": {}");
    joy.edit("\"frequency\": 1.5, ", "\"later\": {\"offset\": [1]}, \"more\": -1.5, ");
    CHECK(joy.open_error() == "corrupt");  // 1e999999 is no number of JSON that this parser takes
    const Joy again;
    again.edit("\"version\": 1", "\"later\": [[{\"size\": -1}], null, true, \"x\"], \"v\": {}");
    again.edit("\"frequency\": 1.5, ", "\"later\": {\"offset\": [1]}, \"more\": -1.5, ");
    const ArchiveReader reader = ArchiveReader::open(again.folder());
    CHECK(reader.index().layers[0].frequency == 0);
    CHECK(reader.index().layers[0].keywords.size() == 2);
}

TEST_CASE("links, fifos and what is not there") {
    const Joy joy;
    const auto again = [&](const char* name, const std::function<void(const fs::path&)>& make) {
        const Joy other;
        fs::remove(other.folder() / name);
        make(other.folder() / name);
        return other.open_error();
    };
    for (const char* name : {"region.mmap", "index.json"}) {
        CAPTURE(name);
        CHECK(again(name, [&](const fs::path& at) {
                  fs::create_symlink(joy.folder() / name, at);
              }) == "not_trusted");
        CHECK(again(name, [&](const fs::path& at) { fs::create_directory(at); }) == "not_trusted");
        CHECK(again(name, [&](const fs::path& at) { REQUIRE(::mkfifo(at.c_str(), 0644) == 0); }) ==
              "not_trusted");
        CHECK(again(name, [&](const fs::path&) {}) == "file_not_found");
    }
    CHECK(code_of([&] { ArchiveReader::open(joy.base.path() / "D02"); }) == "file_not_found");
    const fs::path link = joy.base.path() / "D03";
    fs::create_symlink(joy.folder(), link);
    CHECK(code_of([&] { ArchiveWriter(joy.base.path(), 3); }) == "not_trusted");
    CHECK(entries(joy.base.path()) == 2);
}

TEST_CASE("an archive is replaced as a whole; who reads the old one goes on") {
    const Joy joy;
    write_content(joy.folder() / "layers" / "mine", "kept");
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
    write_content(joy.folder() / "notes.txt", "mine");
    const auto error = error_of([&] { ArchiveWriter(joy.base.path(), 1); });
    REQUIRE(error);
    CHECK(error->code() == Errc::file_exists);
    CHECK(contains(error->path(), "notes.txt"));
    CHECK(code_of([&] { ArchiveWriter(joy.base.path() / "nowhere", 1); }) == "file_not_found");
    CHECK(archive_folder(0) == "D00");
    CHECK(archive_folder(14) == "D14");
    CHECK(archive_folder(4294967295) == "D4294967295");
}

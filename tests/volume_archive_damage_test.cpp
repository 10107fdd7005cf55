// SPDX-License-Identifier: Apache-2.0
// What damage and hostile hands make of an archive is noticed.
#include <filesystem>
#include <functional>
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

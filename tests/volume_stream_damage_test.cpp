// SPDX-License-Identifier: Apache-2.0
// Streams that were cut, damaged, or made by somebody with other plans: an error, and nothing left.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/backup_setting.hpp"
#include "tests/support/command.hpp"
#include "tests/support/tar_maker.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_stream.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

struct DamageSetting : BackupSetting {
    fs::path file = store.base() / "backup.tar";
    fs::path received = store.base() / "below" / "received";

    explicit DamageSetting(StreamFormat format = StreamFormat::tar) {
        Producer producer = store.create();
        Batch batch = producer.batch();
        for (Dimension dimension = 1; dimension <= 2; ++dimension) {
            for (std::uint64_t layer = 0; layer < 3; ++layer) {
                batch.put({dimension, layer}, payload_of(dimension, layer, 1000));
            }
        }
        batch.crystallize();
        Consumer consumer = store.attach();
        send_backup(consumer, file, {.format = format});
    }
    std::string stream() const { return content_of(file); }
    void write(const std::string& bytes) const {
        std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    }
    /// What receiving it says; nothing may be left anywhere near.
    std::optional<Error> refused(const ReceiveOptions& options = {}) const {
        const auto error = error_of([&] { receive_backup(file, received, options); });
        CHECK(entries(received) == 0);
        CHECK(entries(received.parent_path()) == 1);
        return error;
    }
};

std::string sha256sum_of(const fs::path& file) {
    return RunningCommand({"sha256sum", file.string()}).finish().out.substr(0, 64);
}

}  // namespace

TEST_CASE("a stream that ends too early is refused wherever it was cut") {
    StreamFormat format = StreamFormat::tar;
    std::size_t end_bytes = 2 * tar_block_bytes;  // of zeros
    SUBCASE("tar") {}
    SUBCASE("tar.gz") { format = StreamFormat::tar_gz, end_bytes = 32; }
    SUBCASE("tar.zst") { format = StreamFormat::tar_zst, end_bytes = 32; }
    const DamageSetting setting(format);
    const std::string whole = setting.stream();
    const std::size_t most = whole.size() - end_bytes;
    for (std::size_t i = 0; i < 40; ++i) {
        const std::size_t at = most * i / 40;
        CAPTURE(at);
        setting.write(whole.substr(0, at));
        const auto error = setting.refused();
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
    }
    setting.write(whole);
    CHECK(receive_backup(setting.file, setting.received).made);
}

TEST_CASE("a byte that was changed in any file of a stream is found") {
    const DamageSetting setting;
    const std::vector<TarFile> files = files_of(setting.stream());
    REQUIRE(files.size() == 6);
    for (std::size_t i = 0; i < files.size(); ++i) {
        for (const std::size_t part : {0UL, 1UL, 2UL, 3UL}) {
            std::vector<TarFile> changed = files;
            std::string& content = changed[i].content;
            const std::size_t at = std::min(content.size() - 1, content.size() * part / 3);
            if (changed[i].path.ends_with(".sha256") && part > 0) {
                continue;  // behind the checksum stands a name that nobody needs
            }
            CAPTURE(changed[i].path);
            CAPTURE(at);
            content[at] = static_cast<char>(content[at] ^ 1);
            setting.write(tar_of(changed));
            const auto error = setting.refused();
            REQUIRE(error);
            CHECK(error->code() == Errc::corrupt);
        }
    }
    setting.write(tar_of(files));  // the tool of this test does no harm
    CHECK(receive_backup(setting.file, setting.received).made);
}

TEST_CASE("a stream has the files that its manifest lists and no others") {
    const DamageSetting setting;
    std::vector<TarFile> files = files_of(setting.stream());
    REQUIRE(files.size() == 6);
    TarFile& index = files[2];
    REQUIRE(index.path == "backup-00000001/D01/index.json");
    const fs::path outside = setting.store.base() / "outside";
    SUBCASE("a way out") { index.path = "../outside"; }
    SUBCASE("a way out from below") { index.path = "backup-00000001/D01/../../../outside"; }
    SUBCASE("an absolute name") { index.path = outside.string(); }
    SUBCASE("a way out in the first name") { files[0].path = "../manifest.json"; }
    SUBCASE("an absolute first name") { files[0].path = "/manifest.json"; }
    SUBCASE("a number that is none") { files[0].path = "backup-0000001x/manifest.json"; }
    SUBCASE("a symbolic link") { index = {.path = index.path, .type = '2', .link = "/etc/passwd"}; }
    SUBCASE("a symbolic link as a folder") {
        files.insert(files.begin() + 2,
                     {.path = "backup-00000001/D01", .type = '2', .link = "/tmp"});
    }
    SUBCASE("a hard link") {
        index = {.path = index.path, .type = '1', .link = "backup-00000001/manifest.json"};
    }
    SUBCASE("a device") { index.type = '3', index.content.clear(); }
    SUBCASE("a pipe") { index.type = '6', index.content.clear(); }
    SUBCASE("a directory") {
        files.insert(files.begin(), {.path = "backup-00000001/", .type = '5'});
    }
    SUBCASE("one twice") { files.insert(files.begin() + 2, index); }
    SUBCASE("one too many at the end") {
        files.push_back({.path = "backup-00000001/D09/index.json", .content = "{}"});
    }
    SUBCASE("one is missing") { files.erase(files.begin() + 3); }
    SUBCASE("another order") { std::swap(files[2], files[4]); }
    SUBCASE("no manifest") { files.erase(files.begin()); }
    SUBCASE("longer than it may be") { index.content += '\n'; }
    SUBCASE("shorter") { index.content.pop_back(); }
    SUBCASE("a size beyond all") { index.said = std::uint64_t{1} << 62; }
    SUBCASE("a size that is negative") { index.said = std::uint64_t{1} << 63; }
    SUBCASE("nothing") { files.clear(); }
    setting.write(tar_of(files));
    const auto error = setting.refused();
    REQUIRE(error);
    CAPTURE(std::string(error->what()));
    CHECK(error->code() == Errc::corrupt);
    CHECK(!fs::exists(outside));
}

TEST_CASE("a small stream that stands for a large backup is refused before anything is written") {
    const DamageSetting setting;
    std::vector<TarFile> files = files_of(setting.stream());
    ReceiveOptions options;
    Errc code = Errc::no_space;
    SUBCASE("more than is free") {
        std::string& manifest = files[0].content;
        const std::string field = "\"region_bytes\": ";
        const std::size_t at = manifest.find(field) + field.size();
        manifest.replace(at, manifest.find(',', at) - at, std::to_string(std::uint64_t{1} << 62));
        const fs::path copy = setting.store.base() / "manifest.json";
        std::ofstream(copy, std::ios::binary) << manifest;
        files[1].content = sha256sum_of(copy) + "  manifest.json\n";
        setting.write(tar_of(files));
    }
    SUBCASE("more than is wanted") {
        options.max_bytes = 10'000;
        code = Errc::limit_exceeded;
    }
    const auto error = setting.refused(options);
    REQUIRE(error);
    CHECK(error->code() == code);
    CHECK(error->needed() > error->limit());
}

TEST_CASE("what is no stream is refused") {
    const DamageSetting setting;
    SUBCASE("nothing") { setting.write(""); }
    SUBCASE("a text") { setting.write(std::string(5000, 'x')); }
    SUBCASE("zeros") { setting.write(std::string(100'000, '\0')); }
    SUBCASE("gzip of gzip of nothing") { setting.write("\x1f\x8b\x08"); }
    SUBCASE("another archive") { setting.write("!<arch>\ndebian-binary   "); }
    const auto error = setting.refused();
    REQUIRE(error);
    CHECK(error->code() == Errc::corrupt);
}

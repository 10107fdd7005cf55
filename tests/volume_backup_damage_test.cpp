// SPDX-License-Identifier: Apache-2.0
// Backups and restores that go wrong: damage, manifests that lie, what is killed on the way.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/backup_setting.hpp"
#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/leftovers.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

std::string sha256sum_of(const fs::path& file) {
    const CommandResult sum = RunningCommand({"sha256sum", file.string()}).finish();
    REQUIRE(sum.code == 0);
    return sum.out.substr(0, 64);
}

/// Changes a manifest and gives it the checksum that it has then.
void rewrite_manifest(const fs::path& manifest, const std::string& from, const std::string& to) {
    std::string text = content_of(manifest);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    std::ofstream(manifest, std::ios::binary | std::ios::trunc) << text;
    std::ofstream(manifest.string() + ".sha256") << sha256sum_of(manifest) << "  manifest.json\n";
}

}  // namespace

TEST_CASE("a damaged backup is refused by name, and nothing is put in its place") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    publish(producer, {1, 7}, "changed");
    setting.back_up();
    std::string code = "corrupt";
    std::string named;
    SUBCASE("a content") {
        named = "backup-00000001/D02/region.mmap";
        FileEditor(setting.backups / named).write<char>(256 + 4096 * 3, '#');
    }
    SUBCASE("an index") {
        named = "backup-00000001/D01/index.json";
        damage(setting.backups / named, "word");
    }
    SUBCASE("a header") {
        named = "backup-00000002/D01/region.mmap";
        FileEditor(setting.backups / named).write<char>(40, '#');
    }
    SUBCASE("a manifest") {
        named = "backup-00000002/manifest.json";
        damage(setting.backups / named, "market");
    }
    SUBCASE("the list of what has not changed") {
        named = "backup-00000002/unchanged.json";
        damage(setting.backups / named, "digest");
    }
    SUBCASE("a manifest further back was exchanged") {
        named = "backup-00000001/manifest.json";
        rewrite_manifest(setting.backups / named, "market", "markst");
    }
    SUBCASE("an archive was taken from another backup") {
        named = "backup-00000001/D01/index.json";
        fs::remove_all(setting.file(1, "D01"));
        fs::copy(setting.file(2, "D01"), setting.file(1, "D01"), fs::copy_options::recursive);
    }
    SUBCASE("a region is cut short") {
        named = "backup-00000001/D03/region.mmap";
        fs::resize_file(setting.backups / named, 5000);
        code = "truncated";
    }
    SUBCASE("an archive is missing") {
        named = "backup-00000002/D01";
        fs::remove_all(setting.backups / named);
        code = "file_not_found";
    }
    SUBCASE("a link stands in a file's place") {
        named = "backup-00000001/D03/region.mmap";
        fs::rename(setting.backups / named, setting.backups / "aside");
        fs::create_symlink(setting.backups / "aside", setting.backups / named);
        code = "not_trusted";
    }
    SUBCASE("a directory stands in a file's place") {
        named = "backup-00000001/D03/region.mmap";
        fs::remove(setting.backups / named);
        fs::create_directory(setting.backups / named);
        code = "not_trusted";
    }
    const auto error = error_of([&] { setting.restored({}); });
    REQUIRE(error);
    CHECK(std::string(to_string(error->code())) == code);
    CHECK(contains(error->path(), named));
    CHECK(setting.nothing_left());
    const Generation generation = producer.generation();
    CHECK(code_of([&] { restore_dimensions(setting.backups, producer); }) == code);
    CHECK(producer.generation() == generation);
    const VolumeReport found = verify_backups(setting.backups);
    CHECK(!found.ok());
    CHECK(std::ranges::any_of(found.failures, [&](const VolumeFailure& failure) {
        return contains(failure.path.string(), named);
    }));
}

TEST_CASE("a manifest that lies is found out") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    publish(producer, {1, 7}, "changed");
    publish(producer, {2, 7}, "changed");
    Batch batch = producer.batch();
    batch.erase({1, 14});
    batch.crystallize();
    setting.back_up();
    std::string from;
    std::string to;
    std::string code = "corrupt";
    SUBCASE("a layer is not removed") { from = "    14\n", to = "    15\n"; }
    SUBCASE("a circle") { from = "\"number\": 1,", to = "\"number\": 2,"; }
    SUBCASE("number 0") { from = "\"number\": 2", to = "\"number\": 0"; }
    SUBCASE("a base that is not linked") { from = "\"base\": 1", to = "\"base\": 7"; }
    SUBCASE("a kind of its own") { from = "\"changes\"", to = "\"charges\""; }
    SUBCASE("whole, which it is not") {
        from = "\"kind\": \"changes\"", to = "\"kind\": \"whole\"";
    }
    SUBCASE("the same, which it is not") {
        from = "\"kind\": \"changes\"", to = "\"kind\": \"same\"";
    }
    SUBCASE("a negative number") { from = "\"layers\": ", to = "\"layers\": -"; }
    SUBCASE("a number beyond 2^32") {
        from = "\"dimension_id\": 1", to = "\"dimension_id\": 4294967297";
    }
    SUBCASE("an order of its own") { from = "\"dimension_id\": 1", to = "\"dimension_id\": 3"; }
    SUBCASE("no list") { from = "\"builds_on\": [", to = "\"builds_on\": 1, \"x\": ["; }
    SUBCASE("nested") {
        from = "\"builds_on\": [";
        to = "\"x\": " + std::string(100'000, '[') + std::string(100'000, ']') + ", " + from;
    }
    SUBCASE("no JSON") { from = "{", to = "{{"; }
    SUBCASE("another format") { from = "strata backup", to = "strata"; }
    SUBCASE("another version") {
        from = "\"version\": 2", to = "\"version\": 3", code = "format_version";
    }
    rewrite_manifest(setting.file(2, "manifest.json"), from, to);
    const auto error = error_of([&] { setting.restored({}); });
    REQUIRE(error);
    CAPTURE(std::string(error->what()));
    CHECK(std::string(to_string(error->code())) == code);
    CHECK(contains(error->path(), "backup-00000002"));
    CHECK(!verify_backups(setting.backups).ok());
    CHECK(setting.restored({.number = 1}).size() > 1000);
}

TEST_CASE("brackets in a text of a manifest are no nesting, quotation marks do not end it") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    const std::string brackets(40, '[');
    rewrite_manifest(
        setting.file(1, "manifest.json"), "\"builds_on\": [",
        "\"x\": \"" + brackets + R"(\" \\)" + "\", \"y\": \"" + brackets + "\", \"builds_on\": [");
    CHECK(setting.restored({.number = 1}).size() > 1000);
}

TEST_CASE("the two lists of a manifest that contradict each other are found out") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    publish(producer, {1, 7}, "changed");
    setting.back_up();
    const fs::path unchanged = setting.file(2, "unchanged.json");
    const std::string before = content_of(unchanged);
    const std::string checksum_before = sha256sum_of(unchanged);
    std::string text = before;
    const auto replace = [&](const std::string& from, const std::string& to) {
        REQUIRE(text.find(from) != std::string::npos);
        text.replace(text.find(from), from.size(), to);
    };
    SUBCASE("a dimension in both") { replace("\"dimension_id\": 2", "\"dimension_id\": 1"); }
    SUBCASE("of another backup") { replace("\"number\": 2", "\"number\": 1"); }
    SUBCASE("a kind that belongs into the other") { replace("\"same\"", "\"changes\""); }
    SUBCASE("no JSON") { replace("{", "{{"); }
    std::ofstream(unchanged, std::ios::binary | std::ios::trunc) << text;
    rewrite_manifest(setting.file(2, "manifest.json"), checksum_before, sha256sum_of(unchanged));
    if (text.size() != before.size()) {
        rewrite_manifest(setting.file(2, "manifest.json"),
                         "\"bytes\": " + std::to_string(before.size()),
                         "\"bytes\": " + std::to_string(text.size()));
    }
    const auto error = error_of([&] { setting.restored({}); });
    REQUIRE(error);
    CAPTURE(std::string(error->what()));
    CHECK(error->code() == Errc::corrupt);
    CHECK(error->path() == unchanged.string());
    CHECK(setting.nothing_left());
}

TEST_CASE("of the backups that it builds on, one reads what had changed in them alone") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    for (const std::string content : {"first", "second", "third"}) {
        setting.back_up();
        publish(producer, {1, 7}, content);
    }
    fs::remove(setting.file(2, "unchanged.json"));  // of all other dimensions, which may be many
    CHECK(setting.back_up().layers == 1);
    CHECK(setting.restored({}) == setting.now());
}

TEST_CASE("an archive of another dimension is not taken, though the manifest has its checksums") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    publish(producer, {1, 1}, "the same");
    publish(producer, {2, 1}, "the same");
    setting.back_up();
    const fs::path manifest = setting.file(1, "manifest.json");
    const std::string text = content_of(manifest);
    for (const std::string key : {"\"index_checksum\": \"", "\"region_checksum\": \""}) {
        const std::size_t first = text.find(key) + key.size();
        const std::size_t second = text.find(key, first) + key.size();
        const std::size_t length = text.find('"', first) - first;
        rewrite_manifest(manifest, text.substr(second, length), text.substr(first, length));
    }
    fs::remove_all(setting.file(1, "D02"));
    fs::copy(setting.file(1, "D01"), setting.file(1, "D02"), fs::copy_options::recursive);
    const auto error = error_of([&] { setting.restored({}); });
    REQUIRE(error);
    CHECK(error->code() == Errc::corrupt);
    CHECK(contains(error->path(), "backup-00000001/D02/region.mmap"));
    CHECK(setting.nothing_left());
    CHECK(!verify_backups(setting.backups).ok());
}

TEST_CASE("what is cancelled or was killed leaves nothing") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    struct Cancelled {};
    const auto cancel = [](const TransferProgress&) { throw Cancelled{}; };
    CHECK_THROWS_AS(setting.back_up({.progress = cancel}), Cancelled);
    CHECK(entries(setting.backups) == 0);
    fs::create_directories(setting.backups / ".strata-new-backup-00000001-dead" / "D01");
    setting.back_up();
    CHECK(entries(setting.backups) == 1);
    CHECK_THROWS_AS(setting.restored({.progress = cancel}), Cancelled);
    CHECK(setting.nothing_left());
    fs::create_directories(setting.elsewhere / ".strata-new-begun-dead" / "begun");
    std::ofstream(setting.elsewhere / ".strata-new-begun-dead" / "begun" / "control.mmap") << "x";
    fs::create_directories(setting.elsewhere / ".strata-new-only-begun-dead");
    // What an exchange of archives left is not a restore's to remove.
    fs::create_directories(setting.elsewhere / ".strata-new-D01-dead" / "layers");
    CHECK(setting.restored({}) == setting.now());
    CHECK(entries(setting.elsewhere) == 1);
    fs::remove_all(setting.elsewhere / ".strata-new-D01-dead");
    CHECK(code_of([&] { setting.restored({.number = 5}); }) == "file_not_found");
    CHECK(code_of([&] { setting.restored({.generation = 99}); }) == "file_not_found");
    CHECK(code_of([&] { setting.restored({.memory_limit = 200_KiB}); }) == "limit_exceeded");
    CHECK(code_of([&] { restore_store(setting.elsewhere, "a", setting.elsewhere); }) ==
          "file_not_found");
    CHECK(code_of([&] { restore_store(setting.backups, "../a", setting.elsewhere); }) ==
          "invalid_name");
    const fs::path no_base = setting.elsewhere / std::string(300, 'x');
    const fs::path below_a_file = setting.file(1, "manifest.json") / "base";
    for (const fs::path& base : {no_base, below_a_file}) {
        const auto unmade = error_of([&] { restore_store(setting.backups, "a", base); });
        REQUIRE(unmade);
        CHECK(unmade->errno_value() == (base == no_base ? ENAMETOOLONG : ENOTDIR));
        CHECK(unmade->detail() == "cannot be made");
    }
    CHECK(setting.nothing_left());
    damage(setting.store.file("region-1.mmap"), payload_of(3, 50, 4850).substr(0, 40));
    publish(producer, {1, 1}, "x");
    const auto error = error_of([&] { setting.back_up({.full = true}); });
    REQUIRE(error);
    CHECK(error->code() == Errc::corrupt);
    CHECK(contains(error->what(), "layer 350 of dimension 3"));
    CHECK(entries(setting.backups) == 1);
}

TEST_CASE("what a killed restore left is listed, and goes without a restore") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    const auto restore = [&](std::function<void(const TransferProgress&)> progress) {
        RestoreOptions options;
        options.progress = std::move(progress);
        restore_store(setting.backups, "a", setting.elsewhere, options);
    };
    fs::create_directories(setting.elsewhere);
    restore([&](const TransferProgress&) {
        const auto found = leftovers(setting.elsewhere);
        REQUIRE(found.size() == 1);
        CHECK(found[0].store == "a");
        CHECK(found[0].in_use == true);
        CHECK(code_of([&] { remove_leftover(found[0].path); }) == "producer_active");
    });
    CHECK(leftovers(setting.elsewhere).empty());
    remove_store("a", setting.elsewhere);
    Child child = Child::start(
        [&](Channel&) { restore([](const TransferProgress&) { ::kill(::getpid(), SIGKILL); }); });
    CHECK(child.join_killed() == "");
    const auto found = leftovers(setting.elsewhere);
    REQUIRE(found.size() == 1);
    CHECK(found[0].store == "a");
    CHECK(found[0].in_use == false);
    CHECK(found[0].allocated_bytes > 64_KiB);
    remove_leftover(found[0].path);
    CHECK(setting.nothing_left());
}

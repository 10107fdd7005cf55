// SPDX-License-Identifier: Apache-2.0
// Backups as streams: there and back, in each format, whole and as increments; and who stops.
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/backup_setting.hpp"
#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_stream.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

struct StreamSetting : BackupSetting {
    fs::path file = store.base() / "streams" / "backup.tar";
    fs::path scratch = store.base() / "scratch";

    StreamSetting() {
        fs::create_directory(file.parent_path());
        fs::create_directory(scratch);
    }
    BackupReport send(const SendOptions& options = {}) const {
        Consumer consumer = store.attach();
        return send_backup(consumer, file, options);
    }
    std::string restored_from(const fs::path& directory, const RestoreOptions& options = {}) const {
        restore_store(directory, "restored", elsewhere, options);
        const std::string all = all_of(attach("restored").snapshot());
        remove_store("restored", elsewhere);
        return all;
    }
};

struct Cancelled {};

}  // namespace

TEST_CASE("a backup goes through a stream and comes back as it was") {
    StreamFormat format = StreamFormat::tar;
    SUBCASE("tar") {}
    SUBCASE("tar.gz") { format = StreamFormat::tar_gz; }
    SUBCASE("tar.zst") { format = StreamFormat::tar_zst; }
    const StreamSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    const BackupReport sent = setting.send({.format = format});
    CHECK(sent.made);
    CHECK(sent.number == 1);
    CHECK(sent.layers == 3 * layer_count + 2);
    struct stat status {};
    REQUIRE(::stat(setting.file.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0600);
    CHECK(entries(setting.file.parent_path()) == 1);

    fs::path unpacked;
    {
        const UnpackedBackup backup(setting.file, setting.scratch);
        unpacked = backup.directory();
        REQUIRE(::stat(unpacked.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0700);
        CHECK(backup.report().layers == sent.layers);
        CHECK(backup.report().content_bytes == sent.content_bytes);
        CHECK(setting.restored_from(unpacked) == setting.now());
    }
    CHECK(entries(setting.scratch) == 0);

    // What others unpack is an ordinary backup.
    const fs::path others = setting.store.base() / "others";
    fs::create_directory(others);
    const CommandResult tar =
        RunningCommand({"tar", "-C", others.string(), "-xf", setting.file.string()}).finish();
    REQUIRE(tar.code == 0);
    CHECK(verify_backups(others).ok());
    CHECK(setting.restored_from(others) == setting.now());
}

TEST_CASE("increments are sent against a directory, which is only read, and received into one") {
    const StreamSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    const BackupReport first = setting.send();
    const BackupReport there = receive_backup(setting.file, setting.backups);
    CHECK(there.made);
    CHECK(there.path == setting.backups / "backup-00000001");
    const std::string was = setting.now();

    publish(producer, {1, 7}, "changed");
    Batch batch = producer.batch();
    batch.erase({1, 14});
    batch.remove_dimension(77);
    batch.crystallize();
    const BackupReport second = setting.send({.since = setting.backups});
    CHECK(second.number == 2);
    CHECK(second.layers == 1);
    CHECK(second.removed == 1);
    CHECK(entries(setting.backups) == 1);
    CHECK(fs::file_size(setting.file) < 50'000);

    const auto alone = error_of([&] { UnpackedBackup(setting.file, setting.scratch); });
    REQUIRE(alone);
    CHECK(alone->code() == Errc::file_not_found);
    CHECK(contains(alone->what(), "backup 2 builds on backup 1"));
    CHECK(entries(setting.scratch) == 0);

    CHECK(receive_backup(setting.file, setting.backups).made);
    CHECK(!receive_backup(setting.file, setting.backups).made);
    CHECK(entries(setting.backups) == 2);
    CHECK(verify_backups(setting.backups).ok());
    CHECK(setting.restored({}) == setting.now());
    CHECK(setting.restored({.generation = first.generation}) == was);

    // The next one builds on what was received, whoever makes it.
    publish(producer, {2, 7}, "changed");
    CHECK(setting.back_up().layers == 1);
    CHECK(setting.restored({}) == setting.now());

    // Nothing new: a stream that says so.
    const BackupReport same = setting.send({.since = setting.backups});
    CHECK(same.layers == 0);
    CHECK(receive_backup(setting.file, setting.backups).made);
    CHECK(setting.restored({}) == setting.now());
}

TEST_CASE("another backup of that number is not overwritten") {
    const StreamSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    publish(producer, {1, 7}, "changed");
    setting.send();
    const auto error = error_of([&] { receive_backup(setting.file, setting.backups); });
    REQUIRE(error);
    CHECK(error->code() == Errc::file_exists);
    CHECK(verify_backups(setting.backups).ok());
    CHECK(entries(setting.backups) == 1);
}

TEST_CASE("dimensions can be chosen, and one that is not there is refused") {
    const StreamSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    CHECK(setting.send({.dimensions = {2, 5000}}).dimensions == 2);
    const UnpackedBackup backup(setting.file, setting.scratch);
    CHECK(list_backups(backup.directory()).at(0).dimensions == 2);
    CHECK(!list_backups(backup.directory()).at(0).complete);
    const auto error = error_of([&] { setting.send({.dimensions = {9}}); });
    REQUIRE(error);
    CHECK(error->code() == Errc::dimension_not_found);
    CHECK(entries(setting.file.parent_path()) == 1);  // the one before
}

TEST_CASE("a stream that nobody reads, or for which there is no room, is an error") {
    const StreamSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    Consumer consumer = setting.store.attach();
    SUBCASE("the reader has gone") {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        ::close(ends[0]);
        const auto handler = std::signal(SIGPIPE, SIG_IGN);
        const auto error = error_of([&] { send_backup(consumer, ends[1]); });
        std::signal(SIGPIPE, handler);
        ::close(ends[1]);
        REQUIRE(error);
        CHECK(error->errno_value() == EPIPE);
    }
    SUBCASE("a full disk") {
        const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
        REQUIRE(full >= 0);
        const auto error = error_of([&] { send_backup(consumer, full); });
        ::close(full);
        REQUIRE(error);
        CHECK(error->code() == Errc::no_space);
    }
    SUBCASE("a descriptor that is closed") {
        const auto error = error_of([&] { send_backup(consumer, 1 << 20); });
        REQUIRE(error);
        CHECK(error->errno_value() == EBADF);
    }
}

TEST_CASE("cancelling leaves nothing, and the file that was there") {
    const StreamSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.send();
    const auto size = fs::file_size(setting.file);
    SUBCASE("while it is sent") {
        const auto cancel = [](const TransferProgress& progress) {
            if (progress.layers > layer_count * 3) {
                throw Cancelled{};
            }
        };
        CHECK_THROWS_AS(setting.send({.progress = cancel}), Cancelled);
        CHECK(fs::file_size(setting.file) == size);
        CHECK(entries(setting.file.parent_path()) == 1);
    }
    SUBCASE("while it is received") {
        int calls = 0;
        const auto cancel = [&](const TransferProgress&) {
            if (++calls > 3) {
                throw Cancelled{};
            }
        };
        CHECK_THROWS_AS(receive_backup(setting.file, setting.backups, {.progress = cancel}),
                        Cancelled);
        CHECK(entries(setting.backups) == 0);
    }
    SUBCASE("while the other end does nothing") {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        int calls = 0;
        const auto cancel = [&](const TransferProgress&) {
            if (++calls > 100) {
                throw Cancelled{};
            }
        };
        CHECK_THROWS_AS(receive_backup(ends[0], setting.backups, {.progress = cancel}), Cancelled);
        CHECK(entries(setting.backups) == 0);
        calls = 0;
        Consumer consumer = setting.store.attach();
        CHECK_THROWS_AS(send_backup(consumer, ends[1], {.progress = cancel}), Cancelled);
        ::close(ends[0]);
        ::close(ends[1]);
    }
}

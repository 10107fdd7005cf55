// SPDX-License-Identifier: Apache-2.0
// Streams while system calls are refused, one, or all from one on: what was asked for is done or
// not there, the source and what was there stay as they were, and what is left behind is hidden and
// goes with the next one.
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/refuse_each.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_stream.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr int all_stream_errors[] = {ENOSPC, EIO, EROFS, ENOMEM, EMFILE, EPIPE, EINTR};
constexpr std::span<const int> stream_errors(all_stream_errors,
                                             scaled(std::size(all_stream_errors), std::size_t{1}));
constexpr std::span<const int> lasting_errors = stream_errors.first(scaled(2, 1));

struct StreamSetting : Setting {
    fs::path folder = store.base() / "streams";
    fs::path file = folder / "market.tar.zst";
    fs::path scratch = store.base() / "scratch";
    StreamCalls counted;

    StreamSetting() {
        fs::create_directory(folder);
        fs::create_directory(scratch);
        send();
    }
    void send() const {
        Consumer consumer = attach();
        send_backup(consumer, file, {.format = StreamFormat::tar_zst, .threads = 1});
    }
    /// Once with each error, then with all that comes after it refused as well.
    void refuse(const std::function<void()>& action,
                const std::function<void(const std::optional<Error>&)>& check) const {
        refuse_each(action, check, 20, stream_errors, false, 4);
        refuse_each(action, check, 20, lasting_errors, true, 2);
    }
};

void check_path(const std::optional<Error>& error) {
    if (error) {
        CHECK_FALSE(error->path().empty());
    }
}

}  // namespace

TEST_CASE("a stream into a file is complete, or the file that was there stays") {
    const StreamSetting setting;
    const std::string old = content_of(setting.file);
    setting.change("second");
    const auto source = files_below(setting.store.path());
    setting.refuse([&] { setting.send(); },
                   [&](const std::optional<Error>& error) {
                       const bool replaced = content_of(setting.file) != old;
                       CHECK((replaced || error));
                       check_path(error);
                       CHECK(files_below(setting.store.path()) == source);
                       if (replaced) {
                           CHECK((!error || contains(error->what(), "is in its place")));
                           receive_backup(setting.file, setting.target, {.threads = 1});
                           fs::remove_all(setting.target);
                           std::ofstream(setting.file, std::ios::trunc) << old;
                       }
                   });
    setting.send();
    CHECK(entries(setting.folder) == 1);  // what could not be removed is
}

TEST_CASE("a stream into a pipe is complete, or its sender says that it is not") {
    const StreamSetting setting;
    const auto source = files_below(setting.store.path());
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    setting.refuse(
        [&] {
            Consumer consumer = setting.attach();
            send_backup(consumer, ends[1], {.threads = 1});
        },
        [&](const std::optional<Error>& error) {
            int there = 0;  // a pipe has room for all of it: nobody needs to read meanwhile
            REQUIRE(::ioctl(ends[0], FIONREAD, &there) == 0);
            std::string sent(static_cast<std::size_t>(there), '\0');
            if (there > 0) {
                REQUIRE(::read(ends[0], sent.data(), sent.size()) == there);
            }
            std::ofstream(setting.file, std::ios::trunc) << sent;
            if (!error) {
                receive_backup(setting.file, setting.target, {.threads = 1});
                fs::remove_all(setting.target);
            }
            CHECK(files_below(setting.store.path()) == source);
        });
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("a backup is received whole or not at all") {
    const StreamSetting setting;
    const std::string stream = content_of(setting.file);
    setting.refuse([&] { receive_backup(setting.file, setting.target, {.threads = 1}); },
                   [&](const std::optional<Error>& error) {
                       check_path(error);
                       const bool made = fs::exists(setting.target / "backup-00000001");
                       CHECK((made || error));
                       if (made) {
                           CHECK((!error || contains(error->what(), "is in its place")));
                           CHECK(verify_backups(setting.target).ok());
                           fs::remove_all(setting.target / "backup-00000001");
                       }
                       CHECK(files_below(setting.target).empty());
                       CHECK(content_of(setting.file) == stream);
                   });
    receive_backup(setting.file, setting.target, {.threads = 1});
    CHECK(entries(setting.target) == 1);
}

TEST_CASE("an unpacked backup is whole, and nothing of it is left") {
    const StreamSetting setting;
    setting.refuse(
        [&] {
            const UnpackedBackup backup(setting.file, setting.scratch, {.threads = 1});
            const OwnCalls not_counted;
            CHECK(files_below(backup.directory()).size() == 6);
        },
        [&](const std::optional<Error>& error) {
            check_path(error);
            CHECK(files_below(setting.scratch).empty());
        });
    { const UnpackedBackup next(setting.file, setting.scratch, {.threads = 1}); }
    CHECK(entries(setting.scratch) == 0);
}

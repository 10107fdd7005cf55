// SPDX-License-Identifier: Apache-2.0
// The two ends of a stream, and what becomes of it when one of them goes: killed, closed, silent.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/backup_setting.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refuse_each.hpp"
#include "tests/support/system_calls.hpp"
#include <strata/volume_stream.hpp>

using namespace strata;
using namespace strata::test;

namespace {

struct EndsSetting : BackupSetting {
    fs::path folder = store.base() / "streams";
    fs::path stream = folder / "market.tar";
    fs::path scratch = store.base() / "scratch";

    explicit EndsSetting(StreamFormat format = StreamFormat::tar) {
        fs::create_directory(folder);
        fs::create_directory(scratch);
        Producer producer = store.create();
        Batch batch = producer.batch();
        for (std::uint64_t layer = 0; layer < 3; ++layer) {
            batch.put({1, layer}, payload_of(1, layer, 3000));
        }
        batch.crystallize();
        send(format);
    }
    void send(StreamFormat format = StreamFormat::tar) const {
        Consumer consumer = Consumer::attach(store.name(), {.base_path = store.base()});
        send_backup(consumer, stream, {.format = format, .threads = 1});
    }
};

/// Kills a child that does `action` at each of its system calls in turn, until it comes to an end;
/// `check` after each.
template <class Action, class Check>
void kill_at_each_call(Action action, Check check) {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    // Where each takes many times as long, not all are tried.
    const std::uint64_t step = scaled(1, 7);
    for (std::uint64_t n = 1;; n += step) {
        CAPTURE(n);
        Child child = Child::start([&](const Channel&) {
            const KillingCall killing(n);
            action();
        });
        const bool killed = child.join_killed().empty();
        check(killed);
        if (!killed) {
            CHECK(n > 40);
            return;
        }
    }
}

/// A pipe of which one end is held here.
struct Pipe {
    int read_end = -1;
    int write_end = -1;

    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        read_end = ends[0];
        write_end = ends[1];
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() { close_both(); }
    static void close(int& end) {
        if (end >= 0) {
            ::close(std::exchange(end, -1));
        }
    }
    void close_both() {
        close(read_end);
        close(write_end);
    }
};

struct Cancelled {};

}  // namespace

TEST_CASE("a sender that is killed leaves the file that was there, and its leftovers go") {
    const EndsSetting setting;
    const std::string old = content_of(setting.stream);
    const auto source = files_below(setting.store.path());
    kill_at_each_call([&] { setting.send(); },
                      [&](bool) {
                          const std::string now = content_of(setting.stream);
                          if (now != old) {  // times differ
                              receive_backup(setting.stream, setting.backups, {.threads = 1});
                              fs::remove_all(setting.backups);
                          }
                          CHECK(files_below(setting.store.path()) == source);
                          setting.send();
                          CHECK(entries(setting.folder) == 1);
                      });
}

TEST_CASE("a receiver that is killed leaves no half backup, and its leftovers go") {
    const EndsSetting setting;
    const std::string sent = content_of(setting.stream);
    kill_at_each_call(
        [&] { receive_backup(setting.stream, setting.backups, {.threads = 1}); },
        [&](bool killed) {
            const bool made = fs::exists(setting.file(1, "manifest.json"));
            CHECK((made || killed));
            CHECK(receive_backup(setting.stream, setting.backups, {.threads = 1}).made == !made);
            CHECK(entries(setting.backups) == 1);
            CHECK(verify_backups(setting.backups).ok());
            CHECK(content_of(setting.stream) == sent);
            fs::remove_all(setting.backups);
        });
}

TEST_CASE("what a killed process had unpacked goes with the next one") {
    const EndsSetting setting;
    kill_at_each_call(
        [&] { const UnpackedBackup backup(setting.stream, setting.scratch, {.threads = 1}); },
        [&](bool) {
            const UnpackedBackup next(setting.stream, setting.scratch, {.threads = 1});
            CHECK(entries(setting.scratch) == 1);
        });
    CHECK(entries(setting.scratch) == 0);
}

TEST_CASE("who sends finds out that nobody reads any more, in each format") {
    StreamFormat format = StreamFormat::tar;
    SUBCASE("tar") {}
    SUBCASE("tar.gz") { format = StreamFormat::tar_gz; }
    SUBCASE("tar.zst") { format = StreamFormat::tar_zst; }
    const EndsSetting setting;
    Consumer consumer = setting.store.attach();
    const auto handler = std::signal(SIGPIPE, SIG_IGN);
    const auto restore = [&] { std::signal(SIGPIPE, handler); };
    SUBCASE("from the beginning") {
        Pipe pipe;
        Pipe::close(pipe.read_end);
        const auto error =
            error_of([&] { send_backup(consumer, pipe.write_end, {.format = format}); });
        REQUIRE(error);
        CHECK(error->errno_value() == EPIPE);
    }
    SUBCASE("after a while") {
        Pipe pipe;
        // A page: the reader has gone before there is room for the rest.
        REQUIRE(::fcntl(pipe.write_end, F_SETPIPE_SZ, 4096) == 4096);
        int calls = 0;
        const auto error = error_of([&] {
            send_backup(consumer, pipe.write_end,
                        {.format = format, .progress = [&](const TransferProgress& progress) {
                             if (progress.layers >= 3 && ++calls == 3) {
                                 Pipe::close(pipe.read_end);
                             }
                         }});
        });
        REQUIRE(error);
        CHECK(error->errno_value() == EPIPE);
    }
    SUBCASE("nor cares") {
        Pipe pipe;
        REQUIRE(::fcntl(pipe.write_end, F_SETPIPE_SZ, 4096) == 4096);
        int calls = 0;
        const auto give_up = [&](const TransferProgress&) {
            if (++calls == 10) {
                throw Cancelled{};
            }
        };
        CHECK_THROWS_AS(
            send_backup(consumer, pipe.write_end, {.format = format, .progress = give_up}),
            Cancelled);
    }
    restore();
}

TEST_CASE("who receives finds out that nothing comes any more, in each format") {
    StreamFormat format = StreamFormat::tar;
    std::size_t end_bytes = 1024;  // of zeros, which say nothing
    SUBCASE("tar") {}
    SUBCASE("tar.gz") { format = StreamFormat::tar_gz, end_bytes = 32; }
    SUBCASE("tar.zst") { format = StreamFormat::tar_zst, end_bytes = 32; }
    bool gone = false;
    SUBCASE("the sender has gone") { gone = true; }
    SUBCASE("the sender is silent") {}
    const EndsSetting setting(format);
    const std::string whole = content_of(setting.stream);
    for (std::size_t i = 0; i <= 10; i += gone ? 1 : 5) {
        const std::size_t at = (whole.size() - end_bytes) * i / 11;
        CAPTURE(at);
        Pipe pipe;
        REQUIRE(::fcntl(pipe.write_end, F_SETPIPE_SZ, 1 << 20) > 0);
        REQUIRE(::write(pipe.write_end, whole.data(), at) == static_cast<ssize_t>(at));
        if (gone) {
            Pipe::close(pipe.write_end);
            const auto error =
                error_of([&] { receive_backup(pipe.read_end, setting.backups, {.threads = 1}); });
            REQUIRE(error);
            CHECK(error->code() == Errc::corrupt);
        } else {
            int calls = 0;
            const auto give_up = [&](const TransferProgress&) {
                if (++calls == 5) {
                    throw Cancelled{};
                }
            };
            CHECK_THROWS_AS(
                receive_backup(pipe.read_end, setting.backups, {.threads = 1, .progress = give_up}),
                Cancelled);
        }
        CHECK(entries(setting.backups) == 0);
    }
}

TEST_CASE("of what lies beside the scratch directory only one's own goes") {
    STRATA_SKIP_IF(::geteuid() != 0, "only root can make what is another user's");
    const EndsSetting setting;
    const auto left = [&](const char* number, std::uint32_t owner) {
        const fs::path path =
            setting.scratch / (std::string(".strata-new-backup-stream-") + number);
        fs::create_directories(path / "backup-00000001");
        REQUIRE(::chown(path.c_str(), owner, owner) == 0);
        return path;
    };
    const fs::path own = left("1", 0);
    const fs::path foreign = left("2", nobody);
    const fs::path other = setting.scratch / ".strata-new-market-3";
    fs::create_directory(other);
    { const UnpackedBackup backup(setting.stream, setting.scratch, {.threads = 1}); }
    CHECK(!fs::exists(own));
    CHECK(fs::exists(foreign / "backup-00000001"));
    CHECK(fs::exists(other));

    // Bait in the way of somebody who sends to a file there: neither removed nor in the way.
    fs::permissions(setting.store.base(), fs::perms(0755));
    fs::permissions(setting.folder, fs::perms::all | fs::perms::sticky_bit);
    const fs::path bait = setting.folder / ".strata-new-mine.tar-1";
    fs::create_directory(bait);
    REQUIRE(::chown(bait.c_str(), nobody, nobody) == 0);
    const fs::path mine = setting.folder / "mine.tar";
    Child child = Child::start([&](const Channel&) {
        become_user(1234);
        Consumer consumer = Consumer::attach(
            setting.store.name(),
            {.base_path = setting.store.base(), .trusted_owner = TrustedOwner::anybody});
        send_backup(consumer, mine, {.threads = 1});
    });
    CHECK(child.join() == "");
    CHECK(fs::exists(mine));
    CHECK(fs::exists(bait));
}

TEST_CASE("a forked child neither removes what its parent has unpacked nor keeps it alive") {
    const EndsSetting setting;
    Child parent = Child::start([&](const Channel& channel) {
        UnpackedBackup backup(setting.stream, setting.scratch, {.threads = 1});
        {
            Child child = Child::start([&](const Channel&) {
                const UnpackedBackup inherited = std::move(backup);  // and destroyed
            });
            STRATA_REQUIRE_EQ(child.join(), std::string());
        }
        STRATA_REQUIRE(verify_backups(backup.directory()).ok());
        Child heir = Child::start([&](const Channel&) { ::pause(); }, Orphan::lives);
        channel.send(static_cast<std::uint64_t>(heir.pid()));
        heir.detach();
        ::pause();
    });
    adopt_orphans();
    const auto heir = static_cast<pid_t>(parent.receive());
    CHECK(parent.kill_and_join().empty());
    // The heir has the lock, so that it looks as if its parent still worked on it.
    { const UnpackedBackup next(setting.stream, setting.scratch, {.threads = 1}); }
    CHECK(entries(setting.scratch) == 1);
    ::kill(heir, SIGKILL);
    CHECK(::waitpid(heir, nullptr, 0) == heir);
    { const UnpackedBackup next(setting.stream, setting.scratch, {.threads = 1}); }
    CHECK(entries(setting.scratch) == 0);
}

TEST_CASE("a stream does not take the place of a device, a pipe or a directory") {
    const EndsSetting setting;
    const auto refused = [&](const fs::path& place) {
        Consumer consumer = setting.store.attach();
        const auto error = error_of([&] { send_backup(consumer, place); });
        REQUIRE(error);
        CHECK(error->code() == Errc::file_exists);
        CHECK(error->path() == place.string());
    };
    const fs::path pipe = setting.folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    refused(pipe);
    CHECK(fs::is_fifo(pipe));
    const fs::path link = setting.folder / "link";
    fs::create_symlink("/dev/null", link);
    refused(link);
    CHECK(fs::is_symlink(link));
    refused(setting.scratch);
    CHECK(entries(setting.folder) == 3);
}

TEST_CASE("a stream is read through a link, and errors name its file") {
    const EndsSetting setting;
    const fs::path link = setting.folder / "latest";
    fs::create_symlink("market.tar", link);
    CHECK(receive_backup(link, setting.backups, {.threads = 1}).made);
    fs::resize_file(setting.stream, 2000);
    const auto error = error_of([&] { UnpackedBackup(link, setting.scratch); });
    REQUIRE(error);
    CHECK(error->code() == Errc::corrupt);
    CHECK(error->path() == link.string());
}

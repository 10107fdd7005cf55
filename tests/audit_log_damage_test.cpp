// SPDX-License-Identifier: Apache-2.0
// The audit log where writing fails: full disks, torn lines, foreign locks, calls that are refused.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sched.h>
#include <set>
#include <string>
#include <sys/mount.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/audit_lines.hpp"
#include "tests/support/process.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/audit_log.hpp>
#include <strata/error.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// Fills what a file system has left.
void fill_up(const fs::path& file) {
    std::ofstream out(file, std::ios::binary);
    const std::string block(4096, '#');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
}

/// In a child with a mount namespace of its own: `body(directory)` on a tmpfs of that size. Empty
/// if it did well; skipped if such mounts are not permitted.
template <class Body>
std::string on_small_disk(const std::string& size, bool& mounted, Body body) {
    const TempBase base;
    Child child = Child::start([&](Channel& channel) {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", base.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
            channel.send(0);
            return;
        }
        channel.send(1);
        body(base.path());
    });
    mounted = child.receive() == 1;
    return child.join();
}

}  // namespace

TEST_CASE("a full disk costs entries, counted, and never a line that is no JSON") {
    bool mounted = false;
    const std::string result = on_small_disk("256k", mounted, [](const fs::path& directory) {
        const fs::path file = directory / "audit.log";
        AuditLog log({.path = file});
        log.record({.operation = "before"});
        log.flush();
        fill_up(directory / "filler");
        std::uint64_t during = 0;
        while (log.statistics().dropped == 0 && during < 100) {  // the last page has some room
            log.record({.operation = "during", .store = "a store with a name"});
            ++during;
            log.flush();
        }
        STRATA_REQUIRE_EQ(log.statistics().dropped, 1U);
        STRATA_REQUIRE_EQ(log.statistics().last_errno, ENOSPC);
        log.record({.operation = "during", .store = "a store with a name"});
        log.flush();
        STRATA_REQUIRE_EQ(log.statistics().dropped, 2U);
        fs::remove(directory / "filler");
        log.record({.operation = "after"});
        log.flush();
        STRATA_REQUIRE_EQ(log.statistics().written, during + 1);
        const std::vector<Json> lines = lines_of(file);
        STRATA_REQUIRE_EQ(lines.size(), static_cast<std::size_t>(during) + 2);
        STRATA_REQUIRE(lines.front()["operation"] == "before");
        STRATA_REQUIRE(lines[lines.size() - 2]["operation"] == "dropped");
        STRATA_REQUIRE(lines[lines.size() - 2]["entries"] == 2);
        STRATA_REQUIRE(lines.back()["operation"] == "after");
    });
    CHECK(result == "");
    STRATA_SKIP_IF(!mounted, "mount namespaces are not permitted here");
}

TEST_CASE("who shares a log on a full disk loses no line to another one's half") {
    bool mounted = false;
    const std::string result = on_small_disk("1m", mounted, [](const fs::path& directory) {
        const fs::path file = directory / "audit.log";
        std::atomic<std::uint64_t> written = 0;
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&](const std::stop_token& stop) {
                AuditLog log({.path = file});  // a descriptor of its own, as another process has
                while (!stop.stop_requested()) {
                    log.record({.operation = "commit", .store = "a store with a name"});
                    log.flush();
                }
                written += log.statistics().written;
            });
        }
        for (int round = 0; round < 30; ++round) {
            fill_up(directory / "filler");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            fs::remove(directory / "filler");
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        threads.clear();
        std::uint64_t commits = 0;
        for (const Json& line : lines_of(file)) {
            commits += line["operation"] == "commit" ? 1 : 0;
        }
        STRATA_REQUIRE_EQ(commits, written.load());
    });
    CHECK(result == "");
    STRATA_SKIP_IF(!mounted, "mount namespaces are not permitted here");
}

TEST_CASE("what a killed process had written of a line is cut off, not continued") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    for (const std::string torn : {"{", R"({"time":"2026-01-01T00:00:00.000000Z","pid":1,"ui)"}) {
        fs::remove(file);
        AuditLog other({.path = file});
        other.record({.operation = "first"});
        other.flush();
        std::ofstream(file, std::ios::app) << torn;
        AuditLog log({.path = file});
        log.record({.operation = "second"});
        log.flush();
        std::ofstream(file, std::ios::app) << torn;
        other.record({.operation = "third"});
        other.flush();
        const std::vector<Json> lines = lines_of(file);
        REQUIRE(lines.size() == 3);
        CHECK(lines[1]["operation"] == "second");
        CHECK(lines[2]["operation"] == "third");
    }
}

TEST_CASE("what others have written into the log, and not ended, stays and is ended") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    const std::string text = std::string(5000, 'x') + " a remark";
    std::ofstream(file) << text;
    AuditLog log({.path = file});
    log.record({.operation = "create"});
    log.flush();
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    CHECK(line == text);
    std::getline(in, line);
    CHECK(Json::parse(line)["operation"] == "create");
}

TEST_CASE("nobody who locks the log keeps it from being written") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    AuditLog log({.path = file});
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    struct flock all {};
    all.l_type = F_RDLCK;
    REQUIRE(::fcntl(fd, F_OFD_SETLK, &all) == 0);
    log.record({.operation = "create"});
    log.flush();
    CHECK(log.statistics().written == 1);
    ::close(fd);
    CHECK(lines_of(file).size() == 1);
}

TEST_CASE("a call that is refused costs one entry at most, and the log goes on") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    constexpr std::uint64_t all = 120;  // fills the file three times
    std::set<std::string> refused;
    for (std::uint64_t n = 1;; ++n) {
        const TempBase base;
        const fs::path file = base.path() / "audit.log";
        AuditStatistics statistics;
        std::optional<Error> thrown;
        {
            const FailingCallAnywhere failing(n, EIO);
            thrown = error_of([&] {
                AuditLog log({.path = file, .max_bytes = 4096, .kept_files = 4});
                for (std::uint64_t i = 1; i <= all; ++i) {
                    log.record({.operation = "commit", .layers = i});
                    log.flush();
                }
                statistics = log.statistics();
            });
        }
        if (!FailingCallAnywhere::happened()) {
            CHECK(!thrown);
            CHECK(statistics.rotations >= 3);
            break;
        }
        const std::string name = FailingCallAnywhere::name();
        CAPTURE(n);
        CAPTURE(name);
        refused.insert(name);
        if (thrown) {
            CHECK(thrown->errno_value() == EIO);
            CHECK(thrown->path().starts_with(base.path().string()));
            CHECK(entries(base.path()) <= 1);
            continue;
        }
        CHECK(statistics.dropped <= 1);
        CHECK(statistics.written + statistics.dropped == all);
        CHECK(statistics.last_errno == (statistics.dropped != 0 ? EIO : 0));
        CHECK(statistics.rotations >= 2);
        // From the oldest file on each entry once, and what is not there is told.
        std::uint64_t last = 0;
        std::uint64_t seen = 0;
        std::uint64_t told = 0;
        for (const char* const kept : {".4", ".3", ".2", ".1", ""}) {
            const fs::path part = file.string() + kept;
            CHECK((!fs::exists(part) || fs::file_size(part) <= 4096));
            for (const Json& line : lines_of(part)) {
                if (line["operation"] == "dropped") {
                    told += line["entries"].get<std::uint64_t>();
                    continue;
                }
                CHECK(line["layers"].get<std::uint64_t>() > last);
                last = line["layers"].get<std::uint64_t>();
                ++seen;
            }
        }
        CHECK(last + statistics.dropped >= all);
        CHECK(told == statistics.dropped);
        // A file whose place is not given up is replaced by the one after it.
        CHECK(seen + (name == "renameat" ? 40 : 0) >= statistics.written);
    }
    CHECK(refused.contains("fstat"));
    CHECK(refused.contains("renameat"));
    CHECK(refused.contains("write"));
    CHECK(refused.contains("fcntl (lock)"));
    CHECK(refused.contains("openat"));
    CHECK(refused.contains("openat (create)"));
}

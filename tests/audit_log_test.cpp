// SPDX-License-Identifier: Apache-2.0
// The audit log: every line is JSON, nobody waits for it, what is lost is told.
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/audit_lines.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/audit_log.hpp>
#include <strata/error.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

TEST_CASE("each entry is a line of JSON with time, process, user and what was told") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    const std::time_t begun = std::time(nullptr);
    {
        AuditLog log({.path = file});
        CHECK(!log.wants_commits());
        CHECK(log.record({.operation = "create", .store = "market"}));
        CHECK(log.record({.operation = "import",
                          .store = "a\"b\\c\n\xff",
                          .directory = "/srv/volume",
                          .generation = 18'000'000'000'000'000'000U,
                          .dimensions = 1,
                          .layers = 7,
                          .files = 2,
                          .bytes = 3,
                          .result = to_string(Errc::corrupt)}));
        CHECK(log.record({.operation = "clean", .store = std::string(5000, 'x') + "/market"}));
        log.flush();
        CHECK(lines_of(file).size() == 3);
        CHECK(log.statistics().written == 3);
        CHECK(log.record({.operation = "last"}));
    }
    const std::vector<Json> lines = lines_of(file);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0]["operation"] == "create");
    CHECK(lines[0]["store"] == "market");
    CHECK(lines[0]["pid"] == ::getpid());
    CHECK(lines[0]["uid"] == ::geteuid());
    const auto time = lines[0]["time"].get<std::string>();
    CAPTURE(time);
    std::tm utc{};
    const char* const rest = ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
    REQUIRE(rest != nullptr);
    CHECK(time.size() == 27);
    CHECK(std::string(rest).substr(0, 1) == ".");
    CHECK(std::string(rest).substr(7) == "Z");
    CHECK(::timegm(&utc) >= begun);
    CHECK(::timegm(&utc) <= std::time(nullptr));
    CHECK(!lines[0].contains("generation"));
    CHECK(lines[1]["generation"] == 18'000'000'000'000'000'000U);
    CHECK(lines[1]["layers"] == 7);
    CHECK(lines[2]["store"].get<std::string>().size() == 255);
    CHECK(lines[2]["store"].get<std::string>().ends_with("xx/market"));
    CHECK(lines[2]["result"] == "ok");
    CHECK(lines[1]["result"] == "corrupt");
    CHECK(lines[1]["directory"] == "/srv/volume");
    CHECK(lines[1]["dimensions"] == 1);
    CHECK(lines[1]["files"] == 2);
    CHECK(lines[1]["bytes"] == 3);
    CHECK(lines[3]["operation"] == "last");  // written when the log was closed
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
}

TEST_CASE("a log is continued, not begun anew") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    AuditLog({.path = file}).record({.operation = "first"});
    AuditLog({.path = file}).record({.operation = "second"});
    CHECK(lines_of(file).size() == 2);
}

TEST_CASE("what cannot be opened is a typed error") {
    const TempBase base;
    const auto code = [](const AuditOptions& options) {
        return code_of([&] { AuditLog log(options); });
    };
    CHECK(code({}) == "invalid_argument");
    CHECK(code({.path = base.path() / "log", .max_bytes = 4095}) == "invalid_argument");
    CHECK(code({.path = base.path() / "log", .kept_files = 1001}) == "invalid_argument");
    CHECK(code({.path = base.path() / "log", .queue_entries = 0}) == "invalid_argument");
    CHECK(code({.path = base.path() / "log", .queue_entries = 65'537}) == "invalid_argument");
    CHECK(code({.path = base.path() / "none" / "log"}) == "file_not_found");
    CHECK(fs::is_empty(base.path()));
    fs::create_directory(base.path() / "directory");
    CHECK(code({.path = base.path() / "directory"}) == "system");
    CHECK(code({.path = "/dev/null"}) == "not_trusted");
    REQUIRE(::mkfifo((base.path() / "fifo").c_str(), 0600) == 0);
    CHECK(code({.path = base.path() / "fifo"}) != "no error");
    if (::geteuid() == 0) {
        ::chmod(base.path().c_str(), 0755);
        Child other = Child::start([&](Channel&) {
            become_user(nobody);
            STRATA_REQUIRE_EQ(code({.path = base.path() / "log"}), "permission_denied");
        });
        CHECK(other.join() == "");
    }
}

TEST_CASE("a file that would grow too large is renamed, and so many are kept") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    {
        AuditLog log({.path = file, .max_bytes = 4096, .kept_files = 2});
        for (int i = 0; i < 400; ++i) {
            log.record({.operation = "commit", .generation = static_cast<Generation>(i) + 1});
            log.flush();
        }
        CHECK(log.statistics().rotations > 5);
        CHECK(log.statistics().dropped == 0);
        CHECK(log.statistics().written == 400);
    }
    CHECK(entries(base.path()) == 3);
    Generation next = 0;
    for (const char* const name : {"audit.log.2", "audit.log.1", "audit.log"}) {
        CAPTURE(std::string_view(name));
        CHECK(fs::file_size(base.path() / name) <= 4096);
        for (const Json& line : lines_of(base.path() / name)) {
            const auto generation = line["generation"].get<Generation>();
            CHECK((next == 0 || generation == next));
            next = generation + 1;
        }
    }
    CHECK(next == 401);
    {
        AuditLog log({.path = file, .max_bytes = 4096, .kept_files = 0});
        for (int i = 0; i < 100; ++i) {
            log.record({.operation = "commit", .store = "market"});
            log.flush();
        }
        CHECK(log.statistics().dropped == 0);
        CHECK(log.statistics().rotations > 0);
    }
    CHECK(entries(base.path()) == 3);
    CHECK(fs::file_size(file) <= 4096);
}

TEST_CASE("what is in the way of an older file costs no entry") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    fs::create_directory(file.string() + ".3");
    AuditLog log({.path = file, .max_bytes = 4096, .kept_files = 3});
    constexpr int entries_told = 300;
    for (int i = 0; i < entries_told; ++i) {
        log.record({.operation = "commit", .store = "a store with a name"});
        log.flush();
    }
    CHECK(log.statistics().rotations > 3);
    CHECK(log.statistics().written == entries_told);
    CHECK(log.statistics().dropped == 0);
}

TEST_CASE("who else rotates or removes the file has done so") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    AuditLog log({.path = file});
    log.record({.operation = "first"});
    log.flush();
    fs::rename(file, base.path() / "old");
    log.record({.operation = "second"});
    log.flush();
    fs::remove(file);
    log.record({.operation = "third"});
    log.flush();
    CHECK(lines_of(base.path() / "old").at(0)["operation"] == "first");
    REQUIRE(lines_of(file).size() == 1);
    CHECK(lines_of(file)[0]["operation"] == "third");
}

TEST_CASE("many threads record, none waits, and what is dropped is counted and told") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    constexpr int threads = 4;
    constexpr int each = scaled(5000, 1000);
    std::uint64_t taken = 0;
    {
        AuditLog log({.path = file, .queue_entries = 8});  // far too few
        std::vector<std::uint64_t> taken_by(threads);
        std::vector<std::thread> writers;
        for (int t = 0; t < threads; ++t) {
            writers.emplace_back([&, t] {
                for (int i = 0; i < each; ++i) {
                    const auto number = static_cast<std::uint64_t>(t * each + i + 1);
                    taken_by[static_cast<std::size_t>(t)] +=
                        log.record({.operation = "commit", .layers = number}) ? 1 : 0;
                }
            });
        }
        for (std::thread& writer : writers) {
            writer.join();
        }
        for (const std::uint64_t by_one : taken_by) {
            taken += by_one;
        }
        log.flush();
        const AuditStatistics statistics = log.statistics();
        CHECK(statistics.written == taken);
        CHECK(statistics.dropped == threads * each - taken);
        CHECK(statistics.dropped > 0);
    }
    std::uint64_t told = 0;
    std::set<std::uint64_t> seen;
    for (const Json& line : lines_of(file)) {
        if (line["operation"] == "dropped") {
            told += line["entries"].get<std::uint64_t>();
        } else {
            CHECK(seen.insert(line["layers"].get<std::uint64_t>()).second);
        }
    }
    CHECK(seen.size() == taken);
    CHECK(told == threads * each - taken);
}

TEST_CASE("several processes append to one log, and rotate it") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    constexpr int each = 200;
    std::vector<Child> children;
    for (int i = 0; i < 3; ++i) {
        children.push_back(Child::start([&](Channel&) {
            AuditLog log({.path = file, .max_bytes = 8192, .kept_files = 100});
            for (int n = 0; n < each; ++n) {
                log.record({.operation = "commit", .layers = static_cast<std::uint64_t>(n) + 1});
                log.flush();
            }
            STRATA_REQUIRE_EQ(log.statistics().dropped, 0U);
        }));
    }
    for (Child& child : children) {
        CHECK(child.join() == "");
    }
    std::set<std::pair<std::int64_t, std::uint64_t>> seen;
    for (const auto& entry : fs::directory_iterator(base.path())) {
        for (const Json& line : lines_of(entry.path())) {
            seen.emplace(line["pid"].get<std::int64_t>(), line["layers"].get<std::uint64_t>());
        }
    }
    CHECK(seen.size() == 3 * each);
    CHECK(entries(base.path()) > 3);
}

TEST_CASE("in a forked child nothing is recorded, and nothing hangs") {
    const TempBase base;
    const fs::path file = base.path() / "audit.log";
    auto log = std::make_unique<AuditLog>(AuditOptions{.path = file});
    log->record({.operation = "parent"});
    Child child = Child::start([&](Channel&) {
        STRATA_REQUIRE(!log->record({.operation = "child"}));
        log->flush();
        log.reset();
    });
    CHECK(child.join() == "");
    log.reset();
    CHECK(lines_of(file).size() == 1);
}

// SPDX-License-Identifier: Apache-2.0
// `strata --audit`: what each command that changes something tells, and that others tell nothing.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

struct Setting {
    TempBase base;
    Strata command{base.path()};
    fs::path file = base.path() / "audit.log";

    CommandResult run(std::vector<std::string> words) const {
        words.insert(words.begin(), {"--audit", file.string()});
        return command(words);
    }
    /// What was told since the last call: `operation place result` of each line.
    std::vector<std::string> told() {
        std::vector<std::string> lines;
        std::ifstream in(file);
        std::size_t number = 0;
        for (std::string line; std::getline(in, line); ++number) {
            if (number >= seen) {
                const auto json = nlohmann::json::parse(line);
                CHECK(json["uid"] == ::geteuid());
                const std::string place = json.value("store", json.value("directory", ""));
                lines.push_back(json["operation"].get<std::string>() + " " +
                                fs::path(place).filename().string() + " " +
                                json["result"].get<std::string>());
            }
        }
        seen = number;
        return lines;
    }
    std::size_t seen = 0;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("commands that change a store tell what they did, and what they could not do") {
    Setting setting;
    REQUIRE(setting.run({"create", "market", "-d", "7=Quotes"}).code == 0);
    CHECK(setting.told() == Lines{"create market ok", "commit market ok", "close market ok"});
    REQUIRE(setting.run({"put", "market", "7", "1", "-t", "x"}).code == 0);
    CHECK(setting.told() == Lines{"open market ok", "commit market ok", "close market ok"});
    REQUIRE(setting.run({"rename", "market", "7", "Prices"}).code == 0);
    CHECK(setting.told().size() == 3);
    {
        const Producer other = Producer::open("market", {.base_path = setting.base.path()});
        CHECK(setting.run({"put", "market", "7", "1", "-t", "x"}).code == 7);
        CHECK(setting.run({"rm", "market", "--force"}).code == 7);
    }
    CHECK(setting.told() == Lines{"open market producer_active", "remove market producer_active"});
    for (const std::vector<std::string>& look : {std::vector<std::string>{"ls"},
                                                 {"info", "market"},
                                                 {"get", "market", "7", "1"},
                                                 {"verify", "market"},
                                                 {"gc", "--dry-run"},
                                                 {"stat", "market"}}) {
        CAPTURE(look.front());
        CHECK(setting.run(look).code == 0);
    }
    CHECK(setting.told().empty());
    REQUIRE(setting.run({"rm", "market", "--force"}).code == 0);
    CHECK(setting.told() == Lines{"remove market ok"});
    fs::create_directory(setting.base.path() / ".a.new-12-34");
    REQUIRE(setting.run({"gc", "--force"}).code == 0);
    CHECK(setting.told() == Lines{"remove leftover .a.new-12-34 ok"});
}

TEST_CASE("a command that only looks does not make the log") {
    const Setting setting;
    CHECK(setting.run({"ls"}).code == 0);
    CHECK(!fs::exists(setting.file));
}

TEST_CASE("the commands of volumes tell theirs") {
    Setting setting;
    const std::string volume = (setting.base.path() / "volume").string();
    const std::string backups = (setting.base.path() / "backups").string();
    const auto run = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"volume", "--volume", volume});
        return setting.run(words);
    };
    REQUIRE(run({"init"}).code == 0);
    REQUIRE(run({"init"}).code == 0);  // nothing was missing
    CHECK(setting.told() == Lines{"init volume ok"});
    REQUIRE(run({"load", "D05"}).code == 0);
    CHECK(setting.told() == Lines{"create consciousness ok", "commit consciousness ok",
                                  "import consciousness ok", "close consciousness ok"});
    REQUIRE(run({"load", "99"}).code == 3);
    CHECK(setting.told() == Lines{"open consciousness ok", "import consciousness file_not_found",
                                  "close consciousness ok"});
    REQUIRE(run({"export"}).code == 0);
    REQUIRE(run({"info"}).code == 0);
    REQUIRE(run({"verify"}).code == 0);
    CHECK(setting.told() == Lines{"export volume ok"});
    REQUIRE(run({"backup", backups}).code == 0);
    REQUIRE(run({"backups", backups}).code == 0);
    REQUIRE(run({"restore", backups, "--store", "again"}).code == 0);
    REQUIRE(run({"restore", backups, "--store", "again"}).code == 1);
    CHECK(setting.told() ==
          Lines{"backup consciousness ok", "restore again ok", "restore again store_exists"});
    REQUIRE(run({"verify", "--salvage", volume + "2"}).code == 0);
    CHECK(setting.told() == Lines{"init volume2 ok", "salvage volume2 ok"});
    std::ofstream(fs::path(volume) / "temp" / "scratch") << "x";
    REQUIRE(run({"clean", "--dry-run"}).code == 0);
    REQUIRE(run({"clean"}).code == 0);
    CHECK(setting.told() == Lines{"clean volume ok"});
}

TEST_CASE(
    "a log that cannot be opened is an error before anything is changed; the environment names "
    "one as well") {
    Setting setting;
    setting.file = setting.base.path() / "none" / "audit.log";
    const CommandResult refused = setting.run({"create", "market"});
    CHECK(refused.code == 3);
    CHECK(contains(refused.err, "audit log"));
    CHECK(contains(refused.err, "none"));
    CHECK(!fs::exists(setting.base.path() / "market"));
    setting.file = setting.base.path() / "named";
    REQUIRE(::setenv("STRATA_AUDIT_LOG", setting.file.c_str(), 1) == 0);
    const int code = setting.command({"create", "market"}).code;
    ::unsetenv("STRATA_AUDIT_LOG");
    CHECK(code == 0);
    CHECK(setting.told() == Lines{"create market ok", "close market ok"});
}

TEST_CASE("what a log cannot take is said on standard error, and the command does its work") {
    Setting setting;
    REQUIRE(setting.command({"create", "market", "--limit", "1MiB"}).code == 0);
    const CommandResult refused =
        setting.command({"--audit", "/dev/full", "put", "market", "1", "1", "-t", "x"});
    CHECK(refused.code != 0);
    CHECK(contains(refused.err, "regular file"));
    // The log may not grow any more, the store's files are smaller.
    std::ofstream(setting.file) << std::string(4 << 20, '\n');
    const std::string shell =
        "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --base \"$1\" --audit \"$2\""
        " put market 1 1 -t x";
    RunningCommand command(
        {"bash", "-c", shell, STRATA_COMMAND, setting.base.path().string(), setting.file.string()});
    const CommandResult done = command.finish();
    CHECK(done.code == 0);
    CHECK(contains(done.err, "3 entries are not in the audit log"));
    CHECK(contains(done.err, "too large"));
    CHECK(fs::file_size(setting.file) == 4 << 20);
    CHECK(setting.command({"get", "market", "1", "1"}).out == "x");
}

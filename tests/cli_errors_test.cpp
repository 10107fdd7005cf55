// SPDX-License-Identifier: Apache-2.0
// What each command says, and its exit code, when the store is missing, damaged, closed to the user
// or used by a producer, and when the command line makes no sense.
#include <algorithm>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

/// Every command that needs a store, on the store "market".
std::vector<Words> commands() {
    return {{"info", "market"},
            {"dims", "market"},
            {"layers", "market"},
            {"get", "market", "1", "5"},
            {"put", "market", "1", "6", "--text", "x"},
            {"rm", "market", "1", "5"},
            {"watch", "market", "--from-start", "--seconds", "0.05"},
            {"diff", "market", "1", "2"},
            {"stat", "market"},
            {"dump", "market"},
            {"readers", "market"},
            {"verify", "market"},
            {"metrics", "market"},
            {"top", "market", "--json", "--count", "1"}};
}

// One line on standard error, the same as text and as JSON; nothing on standard output.
void check_error(const Strata& strata, Words words, int code, const std::string& name) {
    CAPTURE(words[0]);
    const CommandResult text = strata(words);
    CHECK(text.code == code);
    CHECK(text.out.empty());
    CHECK(text.err.find('\n') == text.err.size() - 1);
    if (std::find(words.begin(), words.end(), "--json") != words.end()) {
        CHECK(json::parse(text.err)["error"]["code"] == name);
        return;
    }
    CHECK(text.err.starts_with("strata: "));
    words.emplace_back("--json");
    const CommandResult result = strata(words);
    CHECK(result.code == code);
    const json error = json::parse(result.err)["error"];
    CHECK(error["code"] == name);
    CHECK(!error["message"].get<std::string>().empty());
    CHECK(contains(text.err, error["message"].get<std::string>()));
}

struct Market {
    TempStore store{"market"};
    Strata strata{store.base()};

    Market() {
        Producer producer = store.create();
        publish(producer, {1, 5}, "joy");
    }
};

}  // namespace

TEST_CASE("no such store: exit code 3") {
    const TempBase empty;
    for (const Words& words : commands()) {
        check_error(Strata(empty.path()), words, 3, "store_not_found");
        check_error(Strata(empty.path() / "nowhere"), words, 3, "store_not_found");
    }
    // Those that look at all stores have nothing to say, unless the base itself is not there.
    for (const Words& words : std::vector<Words>{{"ls"}, {"gc"}, {"metrics"}}) {
        CHECK(Strata(empty.path())(words).code == 0);
        check_error(Strata(empty.path() / "nowhere"), words, 3, "store_not_found");
        CHECK(Strata(empty.path() / "nowhere")(words).err.ends_with(
            "see --base and STRATA_BASE_PATH\n"));
    }
    const CommandResult gone = Strata(empty.path())({"gc", "market"});
    CHECK(gone.code == 3);
    CHECK(contains(gone.out, "store_not_found"));
}

TEST_CASE("a damaged store: exit code 4") {
    const Market market;
    fs::resize_file(market.store.file("control.mmap"), 100);
    for (const Words& words : commands()) {
        check_error(market.strata, words, 4, "truncated");
    }
    CHECK(contains(market.strata({"ls"}).out, "truncated"));
    CHECK(market.strata({"gc"}).code == 0);
    CHECK(fs::exists(market.store.path()));  // not without --damaged
    CHECK(market.strata({"doctor"}).code == 1);
    CHECK(contains(market.strata({"metrics"}).out, "strata_readable{store=\"market\"} 0"));
}

TEST_CASE("another producer: exit code 7, for those that would become one") {
    const Market market;
    const Producer producer = market.store.open();
    for (const Words& words : std::vector<Words>{{"put", "market", "1", "6", "--text", "x"},
                                                 {"rm", "market", "1", "5"}}) {
        check_error(market.strata, words, 7, "producer_active");
    }
    for (const Words& words : commands()) {
        if (words[0] == "put" || words[0] == "rm" || words[0] == "diff") continue;
        CAPTURE(words[0]);
        CHECK(market.strata(words).code == 0);
    }
}

TEST_CASE("no room: exit code 6") {
    const TempStore store("market");
    const Strata strata(store.base());
    CHECK(strata({"put", "--create", "--limit", "256KiB", "market", "1", "1", "-t", "x"}).code ==
          0);
    const CommandResult refused =
        strata({"put", "market", "1", "2", "--json"}, std::string(1 << 20, 'x'));
    CHECK(refused.code == 6);
    const json error = json::parse(refused.err)["error"];
    CHECK(error["code"] == "limit_exceeded");
    CHECK(error["limit"] == 256_KiB);
    CHECK(error["needed"] >= 1_MiB);
    CHECK(strata({"get", "market", "1", "1"}).out == "x");
}

TEST_CASE("rm in JSON") {
    const Market market;
    CHECK(market.strata.json({"rm", "market", "1", "5"})["generation"] == 3);
    check_error(market.strata, {"rm", "market", "1", "5"}, 3, "layer_not_found");
    check_error(market.strata, {"rm", "market", "9", "--dimension"}, 3, "dimension_not_found");
}

TEST_CASE("a command line that makes no sense: exit code 2, and nothing is touched") {
    const Market market;
    for (const Words& words : std::vector<Words>{{"info"},
                                                 {"dims"},
                                                 {"layers"},
                                                 {"get", "market"},
                                                 {"put", "market", "1"},
                                                 {"rm", "market", "1"},
                                                 {"rm", "market"},
                                                 {"rm", "market", "--dimension"},
                                                 {"create", "new", "--mode", "0666"},
                                                 {"rename", "market", "1"},
                                                 {"rename", "market", "1", ""},
                                                 {"get", "market", "1", "5", "--as", "f16"},
                                                 {"metrics", "--listen", "nowhere"},
                                                 {"metrics", "--listen", "::1:80"},
                                                 {"metrics", "--listen", "[::1]:65536"},
                                                 {"watch"},
                                                 {"diff", "market", "1"},
                                                 {"stat"},
                                                 {"dump"},
                                                 {"readers"},
                                                 {"verify"},
                                                 {"top", "market", "extra"},
                                                 {"ls", "extra"},
                                                 {"gc", "--wings"},
                                                 {"doctor", "--wings"},
                                                 {"metrics", "--wings"},
                                                 {"completion"},
                                                 {"diff", "market", "one", "two"},
                                                 {"stat", "market", "--seconds", "soon"},
                                                 {"put", "market", "1", "1", "--limit", "much"}}) {
        check_error(market.strata, words, 2, "usage");
    }
    check_error(market.strata, {"info", "../market"}, 2, "invalid_name");
    CHECK(market.strata.json({"info", "market"})["generation"] == 2);
}

TEST_CASE("another user may look at an open store, and is told what is closed: exit code 5") {
    STRATA_SKIP_UNLESS_ROOT();
    const Market market;
    fs::permissions(market.store.base(), fs::perms(0755));
    const auto as_nobody = [&](Words words) {
        words = market.strata.words(std::move(words));
        words.insert(words.begin(),
                     {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
        return RunningCommand(words).finish();
    };
    STRATA_SKIP_IF(as_nobody({"--version"}).code != 0, "nobody may run the command");
    for (const Words& words : commands()) {
        CAPTURE(words[0]);
        const bool changes = words[0] == "put" || words[0] == "rm";
        const int code = as_nobody(words).code;
        CHECK(code == (changes ? 5 : words[0] == "diff" ? 3 : 0));
    }
    CHECK(contains(as_nobody({"gc", "market"}).out, "ask its owner"));
    CHECK(fs::exists(market.store.path()));
    fs::permissions(market.store.path(), fs::perms(0700));
    for (const Words& words : commands()) {
        CAPTURE(words[0]);
        CHECK(as_nobody(words).code == 5);
    }
    CHECK(contains(as_nobody({"ls"}).out, "permission_denied"));
}

TEST_CASE("hints are about the command, not about the library's options and functions") {
    const Market market;
    CHECK(market.strata({"put", "--create", "--limit", "256KiB", "small", "1", "1", "-t", "x"})
              .code == 0);
    const std::string large(1 << 20, 'x');
    const std::vector<std::pair<Words, std::string>> all = {
        {{"info", "nothing"}, {}},
        {{"get", "nothing", "1", "1"}, {}},
        {{"get", "market", "1", "5", "-g", "77"}, {}},
        {{"diff", "market", "1", "77"}, {}},
        {{"get", "market", "1", "99"}, {}},
        {{"get", "market", "9", "1"}, {}},
        {{"get", "market", "1", "no such name"}, {}},
        {{"put", "small", "1", "2"}, large},
        {{"put", "--create", "tiny", "1", "2", "--limit", "128KiB"}, large},
        {{"put", "market", "1", "6", "-t", "x", "--alignment", "65"}, {}},
        {{"put", "market", "nowhere", "6", "-t", "x"}, {}},
        {{"rm", "market", "1", "99"}, {}},
        {{"metrics", "nothing"}, {}}};
    for (const auto& call : all) {
        const auto& words = call.first;
        CAPTURE(words[0]);
        const CommandResult result = market.strata(words, call.second);
        CHECK(result.code != 0);
        for (const char* word : {"::", "Options", "set_memory_limit", "_bytes", "()", "reattach"}) {
            CAPTURE(result.err);
            CHECK_FALSE(contains(result.err, word));
        }
    }
    CHECK(contains(market.strata({"get", "market", "1", "no such name"}).err,
                   "no layer called \"no such name\" in dimension 1"));
    CHECK(contains(market.strata({"info", "nothing"}).err, "`strata ls`"));
}

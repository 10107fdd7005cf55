// SPDX-License-Identifier: Apache-2.0
// Options that are numbers, sizes or times: read whole and exactly, or refused with the option, the
// text and what is allowed. Never taken for something else.
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;

namespace {

using Words = std::vector<std::string>;

struct Market {
    TempStore store{"market"};
    Strata strata{store.base()};

    Market() {
        Producer producer = store.create();
        publish(producer, {1, 5}, "joy");
    }
};

struct Option {
    Words command;     ///< in front of the value
    std::string name;  ///< by which it is called
    Words good;
    Words bad;  ///< beside what no option takes
};

const Words never = {"",
                     " 1",
                     "1 ",
                     "+1",
                     "one",
                     "0x",
                     "1,5",
                     "1'000",
                     "18446744073709551616",
                     "99999999999999999999999",
                     "nan",
                     "inf",
                     "-inf",
                     "1_000",
                     "\u0661"};

// Everything that takes a number. --create fails because there is the store, but not before its
// limit was read.
const std::vector<Option> options = {
    {{"layers", "market", "--limit"},
     "--limit",
     {"0", "1", "0x10", "18446744073709551615"},
     {"-1", "1e3", "1.0", "1K"}},
    {{"layers", "market", "--generation"}, "--generation", {"2", "0x2"}, {"0", "-1", "1e3", "2.0"}},
    {{"get", "market", "1", "5", "-g"}, "--generation", {"2"}, {"0", "-1", "1e0"}},
    {{"dims", "market", "-g"}, "--generation", {"2"}, {"0", "-1"}},
    {{"verify", "market", "-g"}, "--generation", {"2"}, {"0", "-1"}},
    {{"verify", "market", "--max-failures"}, "--max-failures", {"0", "7"}, {"-1", "1e3"}},
    {{"layers", "market", "--frequency"},
     "--frequency",
     {"1", "1:2", ":2", "1e3:", "-1:0.5"},
     {"1:two", "0x1:", "1:2:3", "1 :2", "1:nan"}},
    {{"stat", "market", "--seconds"},
     "--seconds",
     {"0.01", "10ms", "0.001s", "0.0001min"},
     {"0", "-1", "1e-3", "1week", "10 ms", "ms", "0.0001"}},
    {{"watch", "market", "--from-start", "--count", "1", "--seconds"},
     "--seconds",
     {"1", "5min", "2d"},
     {"0", "-1", "1e3"}},
    {{"watch", "market", "--from-start", "--count"}, "--count", {"1"}, {"0", "-1", "1e3"}},
    {{"top", "market", "--json", "--count"}, "--count", {"1"}, {"0", "-1", "1e3"}},
    {{"top", "market", "--json", "--count", "1", "--interval"},
     "--interval",
     {"0.05", "1", "50ms", "1h"},
     {"0", "0.04", "3601", "-1", "1e0"}},
    {{"top", "market", "--json", "--count", "1", "--slow"},
     "--slow",
     {"0", "0.5", "1min"},
     {"-1", "1e3"}},
    {{"gc", "--dry-run", "--idle-for"}, "--idle-for", {"0", "0.5", "30d"}, {"-1", "1e3"}},
    {{"put", "market", "1", "6", "-t", "x", "--frequency"},
     "--frequency",
     {"1.5", "-1.5", "1e3", "0"},
     {"0x1", "1e999"}},
    {{"put", "market", "1", "6", "-t", "x", "--alignment"},
     "--alignment",
     {"8", "4096"},
     {"0", "4", "8192", "-64", "1e3", "64B", "4294967360"}},
    {{"put", "market", "1", "6", "-t", "x", "--limit"},
     "--limit",
     {"131072", "128KiB", "1M", "1GiB", "3T", "200000B"},
     {"0", "1", "-1", "1e3", "1e9", "1 GiB", "1KB", "1mib", "1.5GiB", "0x100000", "GiB",
      "16777216T"}},
};

}  // namespace

TEST_CASE("numbers on the command line are what they say, or an error that says what is allowed") {
    const Market market;
    for (const Option& option : options) {
        CAPTURE(option.command[0]);
        CAPTURE(option.name);
        for (const std::string& text : option.good) {
            CAPTURE(text);
            Words words = option.command;
            words.push_back(text);
            const CommandResult result = market.strata(words);
            CHECK(result.code == 0);
            // The store is there already: a limit that does not count is said to.
            CHECK(result.err ==
                  (option.name == "--limit" && words[0] == "put"
                       ? "strata: note: --limit is ignored: the store is there already\n"
                       : ""));
        }
        Words bad = option.bad;
        bad.insert(bad.end(), never.begin(), never.end());
        for (const std::string& text : bad) {
            // A frequency may be that large.
            if (option.name == "--frequency" && text.find_first_not_of("0123456789") == text.npos &&
                !text.empty()) {
                continue;
            }
            CAPTURE(text);
            Words words = option.command;
            words.push_back(text);
            const CommandResult result = market.strata(words);
            CHECK(result.code == 2);
            CHECK(result.out == "");
            // A list LOW:HIGH names the bound that is none.
            const bool range = option.name == "--frequency" && text.find(':') != text.npos;
            const std::string message =
                result.err.starts_with('{')
                    ? json::parse(result.err)["error"]["message"].get<std::string>()
                    : result.err;
            CHECK(contains(message, option.name + ": \"" + (range ? "" : text)));
            CHECK(contains(message, "is not a"));
        }
    }
    CHECK(market.strata.json({"get", "market", "1", "5", "--meta"})["generation"] == 2);
}

TEST_CASE("sizes and times mean what they say") {
    const TempBase base;
    const Strata strata(base.path());
    int count = 0;
    for (const auto& [text, bytes] : std::vector<std::pair<std::string, std::uint64_t>>{
             {"131072", 131072}, {"128KiB", 131072}, {"2M", 2 << 20}, {"1GiB", 1 << 30}}) {
        const std::string name = "s" + std::to_string(++count);
        CHECK(strata({"put", "--create", name, "1", "1", "-t", "x", "--limit", text}).code == 0);
        CHECK(strata.json({"info", name})["memory_limit"] == bytes);
    }
    // What was published just now is kept for half an hour, not for half a second.
    CHECK(contains(strata({"gc", "--dry-run", "s1", "--idle-for", "0.5h"}).out, "kept"));
    CHECK(contains(strata({"gc", "--dry-run", "s1", "--idle-for", "0"}).out, "would remove"));
}

TEST_CASE("a layer that looks like a number, and is none, is not taken for a name") {
    const Market market;
    for (const char* text : {"18446744073709551616", " 1", "+1", "0x", "0xyz",
                             "00000000000000000000000099999999999999999999"}) {
        CAPTURE(text);
        for (const Words& words : std::vector<Words>{{"get", "market", "1", text},
                                                     {"put", "market", "1", text, "-t", "x"},
                                                     {"rm", "market", "1", text}}) {
            const CommandResult result = market.strata(words);
            CHECK(result.code == 2);
            CHECK(contains(result.err, "leading @"));
        }
    }
    CHECK(market.strata({"put", "market", "1", "@-1", "-t", "by name"}).code == 0);
    CHECK(market.strata({"get", "market", "1", "@-1"}).out == "by name");
    CHECK(market.strata({"put", "market", "1", "18446744073709551615", "-t", "last"}).code == 0);
    CHECK(market.strata({"get", "market", "1", "0xffffffffffffffff"}).out == "last");
}

TEST_CASE("generations to compare are whole numbers") {
    const TempStore store("market");
    ProducerOptions with_history = store.producer_options();
    with_history.retain = 4;
    Producer producer = Producer::create(store.name(), with_history);
    publish(producer, {1, 5}, "joy");
    const Strata strata(store.base());
    for (const char* text : {"1", "2", "0x2"}) {
        CHECK(strata({"diff", "market", "0", text}).code == 0);
    }
    for (const char* text : {"", " 1", "1 ", "+1", "1e0", "2.0", "one", "18446744073709551616"}) {
        CAPTURE(text);
        for (const Words& words :
             std::vector<Words>{{"diff", "market", text, "2"}, {"diff", "market", "0", text}}) {
            const CommandResult result = strata(words);
            CHECK(result.code == 2);
            CHECK(contains(result.err, std::string(": \"") + text + "\" is not a whole number"));
        }
    }
    CHECK(strata({"diff", "market", "0", "-1"}).code == 2);
}

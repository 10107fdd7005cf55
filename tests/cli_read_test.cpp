// SPDX-License-Identifier: Apache-2.0
// ls, info, dims, layers, get, diff, stat, dump, readers, metrics: what only reads.
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;

namespace {

/// A store with three generations retained, whose producer is alive or gone.
struct Market {
    TempStore store{"market"};
    std::optional<Producer> producer;
    Strata strata{store.base()};

    Market() {
        ProducerOptions options = store.producer_options();
        options.retain = 8;
        producer = Producer::create(store.name(), options);
        Batch batch = producer->batch();
        batch.add_dimension(1, "Emotion");
        batch.add_dimension(4, "Social");
        batch.put({1, 5}, "joy", {.frequency = 1.5, .keywords = {"emotion", "feeling"}});
        batch.put({1, 6}, std::string_view("a\0b\xff", 4),
                  {.frequency = 4, .keywords = {"emotion"}});
        batch.put(4, "greeting", "a handshake");
        batch.crystallize();  // generation 2
        batch.put({1, 5}, "great joy", {.frequency = 2.5, .keywords = {"emotion"}});
        batch.erase({1, 6});
        batch.put({7, 0xFFFFFFFFFFFFFFFF}, "the last number");
        batch.crystallize();  // generation 3
    }
};

}  // namespace

TEST_CASE("ls lists healthy and damaged stores, and an empty base") {
    const TempBase empty;
    const Strata in_empty(empty.path());
    CHECK(in_empty({"ls"}).code == 0);
    CHECK(in_empty.json({"ls"}) == json::array());
    const Strata nowhere(empty.path() / "missing");
    for (const char* command : {"ls", "gc", "metrics"}) {
        CAPTURE(command);
        const CommandResult missing = nowhere({command});
        CHECK(missing.code == 3);
        CHECK(contains(missing.err, (empty.path() / "missing").string()));
    }

    const Market market;
    std::filesystem::create_directory(market.store.base() / "ruin");
    std::ofstream(market.store.base() / "ruin" / "control.mmap") << "too short";
    std::filesystem::create_directory(market.store.base() / "something else");
    const CommandResult text = market.strata({"ls"});
    CHECK(text.code == 0);
    CHECK(contains(text.out, "market"));
    CHECK(contains(text.out, "truncated"));
    const json list = market.strata.json({"ls"});
    REQUIRE(list.size() == 2);
    CHECK(list[0]["store"] == "market");
    CHECK(list[0]["generation"] == 3);
    CHECK(list[0]["producer_pid"] == ::getpid());
    CHECK(list[1]["error"]["code"] == "truncated");
    CHECK(market.strata({"ls", "--names"}).out == "market\nruin\n");
}

TEST_CASE("info and dims, of a live and of a dead producer") {
    Market market;
    const json live = market.strata.json({"info", "market"});
    CHECK(live["producer_pid"] == ::getpid());
    CHECK(live["in_use"] == true);
    CHECK(live["oldest_retained"] == 1);
    CHECK(live["dimensions"] == 3);
    CHECK(live["layers"] == 3);
    CHECK(live["memory_limit"] == 64_MiB);
    CHECK(live["id"].get<std::string>().size() == 32);

    market.producer.reset();
    const json dead = market.strata.json({"info", "market"});
    CHECK(dead["producer_pid"].is_null());
    CHECK(dead["in_use"] == false);
    CHECK(dead["id"] == live["id"]);
    const CommandResult text = market.strata({"info", "market", "--bytes"});
    CHECK(contains(text.out, "memory limit    67108864\n"));
    CHECK(contains(text.out, "no process has the store open"));

    const json dims = market.strata.json({"dims", "market"});
    REQUIRE(dims.size() == 3);
    CHECK(dims[0]["name"] == "Emotion");
    CHECK(dims[1]["layers"] == 1);
    CHECK(dims[2]["dimension"] == 7);
    CHECK(market.strata({"dims", "market", "--names"}).out == "1\nEmotion\n4\nSocial\n7\nD7\n");
}

TEST_CASE("layers, all and by keyword and frequency") {
    const Market market;
    const json all = market.strata.json({"layers", "market"});
    REQUIRE(all.size() == 3);
    CHECK(all[0]["keywords"] == json::array({"emotion"}));
    CHECK(all[0]["frequency"] == 2.5);
    CHECK(all[1]["name"] == "greeting");
    CHECK(all[0]["layer"] == 5);
    CHECK(all[1]["layer"] == std::to_string(layer_number("greeting")));
    CHECK(all[2]["layer"] == "18446744073709551615");  // beyond 2^53: a string, digit for digit

    const auto count = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"layers", "market", "-g", "2"});
        return market.strata.json(more).size();
    };
    CHECK(count({}) == 3);
    CHECK(count({"Emotion"}) == 2);
    CHECK(count({"--keyword", "emotion"}) == 2);
    CHECK(count({"--keyword", "emotion", "-k", "feeling"}) == 1);
    CHECK(count({"--frequency", "1:2"}) == 1);
    CHECK(count({"--frequency", ":2"}) == 2);
    CHECK(count({"--frequency", "4"}) == 1);
    CHECK(count({"--frequency", "4.5:"}) == 0);
    CHECK(count({"--limit", "1"}) == 1);
    CHECK(market.strata({"layers", "market", "-f", "1:two"}).code == 2);
    CHECK(contains(market.strata({"layers", "market", "Social"}).out, "@greeting"));
}

TEST_CASE("get: bytes as they are, meta, JSON, and each error's exit code") {
    const Market market;
    CHECK(market.strata({"get", "market", "1", "5"}).out == "great joy");
    CHECK(market.strata({"get", "market", "1", "5", "-g", "2"}).out == "joy");
    CHECK(market.strata({"get", "market", "Emotion", "0x6", "-g", "2"}).out ==
          std::string("a\0b\xff", 4));
    CHECK(market.strata({"get", "market", "Social", "greeting"}).out == "a handshake");
    CHECK(market.strata({"get", "market", "Social", "@greeting"}).out == "a handshake");
    CHECK(market.strata.json({"get", "market", "1", "5"})["text"] == "great joy");
    CHECK(market.strata.json({"get", "market", "1", "6", "-g", "2"})["base64"] == "YQBi/w==");
    CHECK(market.strata.json({"get", "market", "1", "5", "--meta"}).contains("text") == false);
    CHECK(contains(market.strata({"get", "market", "1", "5", "--meta"}).out, "(matches)"));

    const CommandResult typed = market.strata({"get", "market", "Emotion", "0x10"});
    CHECK(contains(typed.err, "no layer 16 of dimension 1 (Emotion 0x10)"));
    CHECK(contains(market.strata({"get", "market", "Emotoin", "5"}).err,
                   "no dimension \"Emotoin\"; did you mean \"Emotion\"?"));
    CHECK(contains(market.strata({"get", "markte", "1", "5"}).err, "did you mean \"market\"?"));

    const auto failure = [&](std::vector<std::string> words) {
        words.emplace_back("--json");
        const CommandResult result = market.strata(words);
        CHECK(result.out.empty());
        return std::pair(result.code, json::parse(result.err)["error"]["code"].get<std::string>());
    };
    CHECK(failure({"get", "market", "1", "99"}) == std::pair(3, std::string("layer_not_found")));
    CHECK(failure({"get", "market", "9", "1"}) == std::pair(3, std::string("dimension_not_found")));
    CHECK(failure({"get", "nothing", "1", "1"}) == std::pair(3, std::string("store_not_found")));
    CHECK(failure({"get", "market", "1", "5", "-g", "77"}) ==
          std::pair(3, std::string("generation_not_retained")));
    CHECK(failure({"get", ".hidden", "1", "5"}) == std::pair(2, std::string("invalid_name")));
    const CommandResult line = market.strata({"get", "market", "1", "99"});
    CHECK(line.err.starts_with("strata: "));
    CHECK(line.err.find('\n') == line.err.size() - 1);
}

TEST_CASE("diff of retained generations") {
    const Market market;
    const json list = market.strata.json({"diff", "market", "2", "3"});
    REQUIRE(list.size() == 3);
    CHECK(list[0]["change"] == "updated");
    CHECK(list[0]["before"]["size_bytes"] == 3);
    CHECK(list[0]["after"]["size_bytes"] == 9);
    CHECK(list[1]["change"] == "removed");
    CHECK(list[2]["change"] == "added");
    CHECK(market.strata.json({"diff", "market", "0", "3"}).size() == 3);
    CHECK(market.strata.json({"diff", "market", "2", "3", "-d", "7"}).size() == 1);
    CHECK(contains(market.strata({"diff", "market", "2", "3"}).out,
                   "1 added, 1 updated, 1 removed\n"));
    CHECK(market.strata({"diff", "market", "2", "30"}).code == 3);
}

TEST_CASE("stat, dump and metrics") {
    const Market market;
    CHECK(contains(market.strata({"stat", "market"}).out, "market: generation 3"));
    const json totals = market.strata.json({"stat", "market", "--seconds", "0.05"});
    CHECK(totals["layers"] == 3);
    CHECK(totals["memory_limit"] == 64_MiB);
    CHECK(totals["generations_per_second"] == 0);
    REQUIRE(totals["pools"].size() == 5);
    CHECK(totals["pools"][0]["pool"] == "4 KiB");
    CHECK(totals["pools"][0]["used_blocks"] >= 3);
    CHECK(totals["pools"][3]["block_bytes"] == 256_KiB);
    CHECK(totals["pools"][3]["external_fragmentation"].is_number());
    CHECK(contains(market.strata({"stat", "market", "--pools"}).out, "256 KiB"));
    CHECK(totals["readers"] == 0);

    const json dump = market.strata({"dump", "market"}).json();
    CHECK(dump["generation"] == 3);
    CHECK(dump["dimension_list"].size() == 3);
    CHECK(dump["regions"].size() == 1);
    const std::string file = (market.store.base() / "state.json").string();
    CHECK(market.strata({"dump", "market", file}).out.empty());
    CHECK(json::parse(std::ifstream(file))["generation"] == 3);
    CHECK(market.strata({"dump", "market", "/nonexistent/state.json"}).code != 0);

    const std::string metrics = market.strata({"metrics"}).out;
    CHECK(contains(metrics,
                   "# TYPE strata_generation gauge\nstrata_generation{store=\"market\"} 3\n"));
    CHECK(contains(
        metrics, "strata_dimension_layers{store=\"market\",dimension=\"1\",name=\"Emotion\"} 1\n"));
    CHECK(contains(metrics, "strata_readable{store=\"market\"} 1\n"));
    CHECK(market.strata.json({"metrics", "market"})[0]["type"] == "gauge");
    CHECK(market.strata({"metrics", "nothing"}).code == 3);
}

TEST_CASE("readers: who, how old, and what is held back") {
    Market market;
    CHECK(market.strata.json({"readers", "market"})["readers"].empty());
    Consumer consumer = market.store.attach();
    std::optional<Snapshot> old(consumer.snapshot());
    Batch batch = market.producer->batch();
    for (int i = 0; i < 20; ++i) {
        batch.put({1, 5}, std::string(1000, 'x'));
        batch.crystallize();
    }
    market.producer->reclaim();
    const json list = market.strata.json({"readers", "market"});
    REQUIRE(list["readers"].size() == 1);
    const json& reader = list["readers"][0];
    CHECK(reader["pid"] == ::getpid());
    CHECK(reader["command"] != "?");
    CHECK(reader["older_generation"].is_boolean());
    CHECK(reader["epochs_behind"] > 0);
    const CommandResult text = market.strata({"readers", "market"});
    CHECK(contains(text.out, std::to_string(::getpid())));
    CHECK(contains(text.out, "1 reader at epoch"));
    old.reset();
}

TEST_CASE("help, version, usage errors and completion") {
    const TempBase base;
    const Strata strata(base.path());
    CHECK(strata({"--version"}).out == std::string("strata ") + "0.1.0\n");
    const std::string help = strata({"--help"}).out;
    CHECK(contains(help, "Exit codes:"));
    CHECK(strata({"help"}).out == help);
    CHECK(strata({"-V"}).out == "strata 0.1.0\n");
    CHECK(strata({"version"}).out == "strata 0.1.0\n");
    CHECK(strata.json({"version"})["version"] == "0.1.0");
    for (const char* command :
         {"ls",     "info",    "dims", "layers",     "get",  "create",  "rename", "put",
          "rm",     "watch",   "diff", "stat",       "dump", "readers", "verify", "gc",
          "doctor", "metrics", "top",  "completion", "man",  "help",    "version"}) {
        CAPTURE(command);
        const CommandResult result = strata({command, "--help"});
        CHECK(result.code == 0);
        CHECK(strata({"help", command}).out == result.out);
        CHECK(contains(result.out, "Examples:"));
        CHECK(contains(help, command));
    }
    CHECK(strata({}).code == 2);
    CHECK(strata({"fly"}).code == 2);
    CHECK(strata({"help", "fly"}).code == 2);
    CHECK(contains(strata({"help", "laers"}).err, "did you mean \"layers\"?"));
    CHECK(contains(strata({"laers", "market"}).err,
                   "there is no command \"laers\"; did you mean \"layers\"?"));
    CHECK(contains(
        strata({"layers", "market", "--key-word", "x"}).err,
        "there is no option \"--key-word\"; did you mean \"--keyword\"? (strata layers --help)"));
    CHECK(contains(strata({"file", "caat", "x"}).err, "did you mean \"cat\"?"));
    CHECK_FALSE(contains(strata({"zzzzzz"}).err, "did you mean"));
    CHECK(strata({"info"}).code == 2);
    CHECK(strata({"info", "a", "--wings"}).code == 2);
    const CommandResult script = strata({"completion", "bash"});
    CHECK(script.code == 0);
    const std::string test = script.out +
                             "COMP_WORDS=(strata get); COMP_CWORD=1; _strata\n"
                             "echo \"${COMPREPLY[@]}\"\n"
                             "COMP_WORDS=(strata gc --dr); COMP_CWORD=2; _strata\n"
                             "echo \"${COMPREPLY[@]}\"\n";
    CHECK(RunningCommand({"bash"}, test).finish().out == "get\n--dry-run\n");
    CHECK(strata({"completion", "tcsh"}).code == 2);
}

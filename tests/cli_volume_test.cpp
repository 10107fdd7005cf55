// SPDX-License-Identifier: Apache-2.0
// `strata volume`: what it says, its exit codes, and that nothing half-made stays.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_proto.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

struct Setting {
    TempStore store{"market"};
    Strata command{store.base()};
    fs::path volume = store.base() / "volume";

    CommandResult run(std::vector<std::string> words) const {
        words.insert(words.begin(), {"volume", "--volume", volume.string()});
        return command(words);
    }
    nlohmann::json json(std::vector<std::string> words) const {
        words.emplace_back("--json");
        return run(std::move(words)).json();
    }
};

}  // namespace

TEST_CASE("a volume is made, filled from a live store, and loaded into another one") {
    const Setting setting;
    CHECK(setting.json({"init"})["created"].size() == 21);
    CHECK(contains(setting.run({"init"}).out, "nothing was missing"));
    Producer producer = setting.store.create();
    Batch batch = producer.batch();
    batch.put({1, 5}, "joy", {.frequency = 1.5, .keywords = {"emotion"}});
    batch.put({4, 1}, payload_of(1, 2, 100'000));
    batch.crystallize();

    const auto out = setting.json({"export", "--store", "market"});
    CHECK(out["generation"] == 2);
    CHECK(out["layers"] == 2);
    CHECK(out["content_bytes"] == 100'003);
    CHECK(contains(setting.run({"import", "--store", "market"}).err, "producer"));

    CHECK(setting.run({"load", "D04", "--limit", "64MiB"}).code == 0);
    Consumer consumer = Consumer::attach(
        "consciousness", {.base_path = setting.volume / "live", .keep_idle_pin = false});
    CHECK(consumer.snapshot().get({4, 1}).text() == payload_of(1, 2, 100'000));
    CHECK(!consumer.snapshot().has_dimension(1));
    CHECK(setting.json({"import", "Emotion"})["generation"] == 3);
    CHECK(consumer.snapshot().get({1, 5}).keywords().at(0) == "emotion");
    CHECK(setting.run({"export"}).code == 0);  // of the volume's own store
}

TEST_CASE("what cannot be done has its exit code and says why") {
    const Setting setting;
    CHECK(setting.run({"export", "--store", "market"}).code == 3);  // no volume
    CHECK(setting.command({"volume", "init"}).code == 2);           // which?
    REQUIRE(setting.run({"init"}).code == 0);
    CHECK(setting.run({"export", "--store", "market"}).code == 3);  // no store
    CHECK(setting.run({"load"}).code == 2);
    CHECK(setting.run({"load", "Gloom"}).code == 2);
    CHECK(setting.run({"load", "D0x5g"}).code == 2);
    CHECK(setting.run({"load", "4294967296"}).code == 2);
    CHECK(setting.run({"load", "99"}).code == 3);
    CHECK(!contains(setting.run({"load", "99"}).err, "\n\n"));
    Producer producer = setting.store.create();
    publish(producer, {1, 1}, std::string(70'000, 'x'));
    const CommandResult large = setting.run({"export", "--store", "market", "--max-size", "64KiB"});
    CHECK(large.code == 6);
    CHECK(contains(large.err, "MMAP_MAX_SIZE"));
    REQUIRE(setting.run({"export", "--store", "market"}).code == 0);
    FileEditor(setting.volume / "consciousness" / "D01" / "region.mmap").write<char>(300, '#');
    const CommandResult damaged = setting.run({"load", "1"});
    CHECK(damaged.code == 4);
    CHECK(contains(damaged.err, "layer 1"));
    CHECK(contains(damaged.err, "D01/region.mmap"));
}

TEST_CASE("info tells of live stores, archives, backups and who is attached") {
    const Setting setting;
    CHECK(setting.run({"info"}).code == 3);  // no volume
    REQUIRE(setting.run({"init"}).code == 0);
    Producer producer = setting.store.create();
    publish(producer, {1, 5}, payload_of(1, 2, 5000));
    REQUIRE(setting.run({"export", "--store", "market"}).code == 0);
    REQUIRE(setting.run({"load", "1"}).code == 0);
    const std::string backups = (setting.store.base() / "backups").string();
    CHECK(setting.run({"info", "--backups", backups}).code == 3);
    REQUIRE(setting.run({"backup", backups, "--store", "market"}).code == 0);

    const auto out = setting.json({"info", "--store", "market", "--backups", backups});
    REQUIRE(out["stores"].size() == 2);
    CHECK(out["stores"][0]["store"] == "consciousness");
    CHECK(out["stores"][0]["producer_pid"].is_null());
    CHECK(out["stores"][0]["attached"].empty());
    const nlohmann::json& market = out["stores"][1];
    CHECK(market["producer_pid"] == ::getpid());
    REQUIRE(market["attached"].size() == 1);
    CHECK(market["attached"][0]["process"] == ::getpid());
    CHECK(market["attached"][0]["producer"] == true);
    CHECK(market["attached"][0]["page_faults"]["minor"] > 0);
    CHECK(market["dimensions"][0]["layers"] == 1);
    CHECK(market["files"][0]["name"] == "control.mmap");
    CHECK(market["files"][0]["resident_bytes"] > 0);
    REQUIRE(out["archives"].size() == 14);
    CHECK(out["archives"][0]["live_generation"] == 2);
    CHECK(out["archives"][1]["live_generation"].is_null());
    REQUIRE(out["backups"].size() == 1);
    CHECK(out["backups"][0]["generation"] == 2);

    std::ofstream(setting.volume / "consciousness" / "D02" / "index.json") << "{";
    const CommandResult text =
        setting.run({"info", "--store", "market", "--backups", backups, "--bytes"});
    CHECK(text.code == 0);
    for (const char* const part :
         {"store market: generation 2", "producer ", "D03", "Intention", "8448", "no JSON",
          "backup 1: market, generation 2", "page faults of this command: "}) {
        CAPTURE(std::string_view(part));
        CHECK(contains(text.out, part));
    }
}

TEST_CASE("access says what can be done, as whom, and fails if something cannot") {
    const Setting setting;
    REQUIRE(setting.run({"init"}).code == 0);
    const CommandResult all = setting.run({"access"});
    CHECK(all.code == 0);
    CHECK(contains(all.out, "tmpfs"));
    CHECK(contains(all.out, "24 of 24 can be done"));
    CHECK(setting.run({"access", "--as", "consumer"}).code == 0);
    CHECK(setting.run({"access", "--as", "king"}).code == 2);
    fs::remove_all(setting.volume / "temp");
    const CommandResult failed = setting.run({"access"});
    CHECK(failed.code == 3);
    CHECK(contains(failed.out, "23 of 24 can be done"));
    const auto json =
        nlohmann::json::parse(setting.run({"access", "--as", "producer", "--json"}).out);
    CHECK(json["ok"] == false);
    CHECK(json["places"][4]["found"] == false);
    CHECK(json["steps"].size() == 6);
    CHECK(json["steps"][4]["error"]["code"] == "file_not_found");
}

TEST_CASE("saved proto-dimensions are listed, crystallized and discarded") {
    const Setting setting;
    REQUIRE(setting.run({"init"}).code == 0);
    CHECK(setting.json({"proto"}).empty());
    {
        Producer producer = setting.store.create();
        producer.proto_dimension(5, "Dreams").put(1, "deep");
        producer.proto_dimension(6).put(1, "deeper");
        producer.proto_dimension(7).put(1, "deepest");
        save_proto_dimensions(producer, Volume::open({.base_path = setting.volume}));
    }
    const auto saved = setting.json({"proto"});
    REQUIRE(saved.size() == 3);
    CHECK(saved[0]["name"] == "Dreams");
    CHECK(saved[0]["content_bytes"] == 4);
    CHECK(contains(setting.run({"proto", "5"}).out, "Dreams"));
    CHECK(setting.run({"proto", "8"}).code == 3);
    CHECK(setting.run({"proto", "--discard", "--crystallize"}).code == 2);
    CHECK(setting.json({"proto", "5", "--crystallize", "--store", "market"})["generation"] == 2);
    CHECK(setting.store.attach().snapshot().get({5, 1}).text() == "deep");
    CHECK(setting.json({"proto"}).size() == 2);
    CHECK(setting.run({"proto", "5", "--crystallize", "--store", "market"}).code == 3);
    CHECK(contains(setting.run({"proto", "--discard", "6"}).out, "discarded 1"));
    CHECK(setting.json({"proto", "--crystallize"})["crystallized"].size() == 1);
    CHECK(setting.json({"proto"}).empty());
}

TEST_CASE("clean says what it removes") {
    const Setting setting;
    REQUIRE(setting.run({"init"}).code == 0);
    std::ofstream(setting.volume / "temp" / "scratch") << "12345";
    CHECK(contains(setting.run({"clean", "--dry-run"}).out, "would remove temp/scratch"));
    CHECK(fs::exists(setting.volume / "temp" / "scratch"));
    CHECK(setting.json({"clean"})["freed_bytes"] == 5);
    CHECK(!fs::exists(setting.volume / "temp" / "scratch"));
    CHECK(setting.run({"clean"}).out == "freed 0 B\n");
}

TEST_CASE("rollback publishes what is durable again, if it is told to") {
    const Setting setting;
    {
        Producer producer = setting.store.create();
        publish(producer, {1, 5}, "durable");
        CHECK(contains(setting.run({"rollback", "--store", "market", "--force"}).err, "producer"));
    }
    const auto never = setting.run({"rollback", "--store", "market", "--force"});
    CHECK(never.code != 0);
    CHECK(contains(never.err, "no generation of it is durable"));
    {
        ProducerOptions options = setting.store.producer_options();
        options.durability.policy = DurabilityPolicy::off;  // nothing but this
        Producer producer = Producer::open(setting.store.name(), options);
        producer.checkpoint();
        publish(producer, {1, 5}, "newer");
        publish(producer, {2, 1}, "new");
    }
    const auto unasked = setting.run({"rollback", "--store", "market"});  // without a terminal
    CHECK(unasked.code == 2);
    CHECK(contains(unasked.err, "--force"));
    CHECK(setting.store.attach().snapshot().get({1, 5}).text() == "newer");

    const auto report = setting.json({"rollback", "--store", "market", "--force"});
    CHECK(report["durable"] == 2);
    CHECK(report["abandoned"] == 4);
    CHECK(report["generation"] == 5);
    CHECK(report["put"] == 1);
    CHECK(report["dimensions"] == 2);
    CHECK(report["made_durable"] == true);
    const Snapshot snapshot = setting.store.attach().snapshot();
    CHECK(snapshot.generation() == 5);
    CHECK(snapshot.get({1, 5}).text() == "durable");
    CHECK_FALSE(snapshot.has_dimension(2));
    CHECK(contains(setting.run({"rollback", "--store", "market", "--force"}).out, "nothing to do"));
}

TEST_CASE("a backup goes through a pipe, and what was cut on the way is not taken") {
    const Setting setting;
    std::optional<Producer> producer(setting.store.create());
    publish(*producer, {1, 5}, "joy");
    publish(*producer, {4, 1}, payload_of(1, 2, 300'000));
    const fs::path base = setting.store.base();
    const auto shell = [&](const std::string& line) {
        return RunningCommand({"bash", "-o", "pipefail", "-c",
                               "cd '" + base.string() + "'; export TMPDIR=$PWD; " +
                                   "v() { '" STRATA_COMMAND "' --base . volume \"$@\"; }; " + line})
            .finish();
    };
    const CommandResult piped =
        shell("v backup --store market --output - | v receive received --json");
    CHECK(piped.code == 0);
    CHECK(contains(piped.err, "backup 1, generation 3, written: 2 layers, "));
    CHECK(std::ranges::count(piped.err, '\n') == 1);
    CHECK(piped.json()["layers"] == 2);
    const CommandResult told = shell("v --json backup --store market --output - > all");
    CHECK(told.code == 0);
    CHECK(nlohmann::json::parse(told.err)["layers"] == 2);
    publish(*producer, {1, 5}, "calm");
    CHECK(shell("v backup --store market --since received --output - | v receive received").code ==
          0);
    CHECK(contains(shell("v restore received --store second").out, "backup 2"));
    CHECK(Consumer::attach("second", {.base_path = base}).snapshot().get({1, 5}).text() == "calm");

    // The name says how it is compressed, and the dimensions may stand where the directory would.
    CHECK(contains(shell("v backup D01 --store market --output one.tar.zst").out, "1 layers, 4 B"));
    CHECK(contains(shell("head -c 4 one.tar.zst | od -An -tx1").out, "28 b5 2f fd"));
    CHECK(shell("v backup --store market --output - --format tar.gz > all").code == 0);
    CHECK(contains(shell("v backups - --verify < all").out, "no damage"));
    CHECK(shell("v restore all --store third").code == 0);
    CHECK(shell("head -c 5000 all | v restore - --store fourth").code == 4);
    CHECK(!fs::exists(base / "fourth"));
    CHECK(shell("v receive received < /dev/null").code == 4);

    const CommandResult gone = shell("v backup --store market --output - | true");
    CHECK(gone.code == 1);
    CHECK(contains(gone.err, "nobody reads it"));
    CHECK(shell("v backup").code == 2);
    CHECK(shell("v backup --store market --since received").code == 2);
    CHECK(shell("v backup --store market --full --output x").code == 2);
    CHECK(shell("v backup --store market --output x.tar --format zip").code == 2);
    CHECK(shell("ls -A | grep -e strata-new -e '^x'").out.empty());
}

TEST_CASE("a live store is backed up, listed, checked and restored") {
    const Setting setting;
    const std::string backups = (setting.store.base() / "backups").string();
    const std::vector<std::string> store = {"--store", "market"};
    const auto run = [&](std::vector<std::string> words) {
        words.insert(words.begin(), "volume");
        words.insert(words.end(), store.begin(), store.end());
        return setting.command(words);
    };
    CHECK(run({"backup", backups}).code == 3);  // no store
    CHECK(run({"backups", backups}).code == 3);
    CHECK(run({"backup"}).code == 2);
    std::optional<Producer> producer(setting.store.create());
    publish(*producer, {1, 5}, "joy");
    publish(*producer, {4, 1}, payload_of(1, 2, 10'000));
    CHECK(contains(run({"backup", backups}).out, "2 of 2 dimensions changed, 2 layers"));
    CHECK(contains(run({"backup", backups}).out, "nothing to do"));
    publish(*producer, {1, 5}, "calm");
    const nlohmann::json second = run({"backup", backups, "--json"}).json();
    CHECK(second["number"] == 2);
    CHECK(second["written"] == 1);
    CHECK(second["made"] == true);
    const nlohmann::json list = run({"backups", backups, "--json"}).json();
    REQUIRE(list.size() == 2);
    CHECK(list[1]["builds_on"] == nlohmann::json::array({1}));
    CHECK(contains(run({"backups", backups}).out, "market"));
    CHECK(run({"backups", backups, "--verify"}).code == 0);

    CHECK(run({"restore", backups}).code == 1);               // it is there
    CHECK(run({"restore", backups, "--replace"}).code == 7);  // and has a producer
    CHECK(run({"restore", backups, "--generation", "99"}).code == 3);
    CHECK(run({"restore", backups, "--number", "x"}).code == 2);
    producer.reset();
    CHECK(run({"restore", backups, "D01", "--number", "1"}).code == 0);  // into the live one
    CHECK(setting.store.attach().snapshot().get({1, 5}).text() == "joy");
    const nlohmann::json third = run({"restore", backups, "--replace", "--json"}).json();
    CHECK(third["number"] == 2);
    CHECK(third["layers"] == 2);
    CHECK(setting.store.attach().snapshot().get({1, 5}).text() == "calm");

    FileEditor(fs::path(backups) / "backup-00000001" / "D04" / "region.mmap").write<char>(300, '#');
    const CommandResult verified = run({"backups", backups, "--verify"});
    CHECK(verified.code == 4);
    CHECK(contains(verified.out, "backup-00000001/D04/region.mmap, dimension 4"));
    CHECK(run({"restore", backups, "--replace"}).code == 4);
    CHECK(setting.store.attach().snapshot().get({1, 5}).text() == "calm");
}

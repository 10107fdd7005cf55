// SPDX-License-Identifier: Apache-2.0
// put, rm, create, rename, bookmark, watch, get: what changes stores, and follows them.
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;
namespace fs = std::filesystem;

TEST_CASE("put and rm: producer for one batch, without changing the store's limit") {
    const TempStore store("notes");
    const Strata strata(store.base());
    CHECK(strata({"put", "notes", "1", "1", "--text", "x"}).code == 3);
    CHECK(strata({"put", "--create", "--limit", "4MiB", "notes", "1", "1"}, "from a pipe").code ==
          0);
    CHECK(strata.json({"info", "notes"})["memory_limit"] == 4_MiB);
    const fs::path file = store.base() / "content";
    std::ofstream(file) << "from a file";
    CHECK(strata({"put", "notes", "1", "joy", file.string(), "-f", "1.5", "-k", "a", "-k", "b c",
                  "--alignment", "4096"})
              .code == 0);
    CHECK(strata.json({"put", "notes", "7", "0x10", "-t", "seven"})["generation"] == 4);
    CHECK(strata.json({"info", "notes"})["memory_limit"] == 4_MiB);
    CHECK(strata({"get", "notes", "1", "1"}).out == "from a pipe");
    const json joy = strata.json({"get", "notes", "1", "joy"});
    CHECK(joy["text"] == "from a file");
    CHECK(joy["keywords"] == json::array({"a", "b c"}));
    CHECK(joy["frequency"] == 1.5);
    CHECK(strata({"get", "notes", "7", "16"}).out == "seven");

    CHECK(strata({"put", "notes", "Nowhere", "1", "-t", "x"}).code == 3);
    CHECK(strata({"put", "notes", "1", "1", file.string(), "-t", "x"}).code == 2);
    CHECK(strata({"put", "notes", "1", "1", "/nonexistent"}).code == 1);
    CHECK(strata({"put", "notes", "1", "2"}, std::string(5 << 20, 'x')).code == 6);

    CHECK(strata({"rm", "notes", "1", "99"}).code == 3);
    CHECK(strata({"rm", "notes", "1"}).code == 2);
    CHECK(strata({"rm", "notes", "1", "1", "joy"}).out == "removed 2 layers: generation 5\n");
    CHECK(strata({"rm", "notes", "7", "--dimension"}).code == 0);
    CHECK(strata({"get", "notes", "7", "16"}).code == 3);
    {
        const Producer other = store.open();
        const CommandResult busy = strata({"put", "notes", "1", "1", "-t", "x", "--json"});
        CHECK(busy.code == 7);
        CHECK(json::parse(busy.err)["error"]["code"] == "producer_active");
        CHECK(contains(busy.err, std::to_string(::getpid())));
        CHECK(strata({"rm", "notes", "1", "--dimension"}).code == 7);
    }
}

TEST_CASE("bookmark: sets, lists and removes names, and every command that reads takes them") {
    const TempStore store("notes");
    const Strata strata(store.base());
    REQUIRE(strata({"put", "--create", "notes", "1", "1", "-t", "draft"}).code == 0);
    CHECK(strata({"bookmark", "notes"}).code == 0);
    CHECK(strata.json({"bookmark", "notes"}) == json::array());
    CHECK(strata({"bookmark", "notes", "a b\n"}).out == "bookmark \"a b\\x0a\": generation 2\n");
    REQUIRE(strata({"put", "notes", "1", "1", "-t", "final"}).code == 0);
    REQUIRE(strata({"put", "notes", "new", "1", "--create", "-t", "x"}).code == 0);
    CHECK(strata.json({"bookmark", "notes", "second", "-g", "2"})["generation"] == 2);
    const json listed = strata.json({"bookmark", "notes"});
    REQUIRE(listed.size() == 2);
    CHECK(listed[1]["bookmark"] == "second");
    CHECK(listed[1]["generation"] == 2);
    const json info = strata.json({"info", "notes"});
    CHECK(info["bookmarks"] == listed);
    CHECK(find(info["files"], "name", "bookmarks")["kind"] == "bookmarks");
    CHECK(contains(strata({"info", "notes"}).out, "second (2)"));
    CHECK(strata({"bookmark", "notes", "a b\n", "--remove"}).code == 0);

    CHECK(strata({"get", "notes", "1", "1", "--bookmark", "second"}).out == "draft");
    CHECK(strata.json({"dims", "notes", "--bookmark", "second"}).size() == 1);
    CHECK(strata.json({"layers", "notes", "--bookmark", "second"}).size() == 1);
    CHECK(strata.json({"verify", "notes", "--bookmark", "second"})["generation"] == 2);
    CHECK(strata({"get", "notes", "1", "1"}).out == "final");

    CHECK(strata({"get", "notes", "1", "1", "--bookmark", "none"}).code == 3);
    CHECK(strata({"get", "notes", "1", "1", "--bookmark", "second", "-g", "2"}).code == 2);
    CHECK(strata({"bookmark", "notes", "none", "--remove"}).code == 3);
    CHECK(strata({"bookmark", "notes", "old", "-g", "3"}).code == 3);
    CHECK(strata({"bookmark", "notes", ""}).code == 2);
    CHECK(strata({"bookmark", "notes", std::string(64, 'n')}).code == 2);
    CHECK(strata({"bookmark", "notes", "--remove"}).code == 2);
    CHECK(strata({"bookmark", "nowhere"}).code == 3);
    for (int i = 1; i < 64; ++i) {
        REQUIRE(strata({"bookmark", "notes", std::to_string(i)}).code == 0);
    }
    const CommandResult full = strata({"bookmark", "notes", "one too many"});
    CHECK(full.code == 6);
    CHECK(contains(full.err, "strata bookmark STORE NAME --remove"));
    const Producer other = store.open();
    CHECK(strata({"bookmark", "notes", "x"}).code == 7);
    CHECK(strata({"bookmark", "notes"}).code == 0);
}

TEST_CASE("watch shows changes live, survives a replaced store, and ends when asked to") {
    const TempStore store("market");
    const Strata strata(store.base());
    std::optional<Producer> producer(store.create());
    publish(*producer, {1, 1}, "one");
    RunningCommand text(strata.words({"watch", "market", "--count", "2", "--from-start"}));
    RunningCommand lines(strata.words({"watch", "market", "--json", "--until-gone"}));
    RunningCommand one(strata.words({"watch", "market", "-d", "4", "-s", "60"}));
    RunningCommand patient(strata.words({"watch", "market", "--from-start"}));
    REQUIRE(text.await("added    1/1  3 B"));
    REQUIRE(patient.await("1/1"));
    // The others tell nothing before the first change: publish until each has shown one.
    for (std::uint64_t i = 2; !contains(lines.out(), "\n") || one.out().empty(); ++i) {
        REQUIRE(i < 6000);
        Batch batch = producer->batch();
        batch.put({1, i}, "more");
        batch.put({4, i}, "more");
        batch.crystallize();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const CommandResult ended = text.finish();
    CHECK(ended.code == 0);
    CHECK(contains(ended.out, "generation "));
    CHECK(!contains(one.out(), " 1/"));

    producer.reset();
    const CommandResult gone = lines.finish();
    CHECK(gone.code == 0);
    const json first = json::parse(gone.out.substr(0, gone.out.find('\n')));
    CHECK(first["change"] == "added");
    CHECK(first["after"]["size_bytes"] == 4);

    remove_store("market", store.base());
    producer.emplace(store.create());
    publish(*producer, {9, 9}, "of another store");
    CHECK(patient.await("added    9/9"));
    CHECK(contains(patient.err(), "removed or replaced"));
    CHECK(strata({"watch", "market", "--seconds", "0.05"}).code == 0);
    CHECK(strata({"watch", "nothing"}).code == 3);
}

TEST_CASE("put --create leaves nothing behind when it fails") {
    const TempBase base;
    const Strata strata(base.path());
    const std::string large(4 << 20, 'x');
    CHECK(strata({"put", "--create", "notes", "1", "1", "--limit", "1MiB"}, large).code == 6);
    CHECK(strata({"put", "--create", "notes", "1", "0xyz", "-t", "x"}).code == 2);
    CHECK(strata({"put", "--create", "notes", std::string(56, 'n'), "1", "-t", "x"}).code == 2);
    CHECK(strata({"put", "--create", "notes", "1", "1", "/nonexistent"}).code == 1);
    CHECK(fs::is_empty(base.path()));

    CHECK(strata({"put", "--create", "notes", "Recipes", "bread", "-t", "flour"}).code == 0);
    CHECK(strata({"get", "notes", "Recipes", "bread"}).out == "flour");
    CHECK(strata({"put", "--create", "notes", "1", "1", "--limit", "1MiB"}, large).code == 0);
    CHECK(strata({"put", "notes", "Nowhere", "1", "-t", "x"}).code == 3);
    // It was there: a put that fails takes nothing with it.
    CHECK(strata({"put", "--create", "notes", std::string(56, 'n'), "1", "-t", "x"}).code == 2);
    CHECK(strata({"get", "notes", "Recipes", "bread"}).out == "flour");
}

TEST_CASE("create: empty, with dimensions, or not at all; rename gives another name") {
    const TempBase base;
    const Strata strata(base.path());
    CHECK(strata({"create", "notes", "--limit", "8MiB", "--region-max", "64MiB", "--mode", "0640"})
              .code == 0);
    const json info = strata.json({"info", "notes"});
    CHECK(info["memory_limit"] == 8_MiB);
    CHECK(info["region_max_bytes"] == 64_MiB);
    CHECK(info["dimensions"] == 0);
    CHECK((fs::status(base.path() / "notes" / "control.mmap").permissions() & fs::perms::all) ==
          fs::perms(0640));
    const CommandResult again = strata({"create", "notes", "--json"});
    CHECK(again.code == 1);
    CHECK(json::parse(again.err)["error"]["code"] == "store_exists");

    CHECK(strata({"create", "shop", "-d", "7=Quotes", "-d", "Orders", "-d", "Emotion"}).code == 0);
    const json dims = strata.json({"dims", "shop"});
    REQUIRE(dims.size() == 3);
    CHECK(dims[0]["dimension"] == 1);
    CHECK(dims[0]["name"] == "Emotion");
    CHECK(dims[1]["name"] == "Quotes");
    CHECK(dims[2]["dimension"] == dimension_number("Orders"));
    CHECK(strata({"create", "wrong", "-d", "12"}).code == 2);
    CHECK(strata({"create", "wrong", "-d", std::string(56, 'n')}).code == 2);
    CHECK_FALSE(fs::exists(base.path() / "wrong"));
    CHECK(strata({"create", "all", "--core", "--region-max", "64MiB"}).code == 0);
    CHECK(strata.json({"dims", "all"}).size() == 14);

    CHECK(strata.json({"rename", "shop", "Quotes", "Prices"})["generation"] == 3);
    CHECK(strata.json({"dims", "shop"})[1]["name"] == "Prices");
    CHECK(strata({"rename", "shop", "Quotes", "Prices"}).code == 3);
    CHECK(strata({"rename", "shop", "Prices", "Orders"}).code == 1);  // the name is taken
    CHECK(strata({"rename", "shop", "7", std::string(56, 'n')}).code == 2);
}

TEST_CASE("get shows bytes in hexadecimal, and as the numbers that they are") {
    const TempStore store("market");
    const Strata strata(store.base());
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put({1, 1}, std::string_view("abcdefgh\0\x1b\xff\r\n.. 16", 17));
        batch.put_values({1, 2}, {1.5, -0.1, std::numeric_limits<double>::infinity()});
        batch.put_value({1, 3}, ~std::uint64_t{0});
        batch.put_values({1, 4}, {0.1F});
        batch.crystallize();
    }
    CHECK(strata({"get", "market", "1", "1", "--hex"}).out ==
          "00000000  61 62 63 64 65 66 67 68  00 1b ff 0d 0a 2e 2e 20  |abcdefgh....... |\n"
          "00000010  31                                                |1|\n"
          "00000011\n");
    CHECK(strata({"get", "market", "1", "2", "--as", "tag"}).out == "1.5\n-0.1\ninf\n");
    const json values = strata.json({"get", "market", "1", "2", "--as", "f64"});
    CHECK(values["values"] == json::array({1.5, -0.1, "inf"}));
    CHECK(values["type"] == "f64");
    CHECK(strata({"get", "market", "1", "3", "--as", "u64"}).out == "18446744073709551615\n");
    CHECK(strata.json({"get", "market", "1", "3", "--as", "tag"})["values"] ==
          json::array({"18446744073709551615"}));
    CHECK(strata({"get", "market", "1", "3", "--as", "i8"}).out ==
          "-1\n-1\n-1\n-1\n-1\n-1\n-1\n-1\n");
    CHECK(strata({"get", "market", "1", "4", "--as", "f32"}).out == "0.1\n");
    CHECK(strata({"get", "market", "1", "4", "--as", "f64"}).code == 1);  // 4 bytes
    CHECK(strata({"get", "market", "1", "1", "--as", "tag"}).code == 1);  // plain bytes
    CHECK(contains(strata({"get", "market", "1", "2", "--meta"}).out, ", f64[]\n"));
}

TEST_CASE("rm of a whole store needs --force without a terminal, and spares one in use") {
    const TempStore store("market");
    const Strata strata(store.base());
    {
        Producer producer = store.create();
        publish(producer, {1, 5}, "joy");
        CHECK(strata({"rm", "market", "--force"}).code == 7);
    }
    const CommandResult unasked = strata({"rm", "market"}, "y\n");  // a pipe is no terminal
    CHECK(unasked.code == 2);
    CHECK(contains(unasked.err, "--force"));
    CHECK(strata({"rm", "market", "", "--force"}).code == 2);  // "" is a slip, not the whole store
    CHECK(strata({"get", "market", "1", "5"}).out == "joy");
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    CHECK(held.get({1, 5}).text() == "joy");
    CHECK(contains(strata({"rm", "market", "--force"}).out, "1 layers in 1 dimensions"));
    CHECK_FALSE(fs::exists(store.path()));
    CHECK(held.get({1, 5}).text() == "joy");
    CHECK(strata({"rm", "market", "--force"}).code == 3);

    // One that cannot be read any more can still be removed.
    static_cast<void>(store.create());
    fs::resize_file(store.file("control.mmap"), 100);
    CHECK(strata.json({"rm", "market", "--force"})["removed"] == "market");
    CHECK_FALSE(fs::exists(store.path()));
}

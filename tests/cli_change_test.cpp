// SPDX-License-Identifier: Apache-2.0
// put, rm, watch, gc, doctor, verify: what changes stores, follows them or judges them.
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

json find(const json& list, const std::string& key, const std::string& value) {
    for (const json& item : list) {
        if (item[key] == value) return item;
    }
    return nullptr;
}

}  // namespace

TEST_CASE("put and rm: producer for one batch, without changing the store's limit") {
    const TempStore store("notes");
    const Strata strata(store.base());
    CHECK(strata({"put", "notes", "1", "1", "--text", "x"}).code == 3);
    CHECK(strata({"put", "--create", "--limit", "4MiB", "notes", "1", "1"}, "from a pipe").code ==
          0);
    CHECK(strata.json({"info", "notes"})["memory_limit"] == 4_MiB);
    const fs::path file = store.base() / "content";
    std::ofstream(file) << "from a file";
    CHECK(strata({"put", "notes", "Emotion", "joy", file.string(), "-f", "1.5", "-k", "a", "-k",
                  "b c", "--alignment", "4096"})
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

TEST_CASE("verify names file and layer of each failure") {
    const TempStore store("market");
    const Strata strata(store.base());
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put({1, 5}, "some content that will be damaged");
        batch.put({1, 6}, "more of it");
        batch.put({4, 1}, "sound");
        batch.crystallize();
        CHECK(strata({"verify", "market"}).code == 0);  // of a living producer
    }
    const CommandResult sound = strata({"verify", "market"});
    CHECK(sound.code == 0);
    CHECK(contains(sound.out, "2 dimensions, 3 layers"));
    CHECK(contains(sound.out, "no damage"));
    CHECK(sound.err.empty());  // no progress bar but on a terminal

    damage(store.file("region-1-1.mmap"), "some content");
    const CommandResult text = strata({"verify", "market"});
    CHECK(text.code == 4);
    CHECK(contains(text.out, "region-1-1.mmap at "));
    CHECK(contains(text.out, "dimension 1, layer 5: its checksum does not match"));
    const CommandResult result = strata({"verify", "market", "--json"});
    CHECK(result.code == 4);
    const json report = result.json();
    CHECK(report["ok"] == false);
    CHECK(report["failure_count"] == 1);
    CHECK(report["failures"][0]["layer"] == 5);
    CHECK(strata({"verify", "market", "4"}).code == 0);
    CHECK(strata({"verify", "market", "Social", "Emotion"}).code == 4);
    CHECK(strata({"verify", "market", "9"}).code == 3);
    CHECK(strata({"get", "market", "1", "5"}).code == 4);
    fs::resize_file(store.file("control.mmap"), 100);
    CHECK(strata({"verify", "market"}).code == 4);
}

TEST_CASE("gc removes only what nobody uses, and says why") {
    const TempStore used("used");
    const Strata strata(used.base());
    ProducerOptions options = used.producer_options();
    Producer producer = used.create();
    static_cast<void>(Producer::create("abandoned", options));
    static_cast<void>(Producer::create("watched", options));
    Consumer consumer = Consumer::attach("watched", used.consumer_options());  // holds no snapshot
    fs::create_directory(used.base() / ".half.new-1-2");
    std::ofstream(used.base() / ".half.new-1-2" / "producer.lock");
    std::ofstream(used.base() / "a file") << "of somebody";

    for (const bool dry : {true, false}) {
        CAPTURE(dry);
        const json list = strata.json(dry ? std::vector<std::string>{"gc", "--dry-run"}
                                          : std::vector<std::string>{"gc"});
        const char* const gone = dry ? "would remove" : "removed";
        CHECK(find(list, "name", "used")["action"] == "kept");
        CHECK(contains(find(list, "name", "used")["reason"].get<std::string>(), "alive"));
        CHECK(find(list, "name", "watched")["action"] == "kept");
        CHECK(contains(find(list, "name", "watched")["reason"].get<std::string>(), "open"));
        CHECK(find(list, "name", "abandoned")["action"] == gone);
        CHECK(find(list, "name", ".half.new-1-2")["action"] == gone);
        CHECK(fs::exists(used.base() / "abandoned") == dry);
        CHECK(fs::exists(used.base() / ".half.new-1-2") == dry);
        CHECK(fs::exists(used.base() / "a file"));
    }
    CHECK(contains(strata({"gc"}).out, "freed 0 B"));
    static_cast<void>(Producer::create("young", options));
    CHECK(find(strata.json({"gc", "young", "--older-than", "3600"}), "name", "young")["action"] ==
          "kept");
    std::ofstream(used.base() / "young" / "control.mmap", std::ios::trunc) << "ruined";
    CHECK(find(strata.json({"gc", "young"}), "name", "young")["action"] == "kept");
    CHECK(find(strata.json({"gc", "young", "--damaged"}), "name", "young")["action"] == "removed");
}

TEST_CASE("doctor: findings, advice and exit code") {
    const TempStore store("market");
    const Strata strata(store.base());
    const Producer producer = store.create();
    const fs::path root = store.base() / "root";
    const auto doctor = [&] {
        return strata({"doctor", "--json", "--system-root", root.string()});
    };
    const auto finding = [&](const std::string& check) {
        return find(doctor().json()["findings"], "check", check);
    };
    CHECK(doctor().code == 0);
    CHECK(finding("file system")["level"] == "ok");
    CHECK(finding("file system")["detail"] == "tmpfs");
    CHECK(finding("store market")["level"] == "ok");
    CHECK(finding("RemoveIPC")["level"] == "ok");
    CHECK(finding("leftover").is_null());

    fs::create_directories(root / "etc/systemd/logind.conf.d");
    std::ofstream(root / "etc/systemd/logind.conf") << "[Login]\n#RemoveIPC=no\n";
    CHECK(finding("RemoveIPC")["level"] == (::geteuid() < 1000 ? "note" : "warning"));
    std::ofstream(root / "etc/systemd/logind.conf.d/50.conf") << "[Login]\n RemoveIPC = no \n";
    CHECK(finding("RemoveIPC")["detail"] == "off");

    fs::create_directories(root / "proc/self");
    fs::create_directories(root / "sys/fs/cgroup/a");
    std::ofstream(root / "proc/self/cgroup") << "0::/a/b\n";
    std::ofstream(root / "sys/fs/cgroup/a/memory.max") << "1048576\n";
    CHECK(finding("control group")["detail"] == "memory limit 1 MiB");

    fs::create_directory(store.base() / ".half.new-1-2");
    CHECK(finding("leftover")["level"] == "warning");
    CHECK(doctor().code == 0);
    fs::permissions(store.path(), fs::perms::others_write, fs::perm_options::add);
    CHECK(finding("store market")["level"] == "problem");
    CHECK(doctor().code == 1);
    const CommandResult text = strata({"doctor"});
    CHECK(text.code == 1);
    CHECK(contains(text.out, "-> find out who did that"));
    CHECK(Strata("/proc").json({"doctor"})["healthy"].is_boolean());
}

TEST_CASE("no permission has an exit code of its own") {
    STRATA_SKIP_IF(::geteuid() == 0, "root may do everything");
    const TempStore store("market");
    static_cast<void>(store.create());
    fs::permissions(store.path(), fs::perms::none);
    CHECK(Strata(store.base())({"info", "market"}).code == 5);
    fs::permissions(store.path(), fs::perms::owner_all);
}

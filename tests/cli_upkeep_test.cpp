// SPDX-License-Identifier: Apache-2.0
// verify, gc, doctor: what judges stores and clears up after them.
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;
namespace fs = std::filesystem;

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

    damage(store.file("region-1.mmap"), "some content");
    const CommandResult text = strata({"verify", "market"});
    CHECK(text.code == 4);
    CHECK(contains(text.out, "region-1.mmap at "));
    CHECK(contains(text.out, "dimension 1, layer 5: its checksum does not match"));
    const CommandResult result = strata({"verify", "market", "--json"});
    CHECK(result.code == 4);
    const json report = result.json();
    CHECK(report["ok"] == false);
    CHECK(report["failure_count"] == 1);
    CHECK(report["failures"][0]["layer"] == 5);
    CHECK(strata({"verify", "market", "4"}).code == 0);
    CHECK(strata({"verify", "market", "D4", "D1"}).code == 4);
    CHECK(strata({"verify", "market", "9"}).code == 3);
    CHECK(strata({"get", "market", "1", "5"}).code == 4);
    fs::resize_file(store.file("control.mmap"), 100);
    CHECK(strata({"verify", "market"}).code == 4);
}

TEST_CASE("gc removes only what nobody uses, and idle stores only when asked to") {
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

    // A store outlives its producer: unasked, only what was half made goes.
    for (const bool dry : {true, false}) {
        CAPTURE(dry);
        const json list = strata.json(dry ? std::vector<std::string>{"gc", "--dry-run"}
                                          : std::vector<std::string>{"gc"});
        CHECK(find(list, "name", "used")["action"] == "kept");
        CHECK(contains(find(list, "name", "used")["reason"].get<std::string>(), "alive"));
        CHECK(find(list, "name", "watched")["action"] == "kept");
        CHECK(find(list, "name", "abandoned")["action"] == "kept");
        CHECK(contains(find(list, "name", "abandoned")["reason"].get<std::string>(), "--idle-for"));
        CHECK(find(list, "name", ".half.new-1-2")["action"] == (dry ? "would remove" : "removed"));
        CHECK(fs::exists(used.base() / ".half.new-1-2") == dry);
        CHECK(fs::exists(used.base() / "abandoned"));
    }
    CHECK(contains(strata({"gc"}).out, "freed 0 B"));
    CHECK(find(strata.json({"gc", "--idle-for", "1h"}), "name", "abandoned")["action"] == "kept");
    for (const bool dry : {true, false}) {
        CAPTURE(dry);
        std::vector<std::string> words{"gc", "--idle-for", "0s"};
        if (dry) words.emplace_back("--dry-run");
        const json list = strata.json(words);
        CHECK(find(list, "name", "used")["action"] == "kept");
        CHECK(find(list, "name", "watched")["action"] == "kept");
        CHECK(contains(find(list, "name", "watched")["reason"].get<std::string>(), "open"));
        CHECK(find(list, "name", "abandoned")["action"] == (dry ? "would remove" : "removed"));
        CHECK(fs::exists(used.base() / "abandoned") == dry);
        CHECK(fs::exists(used.base() / "a file"));
    }
    static_cast<void>(Producer::create("young", options));
    static_cast<void>(Producer::create("named", options));
    CHECK(find(strata.json({"gc", "young", "--idle-for", "3600"}), "name", "young")["action"] ==
          "kept");
    CHECK(find(strata.json({"gc", "named"}), "name", "named")["action"] == "removed");
    CHECK(fs::exists(used.base() / "young"));
    std::ofstream(used.base() / "young" / "control.mmap", std::ios::trunc) << "ruined";
    CHECK(find(strata.json({"gc", "young"}), "name", "young")["action"] == "kept");
    CHECK(find(strata.json({"gc", "young", "--damaged"}), "name", "young")["action"] == "removed");
    const CommandResult missing = strata({"gc", "young", "--json"});
    CHECK(missing.code == 3);
    CHECK(find(missing.json(), "name", "young")["action"] == "missing");
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

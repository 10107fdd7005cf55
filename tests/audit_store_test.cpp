// SPDX-License-Identifier: Apache-2.0
// What producers and volumes tell their audit log, and that nothing waits for it or fails with it.
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>
#include <strata/volume_backup.hpp>
#include <strata/volume_proto.hpp>
#include <strata/volume_transfer.hpp>
#include <strata/volume_verify.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// `operation: where, g generation, dimensions/layers/files, result` of each line; where: the last
/// component of the store's path, of the directory's.
std::vector<std::string> told(const fs::path& file) {
    std::vector<std::string> lines;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        const auto json = nlohmann::json::parse(line);
        const auto name = [&](const char* key) {
            return fs::path(json.value(key, "")).filename().string();
        };
        const auto number = [&](const char* key) { return std::to_string(json.value(key, 0)); };
        std::string told = json["operation"].get<std::string>() + ": " + name("store");
        if (json.contains("directory")) {
            told += " " + name("directory");
        }
        told += ", g" + number("generation") + ", " + number("dimensions") + "/" +
                number("layers") + "/" + number("files") + ", " + json["result"].get<std::string>();
        lines.push_back(std::move(told));
    }
    return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a producer tells what changes the store, and commits if that is asked for") {
    for (const bool commits : {false, true}) {
        CAPTURE(commits);
        const TempStore store{"market"};
        const fs::path file = store.base() / "audit.log";
        ProducerOptions options = store.producer_options();
        options.audit = std::make_shared<AuditLog>(AuditOptions{.path = file, .commits = commits});
        {
            Producer producer = Producer::create(store.name(), options);
            producer.add_dimension(1, {.name = "first"});
            publish(producer, {1, 1}, "x");
            Batch batch = producer.batch();
            batch.crystallize();  // empty: publishes nothing
            batch.put({1, 2}, "y");
            batch.put({1, 3}, "z");
            batch.crystallize();
            producer.move_dimension(1, {.own_region = true});
            producer.checkpoint();
            CHECK(code_of([&] { producer.move_dimension(9, {.own_region = true}); }) ==
                  "dimension_not_found");
            producer.set_memory_limit(65_MiB);
            CHECK(code_of([&] { producer.set_memory_limit(4096); }) == "limit_exceeded");
            CHECK(code_of([&] { (void)Producer::open(store.name(), options); }) ==
                  "producer_active");
            CHECK(producer.stats().audit_dropped == 0);
        }
        { const Producer again = Producer::open(store.name(), options); }
        { const Producer again = Producer::open_or_create(store.name(), options); }
        CHECK(code_of([&] { (void)Producer::create(store.name(), options); }) == "store_exists");
        options.audit.reset();
        Lines wanted = {"create: market, g1, 0/0/0, ok",
                        "commit: market, g2, 1/0/0, ok",
                        "move dimension: market, g5, 1/0/0, ok",
                        "move dimension: market, g0, 1/0/0, dimension_not_found",
                        "set memory limit: market, g5, 0/0/0, ok",
                        "set memory limit: market, g5, 0/0/0, limit_exceeded",
                        "open: market, g0, 0/0/0, producer_active",
                        "close: market, g5, 0/0/0, ok",
                        "open: market, g5, 0/0/0, ok",
                        "close: market, g5, 0/0/0, ok",
                        "open: market, g5, 0/0/0, ok",
                        "close: market, g5, 0/0/0, ok",
                        "create: market, g0, 0/0/0, store_exists"};
        if (commits) {
            wanted.insert(wanted.begin() + 2,
                          {"commit: market, g3, 0/1/0, ok", "commit: market, g4, 0/2/0, ok"});
            wanted.insert(wanted.begin() + 5, "checkpoint: market, g5, 0/0/0, ok");
        }
        CHECK(told(file) == wanted);
    }
}

TEST_CASE("a volume and the store that it is loaded into share a log") {
    const TempStore store{"market"};
    const fs::path file = store.base() / "audit.log";
    const auto log = std::make_shared<AuditLog>(AuditOptions{.path = file, .commits = true});
    const VolumeOptions options{.base_path = store.base() / "v", .audit = log};
    const Volume volume = Volume::init(options);
    Volume::init(options);  // nothing was missing
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "x");
        export_dimensions(store.attach().snapshot(), volume);
        producer.proto_dimension(5).put(1, "y");
        save_proto_dimensions(producer, volume);
        producer.proto_dimension(5).discard();
        load_proto_dimensions(producer, volume);
        remove_saved_proto_dimension(volume, 5);
    }
    {
        ProducerOptions mine = store.producer_options();
        mine.audit = log;
        Producer producer = Producer::open("market", mine);
        load_dimension(producer, volume, 1);
        CHECK(code_of([&] { load_dimension(producer, volume, 99); }) == "file_not_found");
    }
    const Volume other = Volume::init({.base_path = store.base() / "w", .audit = log});
    CHECK(salvage_volume(volume, other).ok());
    std::ofstream(volume.temp_path() / "scratch") << "x";
    static_cast<void>(volume.clean(true));
    static_cast<void>(volume.clean());
    log->flush();
    CHECK(told(file) == Lines{"init:  v, g0, 0/0/21, ok", "export:  v, g2, 1/1/0, ok",
                              "save proto: market v, g0, 1/1/0, ok",
                              "load proto: market v, g0, 1/1/0, ok",
                              "remove proto:  v, g0, 1/0/0, ok", "open: market, g2, 0/0/0, ok",
                              "commit: market, g3, 1/1/0, ok", "import: market v, g3, 1/1/0, ok",
                              "import: market v, g0, 1/0/0, file_not_found",
                              "close: market, g3, 0/0/0, ok", "init:  w, g0, 0/0/21, ok",
                              "salvage:  w, g0, 14/1/0, ok", "clean:  v, g0, 0/0/1, ok"});
}

TEST_CASE("backups and restores are told, also those that fail") {
    const TempStore store{"market"};
    const fs::path file = store.base() / "audit.log";
    const fs::path backups = store.base() / "backups";
    const auto log = std::make_shared<AuditLog>(AuditOptions{.path = file});
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    Consumer consumer = store.attach();
    backup_store(consumer, backups, {.audit = log});
    backup_store(consumer, backups, {.audit = log});  // nothing new: nothing is made
    restore_store(backups, "again", store.base(), {.audit = log});
    CHECK(code_of([&] { restore_store(backups, "again", store.base(), {.audit = log}); }) ==
          "store_exists");
    restore_dimensions(backups, producer, {.dimensions = {1}, .audit = log});
    CHECK(code_of([&] {
              restore_dimensions(backups, producer, {.dimensions = {7}, .audit = log});
          }) == "dimension_not_found");
    log->flush();
    CHECK(told(file) == Lines{"backup: market backups, g2, 1/1/0, ok",
                              "restore: again backups, g2, 1/1/0, ok",
                              "restore: again backups, g0, 0/0/0, store_exists",
                              "restore: market backups, g3, 1/1/0, ok",
                              "restore: market backups, g0, 1/0/0, dimension_not_found"});
}

TEST_CASE("with a full disk commits go on, and the log says later what it lacks") {
    const TempStore store{"market"};
    Child child = Child::start([&](Channel& channel) {
        const TempBase disk;
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", disk.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
            channel.send(0);
            return;
        }
        channel.send(1);
        ProducerOptions options = store.producer_options();
        options.audit = std::make_shared<AuditLog>(
            AuditOptions{.path = disk.path() / "audit.log", .commits = true});
        Producer producer = Producer::create(store.name(), options);
        {
            std::ofstream filler(disk.path() / "filler", std::ios::binary);
            const std::string block(4096, '#');
            while (filler.write(block.data(), 4096).flush()) {
            }
        }
        constexpr int commits = 500;
        for (int i = 0; i < commits; ++i) {
            publish(producer, {1, 1}, std::to_string(i));
        }
        options.audit->flush();
        const AuditStatistics before = options.audit->statistics();
        STRATA_REQUIRE(before.dropped > 0);
        STRATA_REQUIRE_EQ(before.last_errno, ENOSPC);
        STRATA_REQUIRE_EQ(before.written + before.dropped, commits + 1U);
        STRATA_REQUIRE_EQ(producer.stats().audit_dropped, before.dropped);
        STRATA_REQUIRE_EQ(producer.generation(), commits + 1U);
        fs::remove(disk.path() / "filler");
        publish(producer, {1, 1}, "last");
        options.audit->flush();
        STRATA_REQUIRE_EQ(options.audit->statistics().dropped, before.dropped);
        std::ifstream in(disk.path() / "audit.log");
        std::uint64_t lacking = 0;
        for (std::string line; std::getline(in, line);) {
            lacking += nlohmann::json::parse(line).value("entries", std::uint64_t{0});
        }
        STRATA_REQUIRE_EQ(lacking, before.dropped);
    });
    const std::uint64_t mounted = child.receive();
    CHECK(child.join() == "");
    STRATA_SKIP_IF(mounted == 0, "mount namespaces are not permitted here");
}

TEST_CASE("in a forked child a producer with a log ends as one without") {
    const TempStore store{"market"};
    ProducerOptions options = store.producer_options();
    options.audit =
        std::make_shared<AuditLog>(AuditOptions{.path = store.base() / "log", .commits = true});
    std::optional<Producer> producer(Producer::create(store.name(), options));
    Child child = Child::start([&](Channel&) {
        STRATA_REQUIRE_EQ(code_of([&] { publish(*producer, {1, 1}, "x"); }), "wrong_process");
        producer.reset();
        options.audit.reset();
    });
    CHECK(child.join() == "");
    publish(*producer, {1, 1}, "x");
    options.audit->flush();
    CHECK(told(store.base() / "log").size() == 2);
}

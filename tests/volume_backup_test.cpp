// SPDX-License-Identifier: Apache-2.0
// Backups of a live store and the way back: chains of increments, single dimensions, permissions.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/layer_block.hpp"
#include "tests/support/backup_setting.hpp"
#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

TEST_CASE("each generation that was backed up is restored as it was") {
    std::uint32_t retain = 0;
    SUBCASE("the producer retains the one before") { retain = 8; }
    SUBCASE("it does not: archives are compared") {}
    const BackupSetting setting;
    ProducerOptions options = setting.store.producer_options();
    options.retain = retain;
    Producer producer = Producer::create(setting.store.name(), options);
    fill_market(producer);
    std::map<Generation, std::string> was;
    const auto back_up = [&] {
        const BackupReport report = setting.back_up();
        CHECK(report.made);
        was[report.generation] = setting.now();
        return report;
    };
    const BackupReport first = back_up();
    CHECK(first.number == 1);
    CHECK(first.written == 5);
    CHECK(first.layers == 3 * layer_count + 2);

    publish(producer, {1, 7}, "changed");
    publish(producer, {1, 8}, "new");
    const BackupReport second = back_up();
    CHECK(second.dimensions == 5);
    CHECK(second.written == 1);  // only what changed
    CHECK(second.layers == 2);
    CHECK(second.content_bytes == 10);

    Batch batch = producer.batch();
    batch.erase({1, 7});
    batch.erase({1, 14});
    batch.put({2, 0}, "");  // other keywords
    batch.put({2, 7}, payload_of(2, 1, 97),
              {.frequency = 1.0 / 3, .keywords = {"k", "word"}});  // as it is
    batch.remove_dimension(77);
    batch.add_dimension(78, "Other");
    batch.crystallize();
    const BackupReport third = back_up();
    CHECK(third.removed == 2);
    CHECK(third.layers == 1);
    CHECK(third.written == 3);

    batch.remove_dimension(1);
    batch.crystallize();
    publish(producer, {1, 7}, "anew");
    CHECK(back_up().written == 1);
    CHECK(list_backups(setting.backups).size() == 4);
    CHECK(verify_backups(setting.backups).ok());

    for (const auto& backed_up : was) {  // (Clang 14 captures no structured binding.)
        const Generation generation = backed_up.first;
        CAPTURE(generation);
        CHECK(setting.restored({.generation = generation}) == backed_up.second);
    }
    CHECK(setting.restored({.number = 2}) == was.at(second.generation));
    CHECK(setting.restored({}) == was.rbegin()->second);
}

TEST_CASE("what is there already is not backed up again, and full backups stand alone") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    CHECK(setting.back_up().made);
    const BackupReport again = setting.back_up();
    CHECK(!again.made);
    CHECK(again.number == 1);
    publish(producer, {2, 1}, "x");
    const BackupReport full = setting.back_up({.full = true});
    CHECK(full.written == 5);
    CHECK(list_backups(setting.backups).at(1).builds_on.empty());
    publish(producer, {3, 1}, "y");
    CHECK(setting.back_up().written == 1);
    fs::remove_all(setting.backups / "backup-00000001");
    CHECK(setting.restored({.number = 3}) == setting.now());

    fs::remove_all(setting.backups / "backup-00000002");
    const auto error = error_of([&] { setting.restored({}); });
    REQUIRE(error);
    CHECK(error->code() == Errc::file_not_found);
    CHECK(contains(error->what(), "backup 3 builds on backup 2, which is not there"));
    const VolumeReport found = verify_backups(setting.backups);
    CHECK(found.failure_count == 5);  // every dimension's chain leads there
    CHECK(found.failures.at(0).dimension);
}

TEST_CASE("a small layer whose digest stays the same when it is changed is backed up") {
    // Of a small layer's checksum 24 bits are kept: among some thousand contents two agree.
    std::map<std::uint64_t, std::string> by_checksum;
    std::string one;
    std::string other;
    for (int i = 0; other.empty(); ++i) {
        const std::string content = "content " + std::to_string(i);
        const ipc::LayerContext context{.layer = 7, .dimension = 1};
        const ipc::LayerShape shape =
            context.shape(content.size(), ipc::LayerShape::least_alignment);
        std::vector<std::byte> block(shape.block_bytes());
        ipc::LayerDraft(block.data(), shape)
            .write(context, std::as_bytes(std::span(content)).data());
        const auto [at, is_new] =
            by_checksum.emplace(ipc::LayerBlock(block.data()).kept_checksum(), content);
        if (!is_new && at->second.size() == content.size()) {
            one = at->second;
            other = content;
        }
    }
    std::uint32_t retain = 0;
    SUBCASE("the producer retains the one before") { retain = 8; }
    SUBCASE("it does not: archives are compared") {}
    const BackupSetting setting;
    ProducerOptions options = setting.store.producer_options();
    options.retain = retain;
    Producer producer = Producer::create(setting.store.name(), options);
    publish(producer, {1, 1}, "beside it");
    publish(producer, {1, 7}, one);
    const std::uint64_t digest = setting.store.attach().snapshot().digest();
    setting.back_up();
    publish(producer, {1, 7}, other);
    REQUIRE(setting.store.attach().snapshot().digest() == digest);
    CHECK(setting.back_up().layers == 1);
    CHECK(setting.restored({}) == setting.now());
    publish(producer, {1, 7}, other);
    CHECK(setting.back_up().written == 0);  // nothing but a generation
    setting.back_up({.dimensions = {1}});
    publish(producer, {1, 7}, one);
    publish(producer, {2, 7}, one);
    setting.back_up({.dimensions = {2}});
    CHECK(setting.back_up({.dimensions = {1}}).layers == 1);
    CHECK(setting.restored({.dimensions = {1}}) != "");
    CHECK(verify_backups(setting.backups).ok());
}

TEST_CASE("verify_backups looks at the dimensions and at the backup that it is given") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    CHECK(setting.back_up().made);
    publish(producer, {1, 1}, "x");
    CHECK(setting.back_up().written == 1);
    damage(setting.file(1, "D02/region.mmap"), payload_of(2, 5, 5 * 97));
    const auto found = [&](std::vector<Dimension> dimensions, std::uint64_t number) {
        const VolumeReport report =
            verify_backups(setting.backups, {.dimensions = std::move(dimensions)}, number);
        return std::pair(report.dimensions, report.failure_count);
    };
    CHECK(found({}, 0) == std::pair<std::uint64_t, std::uint64_t>(6, 1));
    CHECK(found({2}, 1) == std::pair<std::uint64_t, std::uint64_t>(1, 1));
    CHECK(found({1, 3}, 0) == std::pair<std::uint64_t, std::uint64_t>(3, 0));
    CHECK(found({1}, 2) == std::pair<std::uint64_t, std::uint64_t>(1, 0));
    CHECK(found({4}, 0) == std::pair<std::uint64_t, std::uint64_t>(0, 0));
}

TEST_CASE("a dimension alone: backed up, and put back into a store in use") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    publish(producer, {1, 7}, "x");
    publish(producer, {2, 7}, "stays");
    const BackupReport one = setting.back_up({.dimensions = {1, 1}});
    CHECK(one.dimensions == 1);
    CHECK(one.layers == 1);
    CHECK(!list_backups(setting.backups).at(1).complete);
    CHECK(code_of([&] { setting.back_up({.dimensions = {4}}); }) == "dimension_not_found");
    const BackupReport rest = setting.back_up();  // past the incomplete one
    CHECK(rest.written == 1);
    CHECK(rest.layers == 1);
    CHECK(setting.restored({}) == setting.now());

    Consumer reader = setting.store.attach();
    const Snapshot before = reader.snapshot();
    const RestoreReport report =
        restore_dimensions(setting.backups, producer, {.number = 1, .dimensions = {1, 5000}});
    CHECK(report.generation == before.generation() + 1);
    CHECK(report.dimensions == 2);
    const Snapshot after = reader.snapshot();
    CHECK(after.get({1, 7}).text() == payload_of(1, 1, 97));
    CHECK(after.get({2, 7}).text() == "stays");
    CHECK(after.get(5000, "greeting").text() == "a handshake");
    CHECK(after.get({5000, 2}).as<double>() == 3.25);
    CHECK(before.get({1, 7}).text() == "x");
    CHECK(code_of([&] { restore_dimensions(setting.backups, producer, {.dimensions = {9}}); }) ==
          "dimension_not_found");
    CHECK(producer.generation() == report.generation);
}

TEST_CASE("what was closed to others is not put back where they can read it") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    Batch batch = producer.batch();
    batch.add_dimension(5, {.name = "closed", .access = FileAccess{.mode = 0600}});
    batch.put({5, 1}, "secret");
    batch.crystallize();
    setting.back_up();
    batch.remove_dimension(5);
    batch.crystallize();
    batch.put({5, 1}, "for everybody");
    batch.put({5, 2}, "for everybody");
    batch.crystallize();
    restore_dimensions(setting.backups, producer, {.dimensions = {5}});
    const Snapshot snapshot = setting.store.attach().snapshot();
    CHECK(snapshot.get({5, 1}).text() == "secret");
    CHECK(snapshot.layer_count() == 1);
    const std::string region = std::to_string(snapshot.dimensions().at(0).region);
    struct stat status {};
    REQUIRE(::stat(setting.store.file("region-" + region + ".mmap").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    restore_dimensions(setting.backups, producer, {.dimensions = {5}});
    CHECK(setting.store.attach().snapshot().dimensions().at(0).region ==
          snapshot.dimensions().at(0).region);
}

TEST_CASE("a dimension that is put back has nothing of what others put there meanwhile") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    fill_market(producer);
    setting.back_up();
    const std::string then = setting.now();
    std::uint64_t number = 1'000'000;
    const auto intrude = [&](const TransferProgress&) {  // before it is published
        publish(producer, {1, ++number}, "intruder");
        publish(producer, {2, 7}, "intruder");
    };
    const RestoreReport report =
        restore_dimensions(setting.backups, producer, {.dimensions = {1, 2}, .progress = intrude});
    CHECK(number > 1'000'000);
    CHECK(report.generation == producer.generation());
    CHECK(setting.now() == then);
    CHECK(setting.store.attach().snapshot().digest() == list_backups(setting.backups).at(0).digest);
}

TEST_CASE("a store is restored in place at once, and only when nobody produces") {
    const BackupSetting setting;
    std::optional<Producer> producer(setting.store.create());
    fill_market(*producer);
    setting.back_up();
    const std::string was = setting.now();
    publish(*producer, {1, 7}, "wrong");
    const auto restore = [&](bool replace) {
        restore_store(setting.backups, setting.store.name(), setting.store.base(),
                      {.replace = replace});
    };
    const std::string wrong = setting.now();
    const std::size_t names = entries(setting.store.base());
    CHECK(code_of([&] { restore(false); }) == "store_exists");
    CHECK(code_of([&] { restore(true); }) == "producer_active");
    producer.reset();
    std::ofstream(setting.store.file("mine")) << "x";
    CHECK(code_of([&] { restore(true); }) == "system");
    CHECK(setting.now() == wrong);
    CHECK(fs::remove(setting.store.file("mine")));
    CHECK(entries(setting.store.base()) == names);

    Consumer reader = setting.store.attach();
    const Snapshot snapshot = reader.snapshot();
    CHECK(snapshot.get({1, 7}).text() == "wrong");  // maps the region
    restore(true);
    CHECK(setting.now() == was);
    CHECK(reader.store_replaced());
    CHECK(reader.wait(snapshot.generation(), std::chrono::minutes(1)) ==
          WaitResult::store_replaced);
    CHECK(snapshot.get({1, 7}).text() == "wrong");
    CHECK(entries(setting.store.base()) == names);
    producer.emplace(setting.store.open());
    publish(*producer, {1, 7}, "goes on");
    // A new store: it cannot be mistaken for the one that was backed up.
    const auto error = error_of([&] { setting.back_up(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::invalid_argument);
    CHECK(contains(error->what(), "another store"));
    CHECK(setting.back_up({.full = true}).number == 2);
    CHECK(setting.back_up().made == false);
}

TEST_CASE("whoever could not read the store cannot read its backup") {
    const BackupSetting setting;
    ProducerOptions options = setting.store.producer_options();
    options.access.mode = 0600;
    Producer producer = Producer::create("market", options);
    fill_market(producer);
    setting.back_up();
    struct stat status {};
    REQUIRE(::stat(setting.backups.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    restore_store(setting.backups, "restored", setting.elsewhere);
    REQUIRE(::stat((setting.elsewhere / "restored" / "control.mmap").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("alignments, and sizes and access of single dimensions, are restored") {
    const BackupSetting setting;
    std::uint64_t digest = 0;
    {
        Producer producer = setting.store.create();
        Batch batch = producer.batch();
        batch.add_dimension(2, DimensionOptions{.name = "secret",
                                                .max_bytes = 1_MiB,
                                                .access = FileAccess{.mode = 0600, .group = {}}});
        batch.add_dimension(3, DimensionOptions{.own_region = true});
        for (const Dimension dimension : {1U, 2U, 3U}) {
            batch.put({dimension, 1}, "plain");
            batch.put({dimension, 2}, "a line", {.alignment = 256});
            batch.put({dimension, 3}, "a page", {.alignment = 4096});
        }
        batch.crystallize();
        digest = setting.store.attach().snapshot().digest();
        setting.back_up();
        publish(producer, {1, 1}, "changed");  // and nothing of what has a file of its own
        setting.back_up();
    }
    restore_store(setting.backups, "restored", setting.elsewhere, {.number = 1});
    CHECK(setting.attach("restored").snapshot().digest() == digest);  // it covers alignments
    restore_store(setting.backups, "restored", setting.elsewhere, {.replace = true});
    Consumer consumer = setting.attach("restored");
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.get({1, 1}).text() == "changed");
    for (const DimensionInfo& info : snapshot.dimensions()) {
        CAPTURE(info.dimension);
        CHECK(snapshot.get({info.dimension, 2}).alignment() >= 256);
        CHECK(snapshot.get({info.dimension, 3}).alignment() == 4096);
        const auto file =
            setting.elsewhere / "restored" / ("region-" + std::to_string(info.region) + ".mmap");
        const auto mode = fs::status(file).permissions() & fs::perms::mask;
        CHECK(static_cast<unsigned>(mode) == (info.dimension == 2 ? 0600U : 0644U));
    }
    CHECK(snapshot.dimensions()[1].region != snapshot.dimensions()[2].region);
    Producer producer = Producer::open("restored", {.base_path = setting.elsewhere});
    CHECK(code_of([&] {
              publish(producer, {2, 9}, std::string(1 << 20, 'x'));
          }) == "layer_too_large");
    CHECK(code_of([&] { publish(producer, {3, 9}, std::string(1 << 20, 'x')); }) == "no error");
}

TEST_CASE("backups of a store that is written all the time hold one generation each") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    const auto commit = [&](std::uint64_t round) {
        Batch batch = producer.batch();
        for (Dimension dimension = 1; dimension <= 4; ++dimension) {
            batch.put({dimension, round % 50}, std::to_string(round));
            batch.put({dimension, 50}, std::to_string(round));
        }
        batch.crystallize();
    };
    commit(0);
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (std::uint64_t round = 1; !done.load(); ++round) {
            commit(round);
        }
    });
    constexpr std::uint64_t backups = 6;
    for (std::uint64_t made = 0; made < backups; made += setting.back_up().made ? 1 : 0) {
    }
    done = true;
    writer.join();
    CHECK(verify_backups(setting.backups).ok());
    for (std::uint64_t number = 1; number <= backups; ++number) {
        restore_store(setting.backups, "restored", setting.elsewhere, {.number = number});
        const Snapshot snapshot = setting.attach("restored").snapshot();
        const std::string round(snapshot.get({1, 50}).text());
        for (Dimension dimension = 1; dimension <= 4; ++dimension) {
            CHECK(snapshot.get({dimension, 50}).text() == round);
            CHECK(snapshot.get({dimension, std::stoull(round) % 50}).text() == round);
        }
        remove_store("restored", setting.elsewhere);
    }
}

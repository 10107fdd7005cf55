// SPDX-License-Identifier: Apache-2.0
// Going back to the durable generation while the machine runs: what is published is what was
// durable, under a number that nothing had, and who reads is told nothing wrong.
#include "strata/rollback.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <utility>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

/// Everything that a reader can see of a snapshot, generations aside.
using Content = std::map<std::string, std::string>;

Content content_of(const Snapshot& snapshot) {
    Content content;
    for (const DimensionInfo& info : snapshot.dimensions()) {
        content["dimension " + std::to_string(info.dimension)] = info.name;
        for (const Layer& layer : snapshot.dimension(info.dimension)) {
            std::string what = std::string(layer.name()) + "|" + std::string(layer.text()) + "|" +
                               std::to_string(layer.frequency()) + "|" +
                               std::to_string(layer.type_tag());
            for (const std::string_view keyword : layer.keywords()) {
                what += "|" + std::string(keyword);
            }
            content[std::to_string(info.dimension) + "/" + std::to_string(layer.id().layer)] = what;
        }
    }
    return content;
}

/// A store whose generations after the checkpoint are as different from it as can be.
struct Setting {
    TempStore store;
    Generation durable = 0;
    Generation published = 0;
    Content wanted;
    std::uint64_t digest = 0;

    ProducerOptions options() const {
        ProducerOptions options = store.producer_options();
        options.durability.policy = DurabilityPolicy::off;
        return options;
    }

    /// The snapshot of what was durable, held by nobody afterwards.
    Setting() {
        Producer producer = Producer::create(store.name(), options());
        Batch batch = producer.batch();
        batch.add_dimension(1, "first");
        batch.add_dimension(2, {.name = "own", .own_region = true});
        batch.add_dimension(3, "third");
        for (std::uint64_t layer = 0; layer < 200; ++layer) {
            batch.put({1, layer * 3}, payload_of(1, layer, 100 + layer));
        }
        batch.put({2, 7}, std::string(100'000, 'b'), {.alignment = 4096});
        batch.put(3, "name", "named", {.frequency = 1.5, .keywords = {"one", "two"}});
        batch.crystallize();
        durable = producer.checkpoint();
        {
            const Snapshot snapshot = store.attach().snapshot();
            wanted = content_of(snapshot);
            digest = snapshot.digest();
        }
        for (std::uint64_t layer = 0; layer < 200; layer += 2) {
            batch.put({1, layer * 3}, "changed");
            batch.erase({1, layer * 3 + 3});
            batch.put({1, layer * 3 + 1}, "added");
        }
        batch.put({1, 1'000'000}, "added");
        batch.remove_dimension(2);
        batch.add_dimension(3, "renamed");
        batch.erase(3, "name");
        batch.put({9, 1}, "new");
        batch.crystallize();
        for (int i = 0; i < 20; ++i) {  // what is not pinned is used again
            publish(producer, {1, 0}, std::string(5000, static_cast<char>('a' + i)));
            producer.reclaim();
        }
        published = producer.generation();
    }
};

}  // namespace

TEST_CASE("what was durable is published again, as the next generation") {
    const Setting setting;
    Consumer consumer = setting.store.attach();
    const Snapshot abandoned = consumer.snapshot();
    const Content before = content_of(abandoned);
    REQUIRE(before != setting.wanted);
    const RollbackReport report = roll_back(setting.store.name(), setting.options());
    CHECK(report.durable == setting.durable);
    CHECK(report.abandoned == setting.published);
    CHECK(report.generation == setting.published + 1);
    CHECK(report.dimensions == 4);
    CHECK(report.put == 202);  // 200 in the first dimension, one each in the others
    CHECK(report.erased == 101);
    CHECK(report.made_durable);
    // Who holds what was abandoned keeps it; the same consumer finds both, whatever it has cached.
    CHECK(content_of(abandoned) == before);
    const Snapshot back = consumer.snapshot();
    CHECK(back.generation() == report.generation);
    CHECK(content_of(back) == setting.wanted);
    CHECK(back.digest() == setting.digest);  // alignments, too
    CHECK(back.get({2, 7}).alignment() >= 4096);
    for (int round = 0; round < 40; ++round) {  // often enough to be cached
        CHECK(back.get({1, 0}).text() == setting.wanted.at("1/0").substr(1, 100));
        CHECK(abandoned.get({1, 0}).text() == std::string(5000, 't'));
    }
    CHECK(changes(abandoned, back).size() == 202 + 101 + 1);
    CHECK(verify(back).ok());
    CHECK(consumer.durable_generation() == report.generation);
    CHECK(content_of(setting.store.attach().snapshot()) == setting.wanted);
    // The next producer goes on from there.
    Producer next = Producer::open(setting.store.name(), setting.options());
    CHECK(publish(next, {1, 5}, "x") == report.generation + 1);
}

TEST_CASE("nothing is published if there is nothing to change") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.durability.policy = DurabilityPolicy::off;
    Generation generation = 0;
    {
        Producer producer = Producer::create(store.name(), options);
        publish(producer, {1, 1}, "x");
        generation = producer.checkpoint();
    }
    const RollbackReport report = roll_back(store.name(), options);
    CHECK(report.generation == generation);
    CHECK(report.abandoned == generation);
    CHECK(report.durable == generation);
    CHECK(report.dimensions == 0);
    CHECK(report.made_durable);
}

TEST_CASE("no durable generation, a producer, no store: typed errors, and nothing is changed") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.durability.policy = DurabilityPolicy::off;
    CHECK(code_of([&] { roll_back(store.name(), options); }) == "store_not_found");
    Producer producer = Producer::create(store.name(), options);
    const Generation generation = publish(producer, {1, 1}, "x");
    CHECK(code_of([&] { roll_back(store.name(), options); }) == "producer_active");
    { const Producer gone = std::move(producer); }
    const auto none = error_of([&] { roll_back(store.name(), options); });
    REQUIRE(none);
    CHECK(none->code() == Errc::generation_not_retained);
    CHECK(none->path() == store.path().string());
    CHECK(store.attach().generation() == generation);
}

TEST_CASE("a damaged layer is not put back, and one that finds no room leaves all as it was") {
    const Setting setting;
    SUBCASE("damaged") {
        damage(setting.store.file("region-1.mmap"), payload_of(1, 2, 102).substr(0, 60));
        const auto error = error_of([&] { roll_back(setting.store.name(), setting.options()); });
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
        CHECK(error->detail().find("layer 6 of dimension 1") != std::string::npos);
    }
    SUBCASE("no room") {
        ProducerOptions tight = setting.options();
        const std::uint64_t used =
            inspect(setting.store.name(), setting.store.base()).committed_bytes;
        tight.memory_limit = used;
        const auto error = error_of([&] { roll_back(setting.store.name(), tight); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        // What was durable is so still: with room it can be gone back to.
        CHECK(roll_back(setting.store.name(), setting.options()).durable == setting.durable);
        CHECK(content_of(setting.store.attach().snapshot()) == setting.wanted);
        return;
    }
    CHECK(setting.store.attach().generation() == setting.published);
    CHECK(setting.store.attach().durable_generation() == setting.durable);
}

TEST_CASE("what was closed to others is not put back where they can read it") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.durability.policy = DurabilityPolicy::off;
    const auto mode_of = [&](const Snapshot& snapshot) {
        const std::string region = std::to_string(snapshot.dimensions().at(0).region);
        struct stat status {};
        REQUIRE(::stat(store.file("region-" + region + ".mmap").c_str(), &status) == 0);
        return status.st_mode & 0777U;
    };
    {
        Producer producer = Producer::create(store.name(), options);
        Batch batch = producer.batch();
        batch.add_dimension(1, {.name = "closed", .access = FileAccess{.mode = 0600}});
        batch.put({1, 1}, "secret");
        batch.put({1, 2}, "as it was");
        batch.crystallize();
        producer.checkpoint();
        SUBCASE("another dimension has its number") {
            batch.remove_dimension(1);
            batch.crystallize();
            batch.put({1, 1}, "for everybody");
            batch.crystallize();
        }
        SUBCASE("it was opened") {
            batch.put({1, 1}, "for everybody");
            batch.crystallize();
            producer.move_dimension(1, {.access = FileAccess{.mode = 0644}});
        }
        REQUIRE(mode_of(store.attach().snapshot()) == 0644);
    }
    const RollbackReport report = roll_back(store.name(), options);
    CHECK(report.dimensions == 1);
    const Snapshot back = store.attach().snapshot();
    CHECK(mode_of(back) == 0600);
    CHECK(back.dimensions().at(0).name == "closed");
    CHECK(back.get({1, 1}).text() == "secret");
    CHECK(back.layer_count() == 2);
    CHECK(verify(back).ok());
}

TEST_CASE("a call that is refused leaves all as it was, or what was durable is published") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    unsigned not_durable = 0;
    unsigned unchanged = 0;
    for (std::uint64_t n = 1;; ++n) {
        const Setting setting;
        RollbackReport report;
        std::optional<Error> thrown;
        {
            const FailingCallAnywhere failing(n, EIO);
            thrown = error_of([&] { report = roll_back(setting.store.name(), setting.options()); });
        }
        const std::string name = FailingCallAnywhere::name();
        CAPTURE(n);
        CAPTURE(name);
        Consumer consumer = setting.store.attach();
        if (!FailingCallAnywhere::happened()) {
            CHECK(!thrown);
            CHECK(report.made_durable);
            break;
        }
        if (thrown) {
            ++unchanged;
            CAPTURE(std::string(thrown->what()));
            CHECK(thrown->errno_value() == EIO);
            CHECK(thrown->path().starts_with(setting.store.base().string()));
            CHECK(consumer.generation() == setting.published);
            CHECK(consumer.durable_generation() == setting.durable);
            report = roll_back(setting.store.name(), setting.options());
            CHECK(report.made_durable);
        }
        CHECK(content_of(consumer.snapshot()) == setting.wanted);
        CHECK(report.durable == setting.durable);
        CHECK(consumer.generation() == report.generation);
        if (report.made_durable) {
            CHECK(consumer.durable_generation() == report.generation);
            continue;
        }
        // The slot stays where it was, which has the same content; and it is so for successors.
        ++not_durable;
        CHECK((name == "fsync" || name == "fdatasync" || name == "pwrite"));
        CHECK(code_of([&] { (void)consumer.durable_generation(); }) == "durability_lost");
        Producer next = Producer::open(setting.store.name(), setting.options());
        CHECK(next.durable_generation() == setting.durable);
        CHECK(code_of([&] { next.checkpoint(); }) == "durability_lost");
        CHECK(publish(next, {1, 5}, "x") == report.generation + 1);
    }
    CHECK(not_durable >= 3);  // a file, the directory, the slot
    CHECK(unchanged >= 10);
}

TEST_CASE("an audit log is told") {
    const Setting setting;
    const std::filesystem::path file = setting.store.base() / "audit.log";
    ProducerOptions options = setting.options();
    options.audit = std::make_shared<AuditLog>(AuditOptions{.path = file});
    const RollbackReport report = roll_back(setting.store.name(), options);
    options.audit->flush();
    std::ifstream in(file);
    std::string last;
    for (std::string line; std::getline(in, line);) {
        last = line;
    }
    const auto json = nlohmann::json::parse(last);
    CHECK(json["operation"] == "roll back");
    CHECK(json["generation"] == report.generation);
    CHECK(json["layers"] == report.put + report.erased);
}

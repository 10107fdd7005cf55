// SPDX-License-Identifier: Apache-2.0
// A producer's life: creating, opening, replacing and removing stores, and who may.
#include "strata/producer.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

}  // namespace

TEST_CASE("a new store is generation 1, empty, and can be attached at once") {
    const TempStore store("market");
    const Producer producer = store.create();
    CHECK(producer.name() == "market");
    CHECK(producer.path() == store.path());
    CHECK(producer.generation() == 1);
    CHECK(producer.memory_limit() == 64_MiB);
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.generation() == 1);
    CHECK(snapshot.layer_count() == 0);
    CHECK(snapshot.dimension_count() == 0);
    CHECK(snapshot.dimensions().empty());
    CHECK_FALSE(snapshot.find({1, 1}));
    CHECK(consumer.producer_pid() == ::getpid());
}

TEST_CASE("files get their documented modes whatever the umask, and nothing else is left behind") {
    const mode_t before = ::umask(0077);
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {3, 1}, "x");
    ::umask(before);
    CHECK(mode_of(store.path()) == 0755);
    CHECK(mode_of(store.file("control.mmap")) == 0644);
    CHECK(mode_of(store.file("producer.lock")) == 0600);
    CHECK(mode_of(store.file("region-1.mmap")) == 0644);
    CHECK(mode_of(store.file("life-1.lock")) == 0644);
    CHECK(names_in(store.path()).size() == 4);
    CHECK(names_in(store.base()) == std::vector<std::string>{"store"});
}

TEST_CASE("create refuses a store that exists and leaves it as it is") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "kept");
    }
    const auto error = error_of([&] { store.create(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::store_exists);
    CHECK(error->operation() == "create \"store\"");
    CHECK(error->path() == store.path());
    CHECK_FALSE(error->hint().empty());
    CHECK(store.attach().snapshot().get({1, 1}).text() == "kept");
    CHECK(names_in(store.base()).size() == 1);
}

TEST_CASE("create with replace gives an empty store under the same name") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "old");
    }
    Consumer old = store.attach();
    const Snapshot before = old.snapshot();
    REQUIRE(before.find({1, 1}));  // maps the region: its file is about to go
    ProducerOptions options = store.producer_options();
    options.replace = true;
    const Producer producer = Producer::create(store.name(), options);
    CHECK(producer.generation() == 1);
    CHECK(store.attach().snapshot().layer_count() == 0);
    CHECK(before.get({1, 1}).text() == "old");  // what is mapped lives on
    CHECK(old.store_replaced());
    CHECK(names_in(store.base()).size() == 1);
}

TEST_CASE("a producer whose store was removed by hand, or moved away, publishes no further") {
    for (const bool moved : {false, true}) {
        const TempStore store(TempStore::Regions::own);
        Producer producer = store.create();
        Consumer consumer = store.attach();
        publish(producer, {1, 1}, "found");
        REQUIRE(consumer.snapshot().find({1, 1}));
        if (moved) {
            std::filesystem::rename(store.path(), store.base() / "elsewhere");
        } else {
            std::filesystem::remove_all(store.path());
        }
        Batch batch = producer.batch();
        std::optional<Error> error;
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        Generation last = producer.generation();
        while (!error && std::chrono::steady_clock::now() < deadline) {
            batch.put({1, 1}, "lost");
            error = error_of([&] { last = batch.crystallize(); });
        }
        REQUIRE(error);
        CHECK(error->code() == Errc::store_replaced);
        CHECK(error->path() == store.path());
        CHECK(batch.size() == 1);
        CHECK(producer.generation() == last);
        CHECK(consumer.generation() == last);
        CHECK(consumer.store_replaced());
        CHECK(consumer.snapshot().find({1, 1}));
    }
}

TEST_CASE("replace does not take a store from a living producer") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "mine");
    ProducerOptions options = store.producer_options();
    options.replace = true;
    CHECK(code_of([&] { (void)Producer::create(store.name(), options); }) == "producer_active");
    CHECK(names_in(store.base()).size() == 1);
    CHECK(publish(producer, {1, 2}, "still mine") == 3);
    CHECK(store.attach().snapshot().layer_count() == 2);
}

TEST_CASE("a second producer in the same process is refused, and told the pid of the first") {
    const TempStore store(TempStore::Regions::own);
    const Producer first = store.create();
    const auto error = error_of([&] { store.open(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::producer_active);
    CHECK(error->path() == store.file("producer.lock"));
    CHECK(error->detail().find("process " + std::to_string(::getpid()) + " ") != std::string::npos);
    CHECK(code_of([&] {
              (void)Producer::open_or_create(store.name(), store.producer_options());
          }) == "producer_active");
}

TEST_CASE("open carries on where the last producer stopped") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "one");
        publish(producer, {2, 1}, "two");
    }
    Consumer consumer = store.attach();
    CHECK_FALSE(consumer.producer_alive());
    Producer producer = store.open();
    CHECK(consumer.producer_alive());
    CHECK(producer.generation() == 3);
    CHECK(producer.stats().layers == 2);
    CHECK(producer.stats().dimensions == 2);
    CHECK(publish(producer, {1, 2}, "three") == 4);
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.generation() == 4);
    CHECK(snapshot.get({1, 1}).text() == "one");
    CHECK(snapshot.get({1, 2}).text() == "three");
    CHECK(snapshot.get({2, 1}).text() == "two");
}

TEST_CASE("open of a store that is not there says so") {
    const TempStore store(TempStore::Regions::own);
    const auto error = error_of([&] { store.open(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::store_not_found);
    CHECK(error->path() == store.path());
    CHECK(names_in(store.base()).empty());
}

TEST_CASE("open_or_create does whichever is possible") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = Producer::open_or_create(store.name(), store.producer_options());
        CHECK(publish(producer, {1, 1}, "x") == 2);
    }
    const Producer producer = Producer::open_or_create(store.name(), store.producer_options());
    CHECK(producer.generation() == 2);
}

TEST_CASE("a missing base directory is made, with its parents") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.base_path = store.base() / "a" / "b";
    const Producer producer = Producer::create("deep", options);
    CHECK(std::filesystem::exists(store.base() / "a" / "b" / "deep" / "control.mmap"));
}

TEST_CASE("options that can never work are refused before anything is made") {
    const TempStore store(TempStore::Regions::own);
    const auto refused = [&](auto change) {
        ProducerOptions options = store.producer_options();
        change(options);
        return code_of([&] { (void)Producer::create(store.name(), options); });
    };
    CHECK(refused([](auto& o) { o.region_max_bytes = 1_MiB + 1; }) == "invalid_argument");
    CHECK(refused([](auto& o) { o.region_max_bytes = 0; }) == "invalid_argument");
    CHECK(refused([](auto& o) { o.region_max_bytes = max_region_bytes + 4096; }) ==
          "invalid_argument");
    CHECK(refused([](auto& o) { o.memory_limit = 0; }) == "invalid_argument");
    CHECK(refused([](auto& o) { o.retain_for = std::chrono::nanoseconds(-1); }) ==
          "invalid_argument");
    CHECK(names_in(store.base()).empty());
}

TEST_CASE("a removed store is gone, but not while a producer holds it") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "x");
        CHECK(code_of([&] { remove_store(store.name(), store.base()); }) == "producer_active");
        CHECK(publish(producer, {1, 1}, "y") == 3);
    }
    remove_store(store.name(), store.base());
    CHECK(names_in(store.base()).empty());
    CHECK(code_of([&] { remove_store(store.name(), store.base()); }) == "store_not_found");
    CHECK(code_of([&] { store.attach(); }) == "store_not_found");
}

TEST_CASE("remove_store refuses if there are files that are not the store's") {
    const TempStore store(TempStore::Regions::own);
    { const Producer producer = store.create(); }
    const std::filesystem::path foreign = store.file("notes.txt");
    REQUIRE(::symlink("/nonexistent", foreign.c_str()) == 0);
    const auto error = error_of([&] { remove_store(store.name(), store.base()); });
    REQUIRE(error);
    CHECK(error->path() == store.path());
    CHECK_FALSE(error->hint().empty());
    CHECK(std::filesystem::is_symlink(foreign));
    CHECK(store.open().generation() == 1);  // nothing was removed
}

TEST_CASE("what creators that died left under hidden names is swept by the next one") {
    const TempStore store(TempStore::Regions::own);
    const auto staged = store.base() / ".store.new-1-2";
    {
        ProducerOptions options = store.producer_options();
        const Producer dead = Producer::create("dead", options);
    }
    std::filesystem::rename(store.base() / "dead", staged);
    // One that was being removed: its lock goes first, its control file last.
    const auto halved = store.base() / ".store.new-3-4";
    std::filesystem::copy(staged, halved);
    REQUIRE(std::filesystem::remove(halved / "producer.lock"));
    const Producer producer = store.create();
    CHECK(names_in(store.base()) == std::vector<std::string>{"store"});
}

TEST_CASE("a moved producer goes on, and its batches with it") {
    const TempStore store(TempStore::Regions::own);
    Producer first = store.create();
    Batch batch = first.batch();
    batch.put({1, 1}, "before the move");
    const Producer second = std::move(first);
    CHECK(batch.crystallize() == 2);
    CHECK(second.generation() == 2);
    Batch moved = std::move(batch);
    moved.put({1, 2}, "after it");
    CHECK(moved.crystallize() == 3);
}

TEST_CASE("readers() lists who holds a snapshot, and nobody when it is dropped") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    CHECK(readers(store.name(), store.base()).empty());
    {
        const Snapshot snapshot = consumer.snapshot();
        const auto found = readers(store.name(), store.base());
        REQUIRE(found.size() == 1);
        CHECK(found[0].pid == ::getpid());
        CHECK(found[0].epoch == producer.stats().epoch);
    }
    CHECK(readers(store.name(), store.base()).empty());
}

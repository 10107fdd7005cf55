// SPDX-License-Identifier: Apache-2.0
// Retained generations: readable until they are evicted, then refused and their memory reused.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

Producer create_retaining(const TempStore& store, std::uint32_t retain) {
    ProducerOptions options = store.producer_options();
    options.retain = retain;
    return Producer::create(store.name(), options);
}

// Every generation g from 2 on holds layer {1, 1} = payload_of(1, g), and {2, g}.
void publish_generations(Producer& producer, Generation last) {
    for (Generation g = producer.generation() + 1; g <= last; ++g) {
        Batch batch = producer.batch();
        batch.put({1, 1}, payload_of(1, g, 600));
        batch.put({2, g}, "mark");
        REQUIRE(batch.crystallize() == g);
    }
}

void check_generation(const Snapshot& snapshot, Generation g) {
    CHECK(snapshot.generation() == g);
    CHECK(snapshot.get({1, 1}).text() == payload_of(1, g, 600));
    CHECK(snapshot.layer_count() == g);
    CHECK(snapshot.find({2, g}));
    CHECK_FALSE(snapshot.find({2, g + 1}));
}

}  // namespace

TEST_CASE("without retain only the newest generation can be asked for") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish_generations(producer, 5);
    Consumer consumer = store.attach();
    CHECK(consumer.retained() == std::pair<Generation, Generation>(5, 5));
    CHECK(consumer.snapshot(5).generation() == 5);
    for (const Generation g : {Generation{0}, Generation{1}, Generation{4}, Generation{6},
                               Generation{5 + 256}, ~Generation{0}}) {
        CHECK(code_of([&] { (void)consumer.snapshot(g); }) == "generation_not_retained");
    }
}

TEST_CASE("the last N generations stay readable; older ones are evicted") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_retaining(store, 3);
    Consumer consumer = store.attach();
    CHECK(consumer.retained() == std::pair<Generation, Generation>(1, 1));
    for (Generation last = 2; last <= 12; ++last) {
        publish_generations(producer, last);
        const Generation oldest = last > 3 ? last - 3 : 1;
        CHECK(consumer.retained() == std::pair<Generation, Generation>(oldest, last));
        for (Generation g = std::max<Generation>(oldest, 2); g <= last; ++g) {
            check_generation(consumer.snapshot(g), g);
        }
        for (Generation g = 0; g < oldest; ++g) {
            CHECK(code_of([&] { (void)consumer.snapshot(g); }) == "generation_not_retained");
        }
    }
    const auto error = error_of([&] { (void)consumer.snapshot(2); });
    REQUIRE(error);
    CHECK(error->path() == store.file("control.mmap"));
    CHECK_FALSE(error->hint().empty());
}

TEST_CASE("a snapshot of a retained generation outlives its eviction") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_retaining(store, 2);
    Consumer consumer = store.attach();
    publish_generations(producer, 5);
    const Snapshot held = consumer.snapshot(4);
    publish_generations(producer, 60);
    producer.reclaim();
    check_generation(held, 4);
    const auto differences = changes(held, consumer.snapshot(59));
    REQUIRE(differences.size() == 56);
    CHECK(differences[0].before.text() == payload_of(1, 4, 600));
    CHECK(differences[0].after.text() == payload_of(1, 59, 600));
}

TEST_CASE("254 generations can be retained, each whole, and memory does not grow beyond them") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_retaining(store, 254);
    Consumer consumer = store.attach();
    publish_generations(producer, 600);
    CHECK(consumer.retained() == std::pair<Generation, Generation>(346, 600));
    for (Generation g = 346; g <= 600; ++g) {
        check_generation(consumer.snapshot(g), g);
    }
    CHECK(code_of([&] { (void)consumer.snapshot(345); }) == "generation_not_retained");
    CHECK(code_of([&] { (void)consumer.snapshot(601); }) == "generation_not_retained");
    // Both dimensions' histories: at most a few kB of nodes and payload per generation.
    CHECK(producer.stats().limbo_bytes < 254 * 8000);
}

TEST_CASE("history starts anew with each producer") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = create_retaining(store, 10);
        publish_generations(producer, 8);
    }
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot(5).generation() == 5);  // nobody has touched the ring yet
    CHECK(consumer.retained() == std::pair<Generation, Generation>(1, 8));
    ProducerOptions options = store.producer_options();
    options.retain = 10;
    Producer producer = Producer::open(store.name(), options);
    CHECK(code_of([&] { (void)consumer.snapshot(5); }) == "generation_not_retained");
    CHECK(consumer.snapshot(8).generation() == 8);
    // Although the newest root is still the former producer's.
    CHECK(consumer.retained() == std::pair<Generation, Generation>(8, 8));
    publish_generations(producer, 10);
    CHECK(consumer.retained() == std::pair<Generation, Generation>(8, 10));
    for (Generation g = 8; g <= 10; ++g) {
        check_generation(consumer.snapshot(g), g);
    }
    CHECK(code_of([&] { (void)consumer.snapshot(7); }) == "generation_not_retained");
}

TEST_CASE("a dimension that was removed can be read in the generations that still have it") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_retaining(store, 2);
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    publish(producer, {7, 1}, "still here");  // generation 2
    Batch batch = producer.batch();
    batch.remove_dimension(7);
    batch.crystallize();  // 3
    producer.reclaim();
    CHECK(consumer.snapshot(2).get({7, 1}).text() == "still here");
    CHECK_FALSE(consumer.snapshot().has_dimension(7));
    publish(producer, {1, 1}, "4");
    publish(producer, {1, 1}, "5");
    producer.reclaim();
    CHECK(code_of([&] { (void)consumer.snapshot(2); }) == "generation_not_retained");
    CHECK(store.region_files() == 1);
}

TEST_CASE("thousands of generations can be retained: all are found, one by one and in any order") {
    const TempStore store(TempStore::Regions::own);
    constexpr Generation last = 3000;
    Producer producer = create_retaining(store, 2000);
    Consumer consumer = store.attach();
    publish_generations(producer, last);
    CHECK(consumer.retained() == std::pair<Generation, Generation>(last - 2000, last));
    for (Generation g = last - 2000; g < last; g += 97) {
        check_generation(consumer.snapshot(g), g);
    }
    for (const Generation g : {last - 2000, last - 257, last - 256, last - 255, last - 254}) {
        check_generation(consumer.snapshot(g), g);
    }
    for (const Generation g : {Generation{1}, last - 2256, last - 2001, last + 1, last + 256}) {
        CHECK(code_of([&] { (void)consumer.snapshot(g); }) == "generation_not_retained");
    }
    // They end with the producer: nobody is led from its last root to what is free now.
    producer = Producer::open_or_create("another", store.producer_options());
    ProducerOptions options = store.producer_options();
    options.retain = 2000;
    producer = Producer::open(store.name(), options);
    for (const Generation g : {last - 1000, last - 255, last - 1}) {
        CHECK(code_of([&] { (void)consumer.snapshot(g); }) == "generation_not_retained");
    }
    publish_generations(producer, last + 300);
    for (const Generation g : {last - 1, last - 1000}) {
        CHECK(code_of([&] { (void)consumer.snapshot(g); }) == "generation_not_retained");
    }
    CHECK(consumer.retained().first == last);
    check_generation(consumer.snapshot(last), last);
    check_generation(consumer.snapshot(last + 1), last + 1);
}

TEST_CASE("generations are retained for a time, and evicted by later commits") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.retain_for = std::chrono::hours(1);
    Consumer consumer = [&] {
        Producer producer = Producer::create(store.name(), options);
        Consumer attached = store.attach();
        publish_generations(producer, 400);
        CHECK(attached.retained() == std::pair<Generation, Generation>(1, 400));
        check_generation(attached.snapshot(2), 2);
        return attached;
    }();
    options.retain_for = std::chrono::nanoseconds(1);  // all is older than that, at once
    options.retain = 3;
    Producer producer = Producer::open(store.name(), options);
    publish_generations(producer, 410);
    CHECK(consumer.retained() == std::pair<Generation, Generation>(407, 410));
    check_generation(consumer.snapshot(407), 407);
    CHECK(code_of([&] { (void)consumer.snapshot(406); }) == "generation_not_retained");
}

TEST_CASE("what is retained takes as many bytes as it may, and the oldest give way first") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.retain_for = std::chrono::hours(1);
    options.retain_bytes = 300'000;
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer = store.attach();
    publish_generations(producer, 900);
    const Generation oldest = consumer.retained().first;
    CHECK(consumer.retained().second == 900);
    CHECK(oldest > 300);
    CHECK(oldest < 890);
    check_generation(consumer.snapshot(oldest), oldest);
    CHECK(code_of([&] { (void)consumer.snapshot(oldest - 1); }) == "generation_not_retained");
    const std::uint64_t kept = statistics(producer).history_bytes;
    CHECK(kept > 250'000);
    CHECK(kept < 300'000 + 10'000);  // and what the last commit superseded
    // A large one that is superseded drives many small ones out, 64 with each commit.
    publish(producer, {3, 1}, std::string(290'000, 'x'));
    publish(producer, {3, 1}, "small");
    Generation before = consumer.retained().first;
    for (int commits = 0; commits < 40; ++commits) {
        publish(producer, {3, 2}, "again");
        const Generation first = consumer.retained().first;
        CHECK(first - before <= 64);
        before = first;
    }
    CHECK(statistics(producer).history_bytes < 300'000 + 10'000);
    CHECK(consumer.snapshot(consumer.retained().first).generation() == before);
}

TEST_CASE("what was current at a time is found, as far as it is retained") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_retaining(store, 500);
    Consumer consumer = store.attach();
    publish_generations(producer, 700);
    const auto published = [&](Generation g) { return consumer.snapshot(g).published_at(); };
    const auto tick = std::chrono::system_clock::duration(1);
    for (const Generation g :
         {Generation{200}, Generation{300}, Generation{446}, Generation{650}, Generation{700}}) {
        const Snapshot then = consumer.snapshot_at(published(g));
        CHECK(then.generation() >= g);  // a later one of the same instant, if there is one
        CHECK(then.published_at() == published(g));
        const Snapshot next = consumer.snapshot_at(published(g) + tick);
        CHECK(next.generation() >= then.generation());
    }
    CHECK(consumer.snapshot_at(std::chrono::system_clock::now()).generation() == 700);
    const Snapshot earlier = consumer.snapshot_at(published(450) - tick);
    CHECK(earlier.generation() < 450);
    CHECK(earlier.published_at() < published(450));
    check_generation(earlier, earlier.generation());
    const auto error = error_of([&] { (void)consumer.snapshot_at(published(200) - tick); });
    REQUIRE(error);
    CHECK(error->code() == Errc::generation_not_retained);
    CHECK(std::string(error->what()).find("retain_for") != std::string::npos);
    using Time = std::chrono::system_clock::time_point;
    CHECK(consumer.snapshot_at(Time::max()).generation() == 700);
    const auto long_ago = error_of([&] { (void)consumer.snapshot_at(Time::min()); });
    REQUIRE(long_ago);
    CHECK(long_ago->code() == Errc::generation_not_retained);
    CHECK(std::string(long_ago->what()).find(": -") == std::string::npos);  // ms before
}

TEST_CASE("a commit moves as few blocks, however many generations are retained") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.retain = 100'000;
    Producer producer = Producer::create(store.name(), options);
    const auto allocated_by_commits = [&] {
        const auto before = producer.stats();
        for (int i = 0; i < 50; ++i) {
            publish(producer, {1, 1}, "content");
        }
        const auto after = producer.stats();
        CHECK(after.deallocations == before.deallocations);  // nothing of it may go
        return after.allocations - before.allocations;
    };
    publish(producer, {1, 1}, "content");
    const std::uint64_t with_few = allocated_by_commits();
    for (int i = 0; i < 3000; ++i) {
        publish(producer, {1, 1}, "content");
    }
    CHECK(allocated_by_commits() == with_few);
}

// SPDX-License-Identifier: Apache-2.0
// Proto-dimensions: grown and read in private, then crystallized at once while readers run.
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::scaled;
using strata::test::TempStore;

TEST_CASE("a proto-dimension is grown and read back in private") {
    const TempStore store;
    Producer producer = store.create();
    ProtoDimension proto = producer.proto_dimension(20, "Dreams");
    CHECK(proto.empty());
    proto.put(7, "seven", {.frequency = 7.5, .keywords = {"a", "b"}, .alignment = 256});
    proto.put(3, "three");
    proto.append(3, " and more");
    proto.append(9, "new");
    CHECK(proto.size() == 3);
    const auto seven = proto.find(7);
    REQUIRE(seven);
    CHECK(seven->text() == "seven");
    CHECK(seven->frequency() == 7.5);
    CHECK(seven->keywords() == std::vector<std::string>{"a", "b"});
    CHECK(seven->id() == LayerId{20, 7});
    CHECK_FALSE(proto.find(8));
    std::string scanned;
    for (const ProtoLayer& layer : proto.layers()) {
        scanned += std::to_string(layer.id().layer) + "=" + std::string(layer.text()) + ";";
    }
    CHECK(scanned == "3=three and more;7=seven;9=new;");

    // What somebody holds stays as it is.
    proto.append(7, "!");
    proto.put(3, "x");
    CHECK(seven->text() == "seven");
    CHECK(proto.find(7)->text() == "seven!");
    CHECK(proto.find(7)->frequency() == 7.5);

    CHECK(proto.erase(9));
    CHECK_FALSE(proto.erase(9));
    const auto list = producer.proto_dimensions();
    REQUIRE(list.size() == 1);
    CHECK(list[0].dimension == 20);
    CHECK(list[0].name == "Dreams");
    CHECK(list[0].layers == 2);
    CHECK(list[0].payload_bytes == 7);
    CHECK(producer.proto_dimension(20).size() == 2);  // the same one

    Consumer consumer = store.attach();
    CHECK(consumer.snapshot().dimension_count() == 0);
    proto.discard();
    CHECK(producer.proto_dimensions().empty());
    CHECK(proto.empty());
    proto.append(1, "again");
    CHECK(producer.proto_dimensions().size() == 1);
    proto.discard();
    proto.put(1, "again");
    CHECK(producer.proto_dimensions().size() == 1);
    proto.discard();
    CHECK(consumer.generation() == 1);
    CHECK(producer.proto_dimension(3).name() == "D3");
    CHECK(producer.proto_dimension(33).name() == "D33");
    CHECK(code_of([&] { (void)producer.proto_dimension(5, std::string(56, 'x')); }) ==
          "invalid_argument");
}

TEST_CASE("crystallized as a whole: it replaces the dimension, or joins it") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "old 1");
    publish(producer, {1, 2}, "old 2");
    Consumer consumer = store.attach();

    ProtoDimension joined = producer.proto_dimension(1);
    joined.put(2, "new 2", {.frequency = 2.0, .keywords = {"k"}, .alignment = 4096});
    const Generation merged = joined.crystallize(ProtoSwap::merge);
    Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.generation() == merged);
    CHECK(snapshot.get({1, 1}).text() == "old 1");
    CHECK(snapshot.get({1, 2}).text() == "new 2");
    CHECK(snapshot.get({1, 2}).frequency() == 2.0);
    CHECK(snapshot.get({1, 2}).keywords().size() == 1);
    CHECK(reinterpret_cast<std::uintptr_t>(snapshot.get({1, 2}).data()) % 4096 == 0);
    CHECK(producer.proto_dimensions().empty());
    CHECK(joined.empty());

    ProtoDimension whole = producer.proto_dimension(1, "Whole");
    whole.put(5, "five");
    whole.crystallize();
    snapshot = consumer.snapshot();
    CHECK(snapshot.layer_count() == 1);
    CHECK(snapshot.get({1, 5}).text() == "five");
    CHECK(snapshot.dimensions().at(0).name == "Whole");
}

TEST_CASE("crystallized layer by layer, and into a batch of one's own") {
    const TempStore store;
    Producer producer = store.create();
    ProtoDimension proto = producer.proto_dimension(20, "Dreams");
    proto.put(1, "one");
    proto.put(2, "two");
    proto.put(3, "three");
    CHECK(proto.crystallize_layer(2) == 2);
    CHECK(proto.size() == 2);
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot().layer_count() == 1);
    CHECK(consumer.snapshot().dimensions().at(0).name == "Dreams");
    CHECK(code_of([&] { proto.crystallize_layer(2); }) == "layer_not_found");

    Batch batch = producer.batch();
    batch.put({4, 4}, "beside");
    proto.add_to(batch, 1);
    CHECK(code_of([&] { proto.add_to(batch, 9); }) == "layer_not_found");
    batch.crystallize();
    CHECK(consumer.snapshot().layer_count() == 3);
    CHECK(proto.size() == 2);  // copies

    proto.add_to(batch);
    batch.crystallize();
    CHECK(consumer.snapshot().find({20, 3}).text() == "three");
    CHECK_FALSE(consumer.snapshot().find({20, 2}));  // replaced as a whole
}

TEST_CASE("a crystallize that fails leaves the proto-dimension and the store as they were") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    options.proto_memory_limit = 4_MiB;
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {1, 1}, "old");
    ProtoDimension proto = producer.proto_dimension(1);
    for (std::uint64_t i = 0; i < 20; ++i) {
        proto.put(i, payload_of(i, 0, 100'000));
    }
    CHECK(code_of([&] { proto.crystallize(); }) == "limit_exceeded");
    CHECK(proto.size() == 20);
    CHECK(producer.proto_dimensions().size() == 1);
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot().get({1, 1}).text() == "old");
    producer.set_memory_limit(8_MiB);
    proto.crystallize();
    CHECK(consumer.snapshot().layer_count() == 20);
}

TEST_CASE("a proto-dimension outlives its producer, but cannot be crystallized then") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    ProtoDimension proto = producer->proto_dimension(1);
    proto.put(1, "x");
    producer.reset();
    CHECK(proto.find(1)->text() == "x");
    CHECK(code_of([&] { proto.crystallize(); }) == "invalid_argument");
    proto.discard();
}

TEST_CASE("readers see the old dimension or the new one, never a mixture") {
    const TempStore store;
    Producer producer = store.create();
    constexpr std::uint64_t layers = 50;
    const auto rounds = scaled<std::uint64_t>(300, 60);
    const auto build = [&](std::uint64_t round) {
        ProtoDimension proto = producer.proto_dimension(1);
        for (std::uint64_t i = 0; i < layers; ++i) {
            proto.put(i, std::to_string(round));
        }
        // Each round has one layer of its own.
        proto.put(1000 + round, std::to_string(round));
        return proto;
    };
    build(0).crystallize();
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> looks{0};
    std::thread reader([&] {
        Consumer consumer = store.attach();
        while (!stop.load()) {
            const Snapshot snapshot = consumer.snapshot();
            const std::string round(snapshot.find({1, 0}).text());
            std::uint64_t count = 0;
            for (const Layer& layer : snapshot.dimension(1)) {
                ++count;
                if (layer.text() != round) {
                    FAIL_CHECK("a mixture of rounds " << round << " and " << layer.text());
                    return;
                }
            }
            if (count != layers + 1) {
                FAIL_CHECK("a snapshot with " << count << " layers");
                return;
            }
            looks.fetch_add(1);
        }
    });
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        build(round).crystallize();
    }
    while (looks.load() < 3) {
        std::this_thread::yield();
    }
    stop.store(true);
    reader.join();
    CHECK(producer.proto_dimensions().empty());
}

TEST_CASE("several threads grow one proto-dimension while another crystallizes it") {
    const TempStore store;
    Producer producer = store.create();
    constexpr std::uint64_t per_thread = 300;
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < per_thread; ++i) {
                producer.proto_dimension(1).put(t * 1000 + i, payload_of(t, i, 50));
            }
        });
    }
    for (int i = 0; i < 20; ++i) {
        producer.proto_dimension(1).crystallize(ProtoSwap::merge);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    producer.proto_dimension(1).crystallize(ProtoSwap::merge);
    CHECK(store.attach().snapshot().layer_count() == 3 * per_thread);  // none was lost
}

TEST_CASE(
    "what proto-dimensions take on the heap is counted, held layers included, and given back") {
    const TempStore store;
    Producer producer = store.create();
    CHECK(producer.stats().proto_bytes == 0);
    CHECK(producer.stats().proto_limit == producer.memory_limit());
    ProtoDimension proto = producer.proto_dimension(20);
    proto.put(1, std::string(10'000, 'a'), {.keywords = {std::string(1000, 'k')}});
    const std::uint64_t one = producer.stats().proto_bytes;
    CHECK(one >= 11'000);
    CHECK(one <= 12'000);
    proto.put(1, std::string(10'000, 'b'), {.keywords = {std::string(1000, 'k')}});
    CHECK(producer.stats().proto_bytes == one);  // in its place

    std::optional<ProtoLayer> held = proto.find(1);
    proto.append(1, "c");  // a version beside the one that is held
    CHECK(producer.stats().proto_bytes > 2 * one - 100);
    held.reset();
    CHECK(producer.stats().proto_bytes < one + 100);
    held = proto.find(1);
    CHECK(proto.erase(1));
    CHECK(producer.stats().proto_bytes > 10'000);  // erased, and held
    held.reset();
    CHECK(producer.stats().proto_bytes == 0);

    for (int i = 0; i < 1000; ++i) {
        proto.append(2, std::string(100, 'd'));
    }
    CHECK(producer.stats().proto_bytes >= 100'000);
    CHECK(producer.stats().proto_bytes <= 300'000);
    ProtoDimension other = producer.proto_dimension(21);
    other.put(1, "more");
    proto.crystallize();
    CHECK(producer.stats().proto_bytes < 1000);
    other.discard();
    CHECK(producer.stats().proto_bytes == 0);
}

TEST_CASE("proto-dimensions do not take more of the heap than their limit") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.proto_memory_limit = 1 << 20;
    Producer producer = Producer::create(store.name(), options);
    ProtoDimension proto = producer.proto_dimension(20);
    const std::string payload(600'000, 'a');
    proto.put(1, payload);
    const std::uint64_t before = producer.stats().proto_bytes;
    ProtoDimension other = producer.proto_dimension(21);
    try {
        other.put(1, payload);
        FAIL("it was taken");
    } catch (const Error& error) {
        CHECK(error.code() == Errc::limit_exceeded);
        CHECK(error.limit() == 1 << 20);
        CHECK(error.current() == before);
        CHECK(error.needed() >= 600'000);
        CHECK(std::string(error.what()).find("layer 1 of proto-dimension 21") != std::string::npos);
        CHECK(std::string(error.what()).find("proto_memory_limit") != std::string::npos);
    }
    CHECK(other.empty());
    CHECK(producer.stats().proto_bytes == before);

    // A layer grows up to the limit, beyond which it stays as it was.
    std::uint64_t size = payload.size();
    const std::string more(100'000, 'b');
    CHECK(code_of([&] {
              for (;;) {
                  proto.append(1, more);
                  size += more.size();
              }
          }) == "limit_exceeded");
    CHECK(size == 1'000'000);
    CHECK(proto.find(1)->size() == size);
    CHECK(proto.info().payload_bytes == size);
    CHECK(producer.stats().proto_bytes <= 1 << 20);
    // With a reader the new version would be a second one.
    const std::optional<ProtoLayer> held = proto.find(1);
    CHECK(code_of([&] { proto.append(1, "c"); }) == "limit_exceeded");
    CHECK(proto.find(1)->size() == size);

    producer.set_memory_limit(64_MiB);  // a limit of its own does not follow
    CHECK(producer.stats().proto_limit == 1 << 20);
    proto.discard();
    CHECK(producer.stats().proto_bytes >= size);  // held
    CHECK(code_of([&] { other.put(1, payload); }) == "limit_exceeded");
}

TEST_CASE("the heap of proto-dimensions may be as large as the store, by default") {
    const TempStore store;
    Producer producer = store.create();
    producer.set_memory_limit(1 << 20);
    CHECK(producer.stats().proto_limit == 1 << 20);
    ProtoDimension proto = producer.proto_dimension(20);
    proto.put(1, std::string(900'000, 'a'));
    CHECK(code_of([&] { proto.put(2, std::string(900'000, 'a')); }) == "limit_exceeded");
    producer.set_memory_limit(512 << 10);  // below what they take: that stays, nothing comes
    CHECK(proto.size() == 1);
    CHECK(code_of([&] { proto.put(2, "b"); }) == "limit_exceeded");
    producer.set_memory_limit(4 << 20);
    proto.put(2, std::string(900'000, 'a'));
    CHECK(proto.size() == 2);
}

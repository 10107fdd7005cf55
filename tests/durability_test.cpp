// SPDX-License-Identifier: Apache-2.0
// Checkpoints without a power failure: what they promise, what they pin, what the next producer
// and consumers make of the slots. Power failures are in tests/powercut.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/checksum.hpp"
#include "ipc/layout.hpp"
#include "tests/skip.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

ProducerOptions with(const TempStore& store, DurabilityOptions durability) {
    ProducerOptions options = store.producer_options();
    options.durability = durability;
    return options;
}

/// As if the machine had been started anew.
void change_boot(const TempStore& store) {
    FileEditor file(store.file("durable.slots"));
    for (const std::uint64_t at : {std::uint64_t{0}, ipc::page_bytes}) {
        const auto slot = file.read<ipc::DurableSlot>(at);
        if (slot.checksum == ipc::record_checksum(slot)) {
            file.forge<ipc::DurableSlot>(at, [](ipc::DurableSlot& s) { ++s.boot_id[0]; });
        }
    }
}

}  // namespace

TEST_CASE("in memory nothing is done by default") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "one");
    CHECK(producer.durable_generation() == 0);
    CHECK(store.attach().durable_generation() == 0);
    CHECK_FALSE(std::filesystem::exists(store.file("durable.slots")));
}

TEST_CASE("a checkpoint makes the newest generation durable, for everybody to see") {
    const TempStore store;
    Producer producer = store.create();
    const Consumer consumer = store.attach();
    const Generation first = publish(producer, {1, 1}, "one");
    CHECK(producer.checkpoint() == first);
    CHECK(producer.durable_generation() == first);
    CHECK(consumer.durable_generation() == first);
    const Generation second = publish(producer, {1, 1}, "two");
    CHECK(consumer.durable_generation() == first);
    producer.wait_durable(first);
    CHECK(consumer.durable_generation() == first);
    producer.wait_durable(second);
    CHECK(consumer.durable_generation() == second);
    CHECK(code_of([&] { producer.wait_durable(second + 1); }) == "invalid_argument");
}

TEST_CASE("threads that wait for durability all get it") {
    const TempStore store;
    Producer producer = store.create();
    std::vector<std::thread> threads;
    std::atomic<unsigned> wrong{0};
    for (std::uint64_t t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < 20; ++i) {
                const Generation generation = publish(producer, {1, t}, std::to_string(i));
                producer.wait_durable(generation);
                wrong += producer.durable_generation() < generation ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(producer.durable_generation() == producer.generation());
}

TEST_CASE("each commit is durable when it returns, if that is the policy") {
    const TempStore store;
    Producer producer =
        Producer::create("store", with(store, {.policy = DurabilityPolicy::each_commit}));
    CHECK(producer.durable_generation() == 1);
    const Generation generation = publish(producer, {1, 1}, "one");
    CHECK(producer.durable_generation() == generation);
}

TEST_CASE("in the background, generations become durable without being asked for") {
    const TempStore store;
    DurabilityOptions options{.policy = DurabilityPolicy::background};
    SUBCASE("after a while") { options.interval = std::chrono::milliseconds(1); }
    SUBCASE("after some generations") {
        options.interval = std::chrono::hours(1);
        options.every_generations = 3;
    }
    Producer producer = Producer::create("store", with(store, options));
    Generation last = 0;
    for (int i = 0; i < 3; ++i) {
        last = publish(producer, {1, 1}, std::to_string(i));
    }
    for (int i = 0; i < 3; ++i) {  // the first checkpoint may have come before the last one
        publish(producer, {1, 1}, std::to_string(i));
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (producer.durable_generation() < last && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    CHECK(producer.durable_generation() >= last);
}

TEST_CASE("in the background, the longest interval that there is never ends") {
    const TempStore store;
    const DurabilityOptions options{.policy = DurabilityPolicy::background,
                                    .interval = std::chrono::milliseconds::max(),
                                    .every_generations = 1 << 20};
    Producer producer = Producer::create("store", with(store, options));
    const Generation first = producer.durable_generation();
    for (int i = 0; i < 5000; ++i) {
        publish(producer, {1, 1}, std::to_string(i));
        std::this_thread::yield();
    }
    CHECK(producer.durable_generation() == first);
    producer.checkpoint();
    CHECK(producer.durable_generation() == producer.generation());
}

TEST_CASE("after a cut the store opens at its durable generation, and skips numbers") {
    const TempStore store;
    Generation durable = 0;
    Generation published = 0;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "one");
        durable = producer.checkpoint();
        for (int i = 0; i < 50; ++i) {
            published = publish(producer, {1, 1}, payload_of(1, static_cast<unsigned>(i), 500));
            producer.reclaim();
        }
    }
    change_boot(store);
    CHECK(code_of([&] { store.attach(); }) == "not_recovered");
    Producer producer = store.open();
    CHECK(producer.generation() == durable);
    CHECK(producer.durable_generation() == durable);
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.get({1, 1}).text() == "one");
    CHECK(verify(snapshot).ok());
    CHECK(publish(producer, {1, 1}, "two") > published);
    CHECK(snapshot.get({1, 1}).text() == "one");
    CHECK(consumer.snapshot().get({1, 1}).text() == "two");
}

TEST_CASE("in the same run a new producer opens what was published, and keeps what is durable") {
    const TempStore store;
    Generation durable = 0;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "durable");
        durable = producer.checkpoint();
        publish(producer, {1, 1}, "published");
    }
    {
        Producer producer = store.open();
        CHECK(store.attach().snapshot().get({1, 1}).text() == "published");
        CHECK(producer.durable_generation() == durable);
        for (int i = 0; i < 50; ++i) {
            publish(producer, {1, 1}, payload_of(1, static_cast<unsigned>(i), 7));
            producer.reclaim();
        }
    }
    change_boot(store);
    Producer producer = store.open();
    CHECK(producer.generation() == durable);
    CHECK(store.attach().snapshot().get({1, 1}).text() == "durable");
}

TEST_CASE("an orderly end leaves a store that anybody may read after a restart of the machine") {
    const TempStore store;
    Generation last = 0;
    const auto options = with(store, {.policy = DurabilityPolicy::background});
    {
        Producer producer = Producer::create("store", options);
        last = publish(producer, {1, 1}, "last");
    }
    change_boot(store);
    CHECK(store.attach().snapshot().get({1, 1}).text() == "last");
    Producer producer = Producer::open("store", options);
    CHECK(producer.generation() == last);
    CHECK(publish(producer, {1, 1}, "next") == last + 1);
}

TEST_CASE("what the durable generation holds back is bounded, and given up at the limit") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create("store", options);
    const std::string half(400 << 10, 'a');
    publish(producer, {1, 1}, half);
    const Generation first = producer.checkpoint();
    publish(producer, {1, 1}, std::string(300 << 10, 'b'));
    // There is no room for this one beside both.
    const Generation third = publish(producer, {1, 1}, std::string(350 << 10, 'c'));
    CHECK(producer.durable_generation() > first);
    CHECK(producer.durable_generation() <= third);
}

TEST_CASE("torn, foreign and forged slots") {
    const TempStore store;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "one");
        producer.checkpoint();
        publish(producer, {1, 1}, "two");
        producer.checkpoint();
    }
    const std::uint64_t newest = 2 % ipc::slot_count * ipc::page_bytes;
    SUBCASE("the newer slot is torn: the older one counts, or the store says that it is damaged") {
        FileEditor(store.file("durable.slots")).write(newest + 100, std::uint64_t{1});
        change_boot(store);
        const auto error = error_of([&] { CHECK(store.open().generation() == 2); });
        CHECK((!error || error->code() == Errc::corrupt));
    }
    SUBCASE("the file is cut off") {
        FileEditor(store.file("durable.slots")).truncate(10);
        CHECK(code_of([&] { store.open(); }) == "no error");
        CHECK(store.attach().snapshot().get({1, 1}).text() == "two");
    }
    SUBCASE("of another store") {
        FileEditor(store.file("durable.slots"))
            .forge<ipc::DurableSlot>(newest, [](ipc::DurableSlot& slot) {
                ++slot.identity.store_id[0];
                slot.identity.checksum = ipc::record_checksum(slot.identity);
                slot.sequence += 2;
            });
        CHECK(code_of([&] { store.open(); }) == "corrupt");
    }
    SUBCASE("a root that is none") {
        FileEditor(store.file("durable.slots"))
            .forge<ipc::DurableSlot>(newest, [](ipc::DurableSlot& slot) { slot.root += 64; });
        change_boot(store);
        CHECK(code_of([&] { store.open(); }) == "corrupt");
    }
    SUBCASE("the identity of the control file is torn: the slot has a copy") {
        FileEditor(store.file("control.mmap")).write(100, std::uint64_t{0x5555});
        CHECK(code_of([&] { store.attach(); }) == "corrupt");
        const Producer producer = store.open();
        CHECK(store.attach().snapshot().get({1, 1}).text() == "two");
    }
    SUBCASE("one that others may write to") {
        std::filesystem::permissions(store.file("durable.slots"),
                                     std::filesystem::perms::others_write,
                                     std::filesystem::perm_options::add);
        CHECK(code_of([&] { store.open(); }) == "not_trusted");
    }
}

// What comes free at first is enough by the number, and of no use: parts of pages of another file.
TEST_CASE("a commit that finds room in the wrong file gives up the durable generation's, too") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.memory_limit = 2_MiB;
    options.durability.policy = DurabilityPolicy::off;
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer =
        Consumer::attach(store.name(), {.base_path = store.base(), .keep_idle_pin = false});
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < 6; ++layer) {
        batch.put({1, layer}, payload_of(1, layer, 64 << 10));
    }
    batch.crystallize();
    const Generation durable = producer.checkpoint();
    producer.reclaim();  // what is put from here on is younger than what is durable
    for (std::uint64_t layer = 0; layer < 6; ++layer) {
        batch.erase({1, layer});
    }
    for (std::uint64_t layer = 0; layer < 300; ++layer) {
        batch.put({2, layer}, payload_of(2, layer, 300));
    }
    batch.put({3, 0}, "");
    batch.crystallize();
    Snapshot held = consumer.snapshot();
    for (std::uint64_t layer = 0; layer < 300; layer += 5) {
        batch.put({2, layer}, payload_of(3, layer, 300));
    }
    batch.crystallize();
    const std::uint64_t kept = options.memory_limit / 16;
    // Full, but for the layers that are to come: these are small beside their index.
    for (std::uint64_t layer = 1;
         producer.stats().committed_bytes + kept + (160 << 10) < options.memory_limit; ++layer) {
        publish(producer, {3, layer}, payload_of(4, layer, 8 << 10));
        producer.trim();
    }
    held = Snapshot();
    std::mt19937_64 random(1);
    for (int layer = 0; layer < 5000; ++layer) {  // far apart: each has nodes of its own
        batch.put({3, random()}, "");
    }
    CHECK(producer.stats().allocation_failures == 0);
    CHECK(producer.durable_generation() == durable);
    const Generation made = batch.crystallize();
    CHECK(producer.durable_generation() == made - 1);
    const Snapshot now = consumer.snapshot();
    CHECK(now.layer_count() > 5000);
    CHECK(verify(now).ok());
}

TEST_CASE("a slot that may be lost, and the one before: a power failure may lead to either") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    unsigned slots_lost = 0;
    bool lost = true;
    SUBCASE("the newer one is lost") {}
    SUBCASE("it is on the disk, though its flush failed") { lost = false; }
    for (std::uint64_t n = 1;; ++n) {
        const TempStore store;
        ProducerOptions options = store.producer_options();
        options.durability.policy = DurabilityPolicy::off;
        Generation durable = 0;
        std::optional<Error> refused;
        {
            Producer producer = Producer::create(store.name(), options);
            publish(producer, {1, 1}, "acknowledged");
            durable = producer.checkpoint();
            publish(producer, {1, 1}, "not acknowledged");
            const FailingCallAnywhere failing(n, EIO);
            refused = error_of([&] { producer.checkpoint(); });
        }
        if (!FailingCallAnywhere::happened()) {
            break;
        }
        if (!refused) {  // nothing that a checkpoint needs
            continue;
        }
        for (int producers = 0; producers < 2; ++producers) {
            Producer next = Producer::open(store.name(), options);
            for (unsigned i = 0; i < 20; ++i) {  // over what is not pinned
                publish(next, {1, 1}, payload_of(1, i, 16));
                next.reclaim();
            }
        }
        constexpr std::uint64_t second = 2 % ipc::slot_count * ipc::page_bytes;
        FileEditor slots(store.file("durable.slots"));
        const auto newer = slots.read<ipc::DurableSlot>(second);
        const bool written = newer.checksum == ipc::record_checksum(newer);
        if (written && lost) {
            slots.write(second + 100, std::uint64_t{1});
        }
        slots_lost += written ? 1 : 0;
        change_boot(store);
        CAPTURE(n);
        Producer producer = Producer::open(store.name(), options);
        const bool newest = written && !lost;
        CHECK(producer.generation() == durable + (newest ? 1 : 0));
        const Snapshot snapshot = store.attach().snapshot();
        CHECK(snapshot.get({1, 1}).text() == (newest ? "not acknowledged" : "acknowledged"));
        CHECK(verify(snapshot).ok());
    }
    CHECK(slots_lost >= 1);
}

TEST_CASE(
    "a first checkpoint one of whose calls is refused fails, and the next one does not hang") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    unsigned repeated = 0;
    unsigned lost = 0;
    for (std::uint64_t n = 1;; ++n) {
        const TempStore store;
        ProducerOptions options = store.producer_options();
        options.durability.policy = DurabilityPolicy::off;
        Producer producer = Producer::create(store.name(), options);
        const Generation published = publish(producer, {1, 1}, "x");
        std::optional<Error> refused;
        {
            const FailingCallAnywhere failing(n, EIO);
            refused = error_of([&] { producer.checkpoint(); });
        }
        const std::string name = FailingCallAnywhere::name();
        CAPTURE(n);
        CAPTURE(name);
        if (!FailingCallAnywhere::happened()) {
            CHECK(!refused);
            break;
        }
        if (!refused) {  // nothing that a checkpoint needs
            CHECK(producer.durable_generation() == published);
            continue;
        }
        CHECK(refused->errno_value() == EIO);
        CHECK(refused->path().starts_with(store.base().string()));
        CHECK(producer.durable_generation() == 0);
        const auto again = error_of([&] { producer.checkpoint(); });
        if (again) {  // what was to be flushed is lost, as far as anybody knows
            CHECK(refused->code() == Errc::durability_lost);
            CHECK(again->code() == Errc::durability_lost);
            ++lost;
        } else {
            CHECK(refused->code() == Errc::system);
            CHECK(producer.durable_generation() == published);
            ++repeated;
        }
        CHECK(publish(producer, {1, 1}, "y") == published + 1);
    }
    CHECK(repeated >= 4);
    CHECK(lost >= 4);
}

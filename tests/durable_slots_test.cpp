// SPDX-License-Identifier: Apache-2.0
// The slots of durable.slots: torn, forged, lost, and whatever call of a first checkpoint fails.
#include <cstdint>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"
#include "tests/skip.hpp"
#include "tests/support/durable_setting.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

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

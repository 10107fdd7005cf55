// SPDX-License-Identifier: Apache-2.0
// Named generations: they stay what they are over commits, moves and restarts, cost what they
// reach, come free when their names and readers are gone, and are refused when their file is bad.
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/layout.hpp"
#include "strata/bookmark.hpp"
#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t layers = 40;
constexpr std::size_t layer_bytes = 3000;
constexpr std::uint64_t bytes_of_all = layers * layer_bytes;

/// Layer i of dimension 1 is a function of `version`; dimension 2 says which version it is.
void put_version(Batch& batch, std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload_of(i, version, layer_bytes));
    }
    batch.put({2, 0}, std::to_string(version), {.keywords = {"version"}});
}

Generation publish_version(Producer& producer, std::uint64_t version) {
    Batch batch = producer.batch();
    put_version(batch, version);
    return batch.crystallize();
}

/// Uses whatever is free, several times over.
void churn(Producer& producer, std::uint64_t first, std::uint64_t rounds = 12) {
    for (std::uint64_t version = first; version < first + rounds; ++version) {
        publish_version(producer, version);
        producer.reclaim();
    }
}

/// Empty if the snapshot is this version, whole.
std::string mismatch(const Snapshot& snapshot, std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({1, i});
        if (!layer || layer.text() != payload_of(i, version, layer_bytes)) {
            return "layer " + std::to_string(i);
        }
    }
    if (snapshot.get({2, 0}).text() != std::to_string(version)) return "version";
    return verify(snapshot).ok() ? "" : "it cannot be verified";
}

std::string named_version(Consumer& consumer, std::string_view name, std::uint64_t version) {
    return mismatch(consumer.snapshot_at(name), version);
}

/// Without a pin that outlives its snapshots: what is held is what the test holds.
Consumer attach(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return Consumer::attach(store.name(), options);
}

std::uint64_t held_bytes(Producer& producer) {
    producer.reclaim();
    return producer.stats().limbo_bytes;
}

std::filesystem::path file_of(const TempStore& store) { return store.file("bookmarks"); }

}  // namespace

TEST_CASE("a bookmark keeps its generation, whatever is published after it") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    const Generation marked = producer.generation();
    CHECK(producer.set_bookmark("before-import") == marked);
    churn(producer, 100);
    Consumer consumer = attach(store);
    const Snapshot snapshot = consumer.snapshot_at("before-import");
    CHECK(snapshot.generation() == marked);
    CHECK(mismatch(snapshot, 1) == "");
    CHECK(changes(snapshot, consumer.snapshot()).size() == layers + 1);

    const auto listed = consumer.bookmarks();
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].name == "before-import");
    CHECK(listed[0].generation == marked);
    CHECK(std::chrono::system_clock::now() - listed[0].made_at < std::chrono::minutes(10));
    REQUIRE(producer.bookmarks().size() == 1);
    CHECK(producer.bookmarks()[0].made_at == listed[0].made_at);
    const StoreInfo info = inspect(store.name(), store.base());
    REQUIRE(info.bookmarks.size() == 1);
    CHECK(info.bookmarks[0].name == "before-import");
    bool file_known = false;
    for (const StoreFile& file : info.files) {
        CHECK(file.kind != StoreFile::Kind::foreign);
        file_known = file_known || file.kind == StoreFile::Kind::bookmarks;
    }
    CHECK(file_known);
}

TEST_CASE("a bookmark outlives its producer and those that follow, however they end") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish_version(producer, 1);
    }
    Generation marked = 0;
    {
        Producer producer = store.open();
        marked = producer.set_bookmark("kept");
        churn(producer, 100);
    }
    for (std::uint64_t round = 0; round < 4; ++round) {
        CAPTURE(round);
        Child killed = Child::start([&](const Channel& channel) {
            Producer producer = store.open();
            churn(producer, 200 + 100 * round);
            producer.set_bookmark("late-" + std::to_string(round));
            channel.send(1);
            channel.receive();  // never
        });
        killed.receive();
        CHECK(killed.kill_and_join() == "");
        Consumer consumer = attach(store);
        CHECK(consumer.snapshot_at("kept").generation() == marked);
        CHECK(named_version(consumer, "kept", 1) == "");
        CHECK(named_version(consumer, "late-" + std::to_string(round), 211 + 100 * round) == "");
    }
    Producer producer = store.open();
    churn(producer, 1000);
    Consumer consumer = attach(store);
    CHECK(named_version(consumer, "kept", 1) == "");
    CHECK(named_version(consumer, "late-0", 211) == "");
    CHECK(named_version(consumer, "late-3", 511) == "");
    // They come free under a producer that did not set them.
    CHECK(held_bytes(producer) > 4 * bytes_of_all);
    for (const Bookmark& bookmark : producer.bookmarks()) {
        producer.remove_bookmark(bookmark.name);
    }
    CHECK(held_bytes(producer) == 0);
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
}

TEST_CASE("a bookmark holds what it reaches, and no more; all of it comes free") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    producer.reclaim();
    const std::uint64_t before = producer.stats().limbo_bytes;
    CHECK(before == 0);
    producer.set_bookmark("one");
    // Born after the bookmark, though nothing has asked for the clock to move on since.
    publish_version(producer, 2);
    publish_version(producer, 3);
    const std::uint64_t held = held_bytes(producer);
    CHECK(held > bytes_of_all);
    CHECK(held < bytes_of_all + bytes_of_all / 2);
    churn(producer, 100);
    CHECK(held_bytes(producer) == held);
    producer.trim();
    const std::uint64_t committed = producer.stats().committed_bytes;
    producer.remove_bookmark("one");
    CHECK(producer.stats().limbo_bytes == 0);
    producer.trim();
    CHECK(producer.stats().committed_bytes + bytes_of_all / 2 < committed);
    CHECK(producer.bookmarks().empty());
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
    Consumer consumer = attach(store);
    CHECK(code_of([&] { (void)consumer.snapshot_at("one"); }) == "bookmark_not_found");
}

TEST_CASE("who reads a removed bookmark keeps it, also when another producer takes over") {
    const TempStore store;
    std::optional<Producer> producer(store.create());
    publish_version(*producer, 1);
    producer->set_bookmark("gone");
    churn(*producer, 100);
    Consumer consumer = attach(store);
    Snapshot reader = consumer.snapshot_at("gone");
    SUBCASE("removed") {
        producer->remove_bookmark("gone");
        CHECK(code_of([&] { (void)consumer.snapshot_at("gone"); }) == "bookmark_not_found");
    }
    SUBCASE("moved") { producer->set_bookmark("gone"); }
    churn(*producer, 200);
    CHECK(mismatch(reader, 1) == "");
    for (std::uint64_t round = 0; round < 3; ++round) {
        producer.reset();
        producer.emplace(store.open());
        churn(*producer, 300 + 100 * round);
        CHECK(mismatch(reader, 1) == "");
    }
    const std::uint64_t held = held_bytes(*producer);
    CHECK(held > bytes_of_all);
    reader = {};
    for (const Bookmark& bookmark : producer->bookmarks()) {
        producer->remove_bookmark(bookmark.name);
    }
    CHECK(held_bytes(*producer) == 0);
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
}

TEST_CASE("a reader of something else does not keep what a bookmark gave up") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    producer.set_bookmark("first");
    churn(producer, 100);
    producer.remove_bookmark("first");
    Consumer consumer = attach(store);
    const Snapshot reader = consumer.snapshot();
    producer.set_bookmark("the same");
    publish_version(producer, 200);
    producer.set_bookmark("second");
    churn(producer, 300);
    CHECK(held_bytes(producer) > bytes_of_all + bytes_of_all / 2);
    CHECK(held_bytes(producer) < 2 * bytes_of_all + bytes_of_all / 2);
    producer.remove_bookmark("second");
    CHECK(held_bytes(producer) < bytes_of_all + bytes_of_all / 2);
    producer.remove_bookmark("the same");
    // What `reader` has is held for it alone.
    CHECK(held_bytes(producer) < bytes_of_all + bytes_of_all / 2);
    CHECK(mismatch(reader, 111) == "");
}

TEST_CASE("a generation that is retained can be given a name, and then stays") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 300;
    Generation wanted = 0;
    {
        Producer producer = Producer::create(store.name(), options);
        for (std::uint64_t version = 1; version <= 290; ++version) {
            Batch batch = producer.batch();
            batch.put({1, version % 7}, payload_of(0, version, 500));
            batch.put({2, 0}, std::to_string(version));
            CHECK(batch.crystallize() == version + 1);
        }
        wanted = 20;  // beyond the slots
        CHECK(producer.set_bookmark("far", wanted) == wanted);
        CHECK(producer.set_bookmark("near", 289) == 289);
        for (std::uint64_t version = 291; version <= 800; ++version) {
            Batch batch = producer.batch();
            batch.put({1, version % 7}, payload_of(0, version, 500));
            batch.put({2, 0}, std::to_string(version));
            batch.crystallize();
        }
        const auto error = error_of([&] { producer.set_bookmark("none", wanted + 1); });
        REQUIRE(error);
        CHECK(error->code() == Errc::generation_not_retained);
        CHECK(error->detail().find("generation 21 is not kept") != std::string::npos);
        CHECK(code_of([&] { producer.set_bookmark("none", producer.generation() + 1); }) ==
              "generation_not_retained");
        CHECK(producer.bookmarks().size() == 2);
    }
    Producer producer = store.open();
    churn(producer, 1000);
    Consumer consumer = attach(store);
    const Snapshot far = consumer.snapshot_at("far");
    CHECK(far.generation() == wanted);
    CHECK(far.get({2, 0}).text() == std::to_string(wanted - 1));
    for (std::uint64_t version = wanted - 7; version < wanted; ++version) {
        CHECK(far.get({1, version % 7}).text() == payload_of(0, version, 500));
    }
    CHECK(verify(far).ok());
    CHECK(consumer.snapshot_at("near").get({2, 0}).text() == "288");
    CHECK(verify(consumer.snapshot_at("near")).ok());
    // Retained, they are not.
    CHECK(code_of([&] { (void)consumer.snapshot(wanted); }) == "generation_not_retained");
}

TEST_CASE("a generation can have several names, given at any time; it goes with the last") {
    const TempStore store;
    std::optional<Producer> producer(store.create());
    publish_version(*producer, 1);
    const Generation marked = producer->set_bookmark("first");
    churn(*producer, 100);
    CHECK(producer->set_bookmark("second", marked) == marked);
    CHECK(producer->set_bookmark("first", marked) == marked);  // nothing new
    producer->remove_bookmark("first");
    churn(*producer, 200);
    Consumer consumer = attach(store);
    CHECK(named_version(consumer, "second", 1) == "");
    producer.reset();
    producer.emplace(store.open());
    churn(*producer, 300);
    CHECK(named_version(consumer, "second", 1) == "");
    // Moved: its place is the newest one's.
    CHECK(producer->set_bookmark("second") == producer->generation());
    churn(*producer, 400);
    CHECK(named_version(consumer, "second", 311) == "");
    CHECK(producer->bookmarks().size() == 1);
    CHECK(held_bytes(*producer) < bytes_of_all + bytes_of_all / 2);
}

TEST_CASE("a dimension that is moved, removed or made anew stays what it was in a bookmark") {
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer(store.create());
    publish_version(*producer, 1);
    producer->set_bookmark("whole");
    producer->move_dimension(1, {.own_region = true});
    churn(*producer, 100);
    Batch batch = producer->batch();
    batch.remove_dimension(1);
    batch.crystallize();
    producer->reclaim();
    Consumer consumer = attach(store);
    CHECK(named_version(consumer, "whole", 1) == "");
    producer.reset();
    producer.emplace(store.open());
    churn(*producer, 200);
    CHECK(named_version(consumer, "whole", 1) == "");
    const std::size_t files = store.region_files();
    producer->remove_bookmark("whole");
    CHECK(held_bytes(*producer) == 0);
    CHECK(store.region_files() < files);
    CHECK(mismatch(consumer.snapshot(), 211) == "");
}

TEST_CASE("names, numbers and limits are checked, and what is refused changes nothing") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    const auto refused = [&](std::string_view name) {
        return code_of([&] { producer.set_bookmark(name); });
    };
    CHECK(refused("") == "invalid_name");
    CHECK(refused(std::string(max_bookmark_name_bytes + 1, 'n')) == "invalid_name");
    CHECK(refused(std::string_view("a\0b", 3)) == "invalid_name");
    CHECK(code_of([&] { producer.remove_bookmark("none"); }) == "bookmark_not_found");
    Consumer consumer = attach(store);
    const auto unknown = error_of([&] { (void)consumer.snapshot_at("none"); });
    REQUIRE(unknown);
    CHECK(unknown->code() == Errc::bookmark_not_found);
    CHECK(unknown->detail().find("\"none\"") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(file_of(store)));

    const std::string odd = "a/b \x1b[31m\n";
    producer.set_bookmark(odd);
    producer.set_bookmark(std::string(max_bookmark_name_bytes, 'n'));
    for (std::size_t i = 2; i < max_bookmarks; ++i) {
        producer.set_bookmark(std::to_string(i));
    }
    const auto full = error_of([&] { producer.set_bookmark("one too many"); });
    REQUIRE(full);
    CHECK(full->code() == Errc::limit_exceeded);
    CHECK(full->needed() == max_bookmarks + 1);
    CHECK(full->limit() == max_bookmarks);
    CHECK(consumer.bookmarks().size() == max_bookmarks);
    CHECK(consumer.snapshot_at(odd).generation() == producer.generation());
    producer.remove_bookmark(odd);
    producer.set_bookmark("one too many");
    // One that is removed and still read counts.
    const Snapshot reader = consumer.snapshot_at("2");
    producer.remove_bookmark("2");
    CHECK(refused("again") == "limit_exceeded");
    CHECK(mismatch(reader, 1) == "");
}

TEST_CASE("a store that is full names its bookmarks") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create(store.name(), options);
    publish_version(producer, 1);
    producer.set_bookmark("in the way");
    std::optional<Error> error;
    for (std::uint64_t version = 2; version < 40 && !error; ++version) {
        error = error_of(
            [&] { producer.set_bookmark(std::to_string(publish_version(producer, version))); });
    }
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->detail().find("\"in the way\"") != std::string::npos);
    CHECK(error->hint().find("remove_bookmark") != std::string::npos);
    for (const Bookmark& bookmark : producer.bookmarks()) {
        producer.remove_bookmark(bookmark.name);
    }
    publish_version(producer, 1);
}

TEST_CASE("a bookmarks file that is bad is refused, and removing it gives the bookmarks up") {
    const TempStore store;
    {
        Producer producer = store.create();
        publish_version(producer, 1);
        producer.set_bookmark("first");
        publish_version(producer, 2);
        producer.set_bookmark("second");
    }
    Consumer consumer = attach(store);
    const auto file = file_of(store);
    const std::string sound = contents_of(file);
    REQUIRE(sound.size() == sizeof(ipc::BookmarkHeader) + 2 * sizeof(ipc::BookmarkRecord));
    const auto refused_by_all = [&](const std::string& code) {
        CHECK(code_of([&] { (void)consumer.snapshot_at("first"); }) == code);
        CHECK(code_of([&] { (void)consumer.bookmarks(); }) == code);
        const auto error = error_of([&] { (void)store.open(); });
        REQUIRE(error);
        CHECK(to_string(error->code()) == code);
        CHECK(error->path() == file.string());
        CHECK(mismatch(consumer.snapshot(), 2) == "");
    };
    // Every byte of it matters.
    for (std::size_t at = 0; at < sound.size(); at += at < 64 ? 1 : 7) {
        CAPTURE(at);
        std::string bad = sound;
        bad[at] = static_cast<char>(bad[at] ^ 0x10);
        write_contents(file, bad);
        CHECK(code_of([&] { (void)consumer.bookmarks(); }) == "corrupt");
    }
    refused_by_all("corrupt");
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{63}, std::size_t{64}, sound.size() - 1}) {
        CAPTURE(size);
        write_contents(file, sound.substr(0, size));
        refused_by_all("corrupt");
    }
    write_contents(file, sound + "x");
    refused_by_all("corrupt");

    // With checksums that are right.
    const auto forge = [&](auto change) {
        write_contents(file, sound);
        FileEditor(file).forge<ipc::BookmarkRecord>(sizeof(ipc::BookmarkHeader), change);
    };
    forge([](ipc::BookmarkRecord& record) { record.name_bytes = 64; });
    refused_by_all("corrupt");
    forge([](ipc::BookmarkRecord& record) { record.name_bytes = 0; });
    refused_by_all("corrupt");
    forge([](ipc::BookmarkRecord& record) { record.name[1] = '\0'; });
    refused_by_all("corrupt");
    forge([](ipc::BookmarkRecord& record) { record.epoch = std::uint64_t{1} << 50; });
    refused_by_all("corrupt");
    forge([](ipc::BookmarkRecord& record) { record.removed = record.epoch - 1; });
    refused_by_all("corrupt");
    {  // an epoch to come; another root's place; a place beyond the file; a root of later
        const auto misleads = [&](auto change) {
            forge(change);
            CHECK(code_of([&] { (void)consumer.snapshot_at("first"); }) == "corrupt");
            const auto error = error_of([&] { (void)store.open(); });
            REQUIRE(error);
            CHECK(error->code() == Errc::corrupt);
            CHECK(error->path() == file.string());
            CHECK(error->hint().find("remove the file") != std::string::npos);
        };
        misleads([](ipc::BookmarkRecord& record) { record.epoch += 1'000'000; });
        misleads([](ipc::BookmarkRecord& record) { record.root += 16; });
        misleads([](ipc::BookmarkRecord& record) { record.root = std::uint64_t{1} << 40; });
        misleads([](ipc::BookmarkRecord& record) { ++record.generation; });
    }
    {  // another store's
        write_contents(file, sound);
        FileEditor(file).forge<ipc::BookmarkHeader>(
            0, [](ipc::BookmarkHeader& header) { ++header.store_id[0]; });
        refused_by_all("corrupt");
    }
    write_contents(file, sound);
    std::filesystem::permissions(file, std::filesystem::perms(0666));
    refused_by_all("not_trusted");
    std::filesystem::permissions(file, std::filesystem::perms(0644));
    CHECK(consumer.snapshot_at("first").get({2, 0}).text() == "1");

    write_contents(file, "nonsense");
    CHECK(code_of([&] { (void)store.open(); }) == "corrupt");
    std::filesystem::remove(file);
    Producer producer = store.open();
    CHECK(producer.bookmarks().empty());
    CHECK(held_bytes(producer) == 0);
    CHECK(mismatch(consumer.snapshot(), 2) == "");
}

TEST_CASE("bookmarks end with the run of the machine, before what they name is used again") {
    const TempStore store;
    const auto stop_machine = [&](bool also_slots) {
        if (also_slots) {
            FileEditor slots(store.file("durable.slots"));
            for (std::uint64_t place = 0; place < ipc::slot_count; ++place) {
                slots.forge<ipc::DurableSlot>(place * ipc::page_bytes,
                                              [](ipc::DurableSlot& slot) { ++slot.boot_id[0]; });
            }
        }
        FileEditor(file_of(store)).forge<ipc::BookmarkHeader>(0, [](ipc::BookmarkHeader& header) {
            ++header.boot_id[0];
        });
    };
    {
        Producer producer = store.create();
        publish_version(producer, 1);
        producer.set_bookmark("before");
        publish_version(producer, 2);
    }
    stop_machine(false);
    Consumer consumer = attach(store);
    CHECK(consumer.bookmarks().empty());
    CHECK(code_of([&] { (void)consumer.snapshot_at("before"); }) == "bookmark_not_found");
    {
        Producer producer = store.open();
        CHECK(producer.bookmarks().empty());
        CHECK(held_bytes(producer) == 0);
        producer.checkpoint();
        publish_version(producer, 3);
        producer.checkpoint();
        producer.set_bookmark("after the checkpoint");
        publish_version(producer, 4);
    }
    stop_machine(true);
    Producer producer = store.open();
    CHECK(producer.bookmarks().empty());
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
    CHECK(mismatch(attach(store).snapshot(), 3) == "");
}

TEST_CASE("whatever call is refused, a bookmark is set or removed as a whole or not at all") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    for (const int errno_value : {ENOSPC, EIO, EACCES}) {
        std::uint64_t n = 1;
        for (bool more = true; more; ++n) {
            CAPTURE(n);
            CAPTURE(errno_value);
            const TempStore store;
            std::optional<Producer> producer(store.create());
            publish_version(*producer, 1);
            producer->set_bookmark("stays");
            producer->set_bookmark("goes");
            publish_version(*producer, 2);
            std::optional<Error> unset;
            std::optional<Error> unmoved;
            std::optional<Error> unremoved;
            {
                const FailingCallAnywhere failing(n, errno_value);
                unset = error_of([&] { producer->set_bookmark("new"); });
                unremoved = error_of([&] { producer->remove_bookmark("goes"); });
                unmoved = error_of([&] { producer->set_bookmark("stays"); });
                more = FailingCallAnywhere::happened();
            }
            for (const auto& error : {unset, unmoved, unremoved}) {
                if (error) {
                    CHECK(more);
                    CHECK_FALSE(error->operation().empty());
                    CHECK_FALSE(error->path().empty());
                    CHECK(error->errno_value() == errno_value);
                }
            }
            CHECK(static_cast<int>(unset.has_value()) + static_cast<int>(unmoved.has_value()) +
                      static_cast<int>(unremoved.has_value()) <=
                  1);
            churn(*producer, 100, 3);
            Consumer consumer = attach(store);
            for (int producers = 0; producers < 2; ++producers) {
                CHECK(consumer.bookmarks().size() ==
                      1U + (unset ? 0U : 1U) + (unremoved ? 1U : 0U));
                CHECK(named_version(consumer, "stays", unmoved ? 1 : 2) == "");
                if (!unset) CHECK(named_version(consumer, "new", 2) == "");
                if (unremoved) CHECK(named_version(consumer, "goes", 1) == "");
                if (producers == 0) {
                    producer.reset();
                    producer.emplace(store.open());
                    churn(*producer, 200, 3);
                }
            }
            for (const Bookmark& bookmark : producer->bookmarks()) {
                producer->remove_bookmark(bookmark.name);
            }
            CHECK(held_bytes(*producer) == 0);
            CHECK_FALSE(std::filesystem::exists(store.file("bookmarks.new")));
        }
        CHECK(n > 12);  // it was about something
    }
}

TEST_CASE("a store with bookmarks is removed and replaced as any other") {
    const TempStore store;
    {
        Producer producer = store.create();
        publish_version(producer, 1);
        producer.set_bookmark("one");
    }
    {
        ProducerOptions options = store.producer_options();
        options.replace = true;
        Producer producer = Producer::create(store.name(), options);
        CHECK(producer.bookmarks().empty());
        producer.set_bookmark("two");
    }
    remove_store(store.name(), store.base());
    CHECK_FALSE(std::filesystem::exists(store.path()));
}

// SPDX-License-Identifier: Apache-2.0
// The file of bookmarks: what it refuses, whatever stands in it, and that it is replaced as a
// whole.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "strata/bookmark.hpp"
#include "tests/skip.hpp"
#include "tests/support/bookmark_setting.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

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

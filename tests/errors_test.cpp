// SPDX-License-Identifier: Apache-2.0
// What errors say: numbers, files, names, and the last words of what is misused.
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

namespace {

/// A store with one layer whose producer is gone.
struct Left : TempStore {
    Left() {
        Producer producer = create();
        publish(producer, {1, 1}, "content");
    }
};

/// What a child that does this says before it aborts; empty if it does not abort.
template <class Act>
std::string last_words(const TempStore& store, Act act) {
    const auto path = store.base() / "last-words";
    Child child = Child::start([&](const Channel&) {
        if (std::freopen(path.c_str(), "w", stderr) == nullptr) {
            fail_errno("freopen");
        }
        std::setvbuf(stderr, nullptr, _IONBF, 0);
        act();
    });
    return child.join_killed(SIGABRT).empty() ? contents_of(path) : "";
}

}  // namespace

TEST_CASE("objects that were moved from say so and abort") {
    const TempStore store;
    const auto expect = [&](const char* name, auto act) {
        CAPTURE(name);
        CHECK(last_words(store, act) ==
              "strata: " + std::string(name) + ": used after it was moved from\n");
    };
    expect("Producer", [&] {
        Producer one = store.create();
        const Producer other = std::move(one);
        (void)one.generation();
    });
    expect("Batch", [&] {
        Producer producer = store.open();
        Batch one = producer.batch();
        const Batch other = std::move(one);
        one.put({1, 1}, "x");
    });
    expect("ProtoDimension", [&] {
        Producer producer = store.open();
        ProtoDimension one = producer.proto_dimension(1);
        const ProtoDimension other = std::move(one);
        (void)one.size();
    });
    expect("IngestTicket", [] { (void)IngestTicket().done(); });
    expect("Consumer", [&] {
        Consumer one = store.attach();
        const Consumer other = std::move(one);
        (void)one.snapshot();
    });
    expect("Consumer", [&] {
        Consumer one = store.attach();
        const Consumer other = std::move(one);
        (void)one.wait(1);
    });
    expect("ContextIndex", [&] {
        ContextIndex one(store.attach().snapshot(), 1);
        const ContextIndex other = std::move(one);
        (void)one.dimension();
    });
    // An empty snapshot is a value like any other.
    Snapshot one = store.attach().snapshot();
    const Snapshot other = std::move(one);
    CHECK_FALSE(one);
    CHECK_FALSE(one.find({1, 1}));
    CHECK(one.generation() == 0);
}

TEST_CASE("the limits' errors carry their numbers") {
    const TempStore store;
    Producer producer = store.create();
    producer.set_memory_limit(1_MiB);
    const auto limit = error_of([&] { (void)producer.batch().loan({1, 1}, 2_MiB); });
    REQUIRE(limit);
    CHECK(limit->limit() == 1_MiB);
    CHECK(limit->needed() >= 2_MiB);
    CHECK(limit->current() > 0);
    CHECK(limit->current() <= 1_MiB);
    CHECK_FALSE(limit->hint().empty());
    const auto large = error_of([&] {
        (void)producer.batch().loan({1, 1}, TempStore::region_max_bytes + 1);
    });
    REQUIRE(large);
    CHECK(large->limit() == TempStore::region_max_bytes);
    CHECK(large->needed() == TempStore::region_max_bytes + 1);
}

TEST_CASE("an error is copied without allocating, and outlives its origin") {
    std::optional<Error> copy;
    {
        const auto original = error_of([] { TempStore("gone").attach(); });
        REQUIRE(original);
        copy = *original;
        CHECK(copy->what() == original->what());  // the same text, not another
    }
    CHECK(std::string(copy->what()).find("gone") != std::string::npos);
    CHECK(to_string(static_cast<Errc>(9999)) == "unknown");
}

TEST_CASE("damage is reported of the file that it is in") {
    const TempStore store;
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 100; ++i) {
            batch.put({7, i}, "content", {.keywords = {"word"}});
        }
        batch.crystallize();
    }
    const std::string region = store.file("region-1.mmap").string();
    Consumer consumer = store.attach();
    const Snapshot before = consumer.snapshot();
    const auto check = [&](const auto& action) {
        const auto error = error_of(action);
        REQUIRE(error);
        CHECK(to_string(error->code()) == "corrupt");
        CHECK(error->path() == region);
        CHECK(std::string(error->what()).find(region) != std::string::npos);
    };
    const Layer layer = before.get({7, 3});
    {
        // Metadata that claims more than there is.
        FileEditor editor(region);
        const auto at = [&] {
            for (std::uint64_t offset = ipc::header_bytes;; offset += ipc::block_unit) {
                const auto header = editor.read<ipc::LayerHeader>(offset);
                if (header.dimension == 7 && header.layer == 3 &&
                    (header.shape & 0xFF'FFFF) == ipc::entry_shape(7)) {
                    return offset;
                }
            }
        }();
        auto header = editor.read<ipc::LayerHeader>(at);
        header.shape |= 3U << 26;  // now its size takes four bytes, most of them text
        editor.write(at, header);
    }
    check([&] { (void)layer.name(); });
    check([&] { (void)layer.keywords(); });
    // The index: its nodes are overwritten with words that lead out of the file.
    {
        FileEditor editor(region);
        const auto record = ControlEditor(store.path()).record();
        REQUIRE(ipc::entry_kind(record.index) != ipc::EntryKind::layer);
        const std::uint64_t node = ipc::entry_offset(record.index);
        const std::uint64_t out = ipc::node_entry(ipc::EntryKind::array_node, 0xFF'FFFF'FFC0);
        const bool bitmap = ipc::entry_kind(record.index) == ipc::EntryKind::bitmap_node;
        for (std::uint64_t i = bitmap ? 1 : 0; i < (bitmap ? 3U : 64U); ++i) {
            editor.write(node + 8 * i, out);
        }
    }
    check([&] { (void)before.get({7, 4}); });
    check([&] {
        for (const Layer& one : before.dimension(7))
            (void)one;
    });
    check([&] { (void)changes(Snapshot(), before); });
}

TEST_CASE("a named layer that is missing is called by its name") {
    const Left store;
    const auto error =
        error_of([&] { (void)store.attach().snapshot().get(1, "no such \u202Ename"); });
    REQUIRE(error);
    CHECK(to_string(error->code()) == "layer_not_found");
    CHECK(error->detail() ==
          "generation 2 has no layer called \"no such \\xe2\\x80\\xaename\" in dimension 1");
    CHECK(error->detail().find(std::to_string(layer_number("no such \u202Ename"))) ==
          std::string::npos);
    const auto dimension = error_of([&] { (void)store.attach().snapshot().get(9, "name"); });
    REQUIRE(dimension);
    CHECK(to_string(dimension->code()) == "dimension_not_found");
}

TEST_CASE("a limit that is not used up says what is kept back") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 2_MiB;
    Producer producer = Producer::create(store.name(), options);
    std::optional<Error> error;
    for (std::uint64_t i = 0; !error; ++i) {
        error = error_of([&] { publish(producer, {1, i}, payload_of(i, 0, 1000)); });
    }
    CHECK(to_string(error->code()) == "limit_exceeded");
    CHECK(error->current() < error->limit());
    CHECK(error->detail().find("131072 are kept") != std::string::npos);  // a sixteenth
    error.reset();
    for (Dimension d = 2; !error; ++d) {
        error = error_of([&] { publish(producer, {d, 1}, "x"); });
    }
    CHECK(error->detail().find("131072 are kept") != std::string::npos);
}

TEST_CASE("a producer whose files somebody overwrites ends in an error, or says what happened") {
    int aborted = 0;
    for (const std::uint64_t shift : {64U, 128U, 4096U, 65536U}) {
        CAPTURE(shift);
        const TempStore store;
        const int messages = ::memfd_create("stderr", MFD_CLOEXEC);
        REQUIRE(messages >= 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::signal(SIGABRT, SIG_DFL);
            ::dup2(messages, STDERR_FILENO);
            try {
                Producer producer = store.create();
                Batch batch = producer.batch();
                for (std::uint64_t i = 0; i < 200; ++i) {
                    batch.put({1, i}, payload_of(i, 0, 100 + i));
                }
                batch.crystallize();
                // Every entry of every node leads somewhere else.
                const auto record = ControlEditor(store.path()).record();
                FileEditor editor(store.file("region-1.mmap"));
                for (std::uint64_t i = 0; i < 64; ++i) {
                    const std::uint64_t at = ipc::entry_offset(record.index) + 8 * i;
                    const auto node = editor.read<std::uint64_t>(at);
                    if (ipc::entry_kind(node) == ipc::EntryKind::nothing) continue;
                    for (std::uint64_t j = 0; j < 64; ++j) {
                        const std::uint64_t leaf = ipc::entry_offset(node) + 8 * j;
                        const auto word = editor.read<std::uint64_t>(leaf);
                        if (ipc::entry_kind(word) == ipc::EntryKind::layer) {
                            editor.write(leaf, word + shift);
                        }
                    }
                }
                for (std::uint64_t i = 0; i < 200; ++i) {
                    publish(producer, {1, i}, payload_of(i, 1, 100 + i));
                    producer.reclaim();
                }
            } catch (const Error& error) {
                ::_exit(error.code() == Errc::corrupt ? 0 : 1);
            } catch (...) {
                ::_exit(1);
            }
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        std::string said(4096, '\0');
        const ssize_t got = ::pread(messages, said.data(), said.size(), 0);
        said.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        ::close(messages);
        CAPTURE(said);
        if (WIFSIGNALED(status)) {
            CHECK(WTERMSIG(status) == SIGABRT);
            CHECK(said.find("somebody overwrote its files") != std::string::npos);
            ++aborted;
        } else {
            CHECK(WEXITSTATUS(status) == 0);
        }
    }
    CHECK(aborted > 0);  // else this test looks at nothing
}

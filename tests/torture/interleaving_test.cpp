// SPDX-License-Identifier: Apache-2.0
// Interleavings that are rare in nature, made certain: at the crash points, instead of dying, one
// side waits while the other acts. Everything happens in one thread.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/atomic_word.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sleeping_thread.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/torture/at_point.hpp"
#include "tests/torture/versions.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

/// A file mapped read-only, as consumers do.
class FileMapping {
public:
    explicit FileMapping(const char* path) {
        const int file = ::open(path, O_RDONLY | O_CLOEXEC);
        bytes_ = ::mmap(nullptr, ipc::header_bytes, PROT_READ, MAP_SHARED, file, 0);
        ::close(file);
        if (bytes_ == MAP_FAILED) {
            fail_errno("map the control file");
        }
    }
    FileMapping(const FileMapping&) = delete;
    FileMapping& operator=(const FileMapping&) = delete;
    ~FileMapping() { ::munmap(bytes_, ipc::header_bytes); }
    const std::byte* bytes() const noexcept { return static_cast<const std::byte*>(bytes_); }

private:
    void* bytes_;
};

}  // namespace

TEST_CASE(
    "the clock moves on and a younger root appears between the pin and the look at the root") {
    for (const std::string_view point : {"pin.epoch-read", "pin.locked", "pin.confirmed"}) {
        CAPTURE(point);
        const TempStore store;
        Producer producer = store.create();
        publish_all(producer, 1);
        publish_all(producer, 2);
        Consumer consumer = Consumer::attach(store.name(), without_threads(store));
        bool acted = false;
        at_point(point, [&] {
            producer.reclaim();
            publish_all(producer, 3);
            acted = true;
        });
        const Snapshot snapshot = consumer.snapshot();
        CHECK(acted);
        CHECK(mismatch(snapshot, 3) == "");
        churn(producer, 10);
        CHECK(mismatch(snapshot, 3) == "");
    }
}

TEST_CASE("the producer has its lock on an epoch just when a consumer wants to pin that") {
    // The producer's own lock stands for an instant; this one stands for it.
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    const ipc::FileDescriptor file(::open(store.file("control.mmap").c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(file);
    const auto lock = [&](ipc::os::LockType type) {
        return ipc::os::set_lock(file.get(), type, 0, std::uint64_t{1} << 61);
    };
    bool refused = false;
    at_point("pin.epoch-read", [&] {
        producer.reclaim();  // so the epoch has moved on, as it has when the producer locks
        refused = lock(ipc::os::LockType::exclusive) == 0;
        at_point("pin.locked", [&] { lock(ipc::os::LockType::unlock); });
    });
    std::string code = code_of([&] { CHECK(mismatch(consumer.snapshot(), 1) == ""); });
    CHECK(refused);
    CHECK(code == "no error");

    // Somebody else's, on the newest epoch: no producer has that.
    REQUIRE(lock(ipc::os::LockType::exclusive) == 0);
    code = code_of([&] { (void)consumer.snapshot(); });
    CHECK(code == "system");
    REQUIRE(lock(ipc::os::LockType::unlock) == 0);
    CHECK(mismatch(consumer.snapshot(), 1) == "");
}

TEST_CASE("the clock moves on while the root is looked at") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    at_point("view.root-loaded", [&] { churn(producer, 10); });
    const Snapshot snapshot = consumer.snapshot();
    CHECK(visitor == nullptr);
    const bool old = mismatch(snapshot, 1).empty();
    CHECK((old || mismatch(snapshot, 21).empty()));
    churn(producer, 40);
    CHECK(mismatch(snapshot, old ? 1 : 21) == "");
}

TEST_CASE("a root record that is reused while it is read is neither believed nor reported") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    at_point("pin.confirmed", [&] {
        // The root that is about to be looked at is younger than the pin, so nothing keeps it.
        producer.reclaim();
        publish_all(producer, 2);
        FileEditor control(store.file("control.mmap"));
        const auto root = control.read<ipc::ControlCells>(ipc::cells_offset).root;
        at_point("view.root-loaded", [&, root] {
            publish_all(producer, 3);
            producer.reclaim();  // its block may become anything
            FileEditor(store.file("control.mmap"))
                .write(root, std::array<std::uint64_t, 8>{~std::uint64_t{0}});
        });
    });
    CHECK(code_of([&] { CHECK(mismatch(consumer.snapshot(), 3) == ""); }) == "no error");
    CHECK(visitor == nullptr);
}

TEST_CASE("a pin that is taken while the producer looks at the pins") {
    for (const std::string_view point :
         {"reclaim.begin", "reclaim.epoch-stored", "reclaim.pins-known", "reclaim.freed"}) {
        CAPTURE(point);
        const TempStore store;
        Producer producer = store.create();
        publish_all(producer, 1);
        publish_all(producer, 2);
        Consumer consumer = Consumer::attach(store.name(), without_threads(store));
        std::optional<Snapshot> snapshot;
        at_point(point, [&] { snapshot = consumer.snapshot(); });
        producer.reclaim();
        REQUIRE(snapshot);
        churn(producer, 10);
        CHECK(mismatch(*snapshot, 2) == "");
    }
}

TEST_CASE("first the root, then the ring of generations, then the number") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 2;
    Producer producer = Producer::create(store.name(), options);
    const Generation before = publish_all(producer, 1);
    const Generation after = before + 1;
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    std::vector<std::string> seen;
    const auto look = [&](const char* when) {
        const std::string root =
            consumer.snapshot().generation() == after ? "new root" : "old root";
        const std::string ring = code_of([&] { (void)consumer.snapshot(after); });
        const std::string number = consumer.generation() == after ? "new number" : "old number";
        seen.push_back(std::string(when) + ": " + root + ", " + ring + ", " + number);
    };
    visitor = [&](std::string_view name) {
        for (const char* const point : {"commit.before-root", "commit.root-stored",
                                        "commit.history-stored", "commit.generation-stored"}) {
            if (name == point) {
                const auto again = std::exchange(visitor, nullptr);
                look(point);
                visitor = again;
            }
        }
    };
    publish_all(producer, 2);
    visitor = nullptr;
    REQUIRE(seen.size() == 4);
    CHECK(seen[0] == "commit.before-root: old root, generation_not_retained, old number");
    // As the newest root it can be asked for by number even before it stands in the ring.
    CHECK(seen[1] == "commit.root-stored: new root, no error, old number");
    CHECK(seen[2] == "commit.history-stored: new root, no error, old number");
    CHECK(seen[3] == "commit.generation-stored: new root, no error, new number");
}

TEST_CASE("a walk to an old generation does not begin again when the epoch advances") {
    constexpr std::uint32_t retained = 300;
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = retained;
    Producer producer = Producer::create(store.name(), options);
    std::uint64_t version = 0;
    while (version < retained) {
        publish_all(producer, ++version);  // as generation version + 1
    }
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    const auto published = consumer.snapshot(3).published_at();
    const std::array<std::function<Snapshot()>, 2> questions{
        [&] { return consumer.snapshot(producer.generation() - retained + 20); },
        [&] { return consumer.snapshot_at(published - std::chrono::hours(1)); }};
    for (const auto& question : questions) {
        int walks = 0;
        visitor = [&](std::string_view point) {
            const bool begun = point == "walk.root-loaded";
            walks += begun ? 1 : 0;
            // At first before the root is known to be protected, later when the walk is over.
            if ((begun && walks == 1) || (point == "view.root-loaded" && walks > 1 && walks < 10)) {
                const auto inside = std::exchange(visitor, nullptr);
                const auto before = producer.stats().epoch;
                publish_all(producer, ++version);
                producer.reclaim();
                CHECK(producer.stats().epoch > before);
                visitor = inside;
            }
        };
        std::optional<Snapshot> snapshot;
        const std::string code = code_of([&] { snapshot = question(); });
        visitor = nullptr;
        CHECK(walks == 2);
        if (snapshot) {
            const std::uint64_t of_it = snapshot->generation() - 1;
            CHECK(mismatch(*snapshot, of_it) == "");
            for (std::uint32_t i = 0; i < retained + 64; ++i) {  // evicted, its memory used again
                publish_all(producer, ++version);
            }
            producer.reclaim();
            CHECK(code_of([&] { (void)consumer.snapshot(of_it + 1); }) ==
                  "generation_not_retained");
            CHECK(mismatch(*snapshot, of_it) == "");
        } else {
            CHECK(code == "generation_not_retained");
        }
    }
}

TEST_CASE("whoever sleeps on the generation is woken by the commit, not only by looking again") {
    const TempStore store;
    Producer producer = store.create();
    const FileMapping control(store.file("control.mmap").c_str());
    const auto& word = *reinterpret_cast<const std::uint64_t*>(
        control.bytes() + ipc::cells_offset + offsetof(ipc::ControlCells, generation));
    const ipc::FileDescriptor file(
        ::open(store.file("control.mmap").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(ipc::announce_waiter(file, ::getpid()) == 0);
    bool woken = false;
    SleepingThread thread([&] {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        do {  // the producer, having just heard of a waiter, may wake him once too often
            woken = ipc::os::futex_wait(ipc::futex_word(word), 1, deadline);
        } while (woken && ipc::load_acquire(word) == 1);
    });
    CHECK(publish_all(producer, 1) == 2);
    thread.join();
    CHECK(woken);
}

TEST_CASE("a snapshot that is copied, and then dropped, while its view is being closed") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    Consumer consumer = store.attach();
    (void)consumer.snapshot();                // from the second on, the newest view stays open
    Snapshot original = consumer.snapshot();  // in the thread's hazard slot
    Snapshot copy;
    at_point("view.flagged", [&] {
        copy = original;
        original = Snapshot();
    });
    // Small ones, so that the epoch stands still and nobody else closes views.
    const auto next = [&] {
        Batch batch = producer.batch();
        batch.put({2, 0}, "small");
        batch.crystallize();
        return consumer.snapshot();
    };
    // Sixteen retired views are looked at by whoever takes the next one; only the keeper's first
    // look, as soon as it runs, may come before.
    for (int i = 0; i < 40 && !copy; ++i) {
        (void)next();
    }
    REQUIRE(copy);
    REQUIRE_FALSE(original);
    std::vector<Snapshot> others;  // for which closed views are used again
    for (int i = 0; i < 20; ++i) {
        others.push_back(next());
    }
    const Generation last = producer.generation();
    churn(producer, 2);
    CHECK(copy.generation() == 2);
    CHECK(mismatch(copy, 1) == "");
    CHECK(others.back().generation() == last);
}

// SPDX-License-Identifier: Apache-2.0
// Files that are cut short under their mapping: guarded reads end in a typed error, others in the
// kernel's SIGBUS, and a handler that was there before is still served.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/sleeping_thread.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t payload_bytes = 64 << 10;
constexpr std::uint64_t layers = 20;

// Large layers, so that cutting the file's end off leaves the index in place.
void fill(Producer& producer) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload_of(i, 0, payload_bytes));
        batch.put({2, i}, payload_of(i, 2, 100));
    }
    batch.crystallize();
}

struct CutStore : TempStore {
    CutStore() : TempStore(Regions::own) {
        Producer producer = create();
        fill(producer);
    }
    void cut(std::uint64_t bytes, std::string_view name = "region-1.mmap") const {
        FileEditor(file(name)).truncate(bytes);
    }
};

bool default_handler() {
    struct sigaction action {};
    ::sigaction(SIGBUS, nullptr, &action);
    // The sanitizers have one of their own.
    return sanitized || action.sa_handler == SIG_DFL;
}

}  // namespace

TEST_CASE("verify reports a region that is cut short after the snapshot was taken") {
    for (const std::uint64_t left : {std::uint64_t{0}, std::uint64_t{4096}, 10 * payload_bytes}) {
        CAPTURE(left);
        const CutStore store;
        Consumer consumer = store.attach();
        const Snapshot snapshot = consumer.snapshot();
        REQUIRE(verify(snapshot).ok());  // and so everything is mapped
        store.cut(left);
        const VerifyReport report = verify(snapshot);
        CHECK_FALSE(report.ok());
        REQUIRE_FALSE(report.failures.empty());
        CHECK(report.failures.back().file == "region-1.mmap");
        CHECK(report.failures.back().what.find("cut short") != std::string::npos);
        // The other dimension is as it was.
        CHECK(verify(snapshot, 2).ok());
        CHECK(default_handler());
    }
}

TEST_CASE("verify reports a control file that is cut short under it") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    store.cut(0, "control.mmap");
    const VerifyReport report = verify(snapshot);
    CHECK_FALSE(report.ok());
    REQUIRE_FALSE(report.failures.empty());
    CHECK(report.failures.back().file == "control.mmap");
}

TEST_CASE("copy_layer copies what is there and says what was cut off") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    const auto as_text = [](const std::vector<std::byte>& bytes) {
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    CHECK(as_text(copy_layer(snapshot, {1, 3})) == payload_of(3, 0, payload_bytes));
    CHECK(code_of([&] { (void)copy_layer(snapshot, {1, 99}); }) == "layer_not_found");
    CHECK(code_of([&] { (void)copy_layer(snapshot, {9, 0}); }) == "dimension_not_found");
    store.cut(4096);
    const auto error = error_of([&] { (void)copy_layer(snapshot, {1, 3}); });
    REQUIRE(error);
    CHECK(error->code() == Errc::truncated);
    CHECK(error->path() == store.file("region-1.mmap"));
    CHECK(as_text(copy_layer(snapshot, {2, 3})) == payload_of(3, 2, 100));
}

TEST_CASE("a scan under a guard copies layer by layer and ends in truncated") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    std::uint64_t copied = 0;
    const std::string code = code_of([&] {
        const ReadGuard guard;
        for (const Layer& layer : snapshot.dimension(1)) {
            if (copied == layers / 2) store.cut(4096);
            const std::string copy(layer.text());
            guard.check("scan");
            CHECK(copy == payload_of(copied, 0, payload_bytes));
            ++copied;
        }
    });
    CHECK(code == "truncated");
    CHECK(copied == layers / 2);
}

TEST_CASE("a file that gets its bytes back is read again: the zeros do not stay") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    const std::string contents = contents_of(store.file("region-1.mmap"));
    store.cut(4096);
    CHECK(code_of([&] { (void)copy_layer(snapshot, {1, 0}); }) == "truncated");
    {
        FileEditor region(store.file("region-1.mmap"));
        region.truncate(contents.size());
    }
    std::fstream file(store.file("region-1.mmap"), std::ios::binary | std::ios::in | std::ios::out);
    file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    file.close();
    CHECK(verify(snapshot).ok());
    CHECK(snapshot.get({1, 0}).text() == payload_of(0, 0, payload_bytes));
}

TEST_CASE("cut, cut further, and again, under one guard") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    const Layer layer = snapshot.get({1, layers - 1});
    const std::byte* const end = layer.data() + layer.size();
    const ReadGuard guard;
    CHECK(*(end - 1) != std::byte{0});
    std::uint64_t bytes = FileEditor(store.file("region-1.mmap")).size();
    for (; bytes > 4096; bytes /= 2) {
        store.cut(bytes / 2 / 4096 * 4096);
        CHECK(*(end - 1) == std::byte{0});
        CHECK(guard.faulted());
    }
    CHECK(code_of([&] { guard.check("test"); }) == "truncated");
    {
        const ReadGuard inner;  // tells only of its own time
        CHECK_FALSE(inner.faulted());
    }
}

TEST_CASE("threads under guards survive together while a file is cut and grows again") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    const std::uint64_t whole = FileEditor(store.file("region-1.mmap")).size();
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> truncated{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            while (!stop.load()) {
                const std::string code = code_of([&] {
                    (void)copy_layer(snapshot, {1, layers - 1});
                });
                truncated += code == "truncated" ? 1 : 0;
            }
        });
    }
    const int rounds = scaled(200, 20);
    for (int round = 0; round < rounds || truncated.load() == 0; ++round) {
        store.cut(round % 3 == 0 ? 4096 : whole / 2 / 4096 * 4096);
        std::this_thread::yield();
        store.cut(whole);
    }
    stop = true;
    for (std::thread& thread : threads)
        thread.join();
    CHECK(truncated.load() > 0);
    CHECK(default_handler());
}

TEST_CASE("the library's threads and waits survive a control file that is cut short") {
    const CutStore store;
    Child child = Child::start([&](const Channel&) {
        std::optional<Consumer> consumer = store.attach();
        { const ReadGuard before; }
        (void)consumer->snapshot();
        (void)consumer->snapshot();  // from here on a thread sees to the pin
        const int fd = consumer->event_descriptor();
        std::string waited;
        SleepingThread waiter(
            [&] { waited = code_of([&] { consumer->wait(99, {.wait_for_producer = true}); }); });
        const ReadGuard guard;
        store.cut(0, "control.mmap");
        waiter.join();
        STRATA_REQUIRE_EQ(waited, "truncated");
        pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
        STRATA_REQUIRE_EQ(::poll(&entry, 1, -1), 1);
        STRATA_REQUIRE_EQ(code_of([&] { consumer->acknowledge_event(); }), "truncated");
        STRATA_REQUIRE_EQ(code_of([&] { consumer->wait(0); }), "truncated");
        consumer.reset();  // and its threads end, though nobody can be woken on a lost page
    });
    CHECK(child.join() == "");
}

TEST_CASE("a guard reads zeros from the system's page on, whatever its size") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    const Layer layer = snapshot.get({1, layers - 1});
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const ReadGuard guard;
    store.cut(page);
    // Every page of the payload, touched from behind.
    for (std::size_t at = layer.size(); at > 0; at -= std::min<std::size_t>(at, page)) {
        CHECK(layer.bytes()[at - 1] == std::byte{0});
    }
    CHECK(guard.faulted());
}

TEST_CASE("a guarded read leaves errno as it was, whatever was refused on the way") {
    const CutStore store;
    Child child = Child::start([&](const Channel&) {
        const Snapshot snapshot = store.attach().snapshot();
        const Layer layer = snapshot.get({1, layers - 1});
        refuse_call(SYS_mremap, ENOMEM);  // the mapping that is to be kept for putting back
        const ReadGuard guard;
        store.cut(4096);
        errno = 0;
        *const_cast<const volatile std::byte*>(layer.data());
        const int after = errno;
        STRATA_REQUIRE(guard.faulted());
        STRATA_REQUIRE_EQ(after, 0);
    });
    CHECK(child.join() == "");
}

TEST_CASE("a read without a guard ends in SIGBUS, also after others were guarded") {
    const CutStore store;
    Child child = Child::start([&](const Channel& channel) {
        const Snapshot snapshot = store.attach().snapshot();
        const Layer layer = snapshot.get({1, layers - 1});
        store.cut(4096);
        STRATA_REQUIRE_EQ(code_of([&] { (void)copy_layer(snapshot, {1, 0}); }), "truncated");
        ::signal(SIGBUS, SIG_DFL);  // not the sanitizers' own
        channel.send(1);
        *const_cast<const volatile std::byte*>(layer.data());
        channel.send(2);
    });
    CHECK(child.receive() == 1);
    CHECK(child.join_killed(SIGBUS) == "");
}

namespace {

std::atomic<int> foreign_faults{0};
sigjmp_buf back;

void foreign_handler(int) {
    ++foreign_faults;
    siglongjmp(back, 1);
}

}  // namespace

TEST_CASE("faults that are not of a store go to the handler that was there before") {
    const CutStore store;
    const Snapshot snapshot = store.attach().snapshot();
    struct sigaction mine {};
    mine.sa_handler = foreign_handler;
    struct sigaction before {};
    REQUIRE(::sigaction(SIGBUS, &mine, &before) == 0);

    std::string name = store.base() / "foreign.XXXXXX";
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    void* const mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(mapped != MAP_FAILED);
    foreign_faults = 0;
    {
        const ReadGuard guard;
        if (sigsetjmp(back, 1) == 0) {
            *static_cast<const volatile char*>(mapped);
        }
        CHECK(foreign_faults.load() == 1);
        CHECK_FALSE(guard.faulted());
        // A signal that somebody sends is no fault of ours either.
        if (sigsetjmp(back, 1) == 0) {
            ::raise(SIGBUS);
        }
        CHECK(foreign_faults.load() == 2);
        store.cut(4096);
        CHECK(code_of([&] { (void)copy_layer(snapshot, {1, 0}); }) == "truncated");
        CHECK(foreign_faults.load() == 2);
    }
    struct sigaction after {};
    REQUIRE(::sigaction(SIGBUS, &before, &after) == 0);
    CHECK((after.sa_handler == foreign_handler));
    ::munmap(mapped, 4096);
    ::close(fd);
}

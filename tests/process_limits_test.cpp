// SPDX-License-Identifier: Apache-2.0
// What the system refuses a process (address space, descriptors), what it does to one (signals
// without end, being stopped), and how the others fare meanwhile.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace fs = std::filesystem;

namespace {

constexpr Oracle oracle{.layers = 200, .max_payload = 500};

void publish_until(Producer& producer, Generation generation) {
    while (producer.generation() < generation) {
        oracle.publish(producer);
    }
}

void set_limit(decltype(RLIMIT_AS) which, rlim_t value) {
    rlimit limit{};
    ::getrlimit(which, &limit);
    limit.rlim_cur = value;
    if (::setrlimit(which, &limit) != 0) fail_errno("setrlimit");
}

rlim_t address_space() {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t entries(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

/// Takes descriptors until only some are left.
class Hoard {
public:
    explicit Hoard(std::size_t left) {
        while (const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
            if (fd < 0) break;
            taken_.push_back(fd);
        }
        STRATA_REQUIRE(taken_.size() >= left);
        for (; left > 0; --left) {
            ::close(taken_.back());
            taken_.pop_back();
        }
    }
    Hoard(const Hoard&) = delete;
    Hoard& operator=(const Hoard&) = delete;
    ~Hoard() {
        for (const int fd : taken_)
            ::close(fd);
    }

private:
    std::vector<int> taken_;
};

}  // namespace

TEST_CASE("too little address space: an error with the number, and it works when there is more") {
    STRATA_SKIP_IF(sanitized, "the sanitizers need the address space for themselves");
    const TempStore temp(TempStore::Regions::own);
    Producer producer = temp.create();
    publish_until(producer, 20);
    Child child = Child::start([&](const Channel&) {
        const rlim_t used = address_space();
        std::size_t failed = 0;
        std::string last = "none yet";
        // From nothing to all four mappings (of twice a file's size, or once) fitting.
        for (rlim_t more = 0; last != "no error"; more += 16 << 10) {
            STRATA_REQUIRE(more < (rlim_t{1} << 26));
            set_limit(RLIMIT_AS, used + more);
            const auto attach_and_read = [&] {
                Consumer consumer = temp.attach();
                const Snapshot snapshot = consumer.snapshot();
                for (const DimensionInfo& info : snapshot.dimensions()) {
                    for (const Layer& layer : snapshot.dimension(info.dimension)) {
                        STRATA_REQUIRE(layer.verify());
                    }
                }
            };
            std::optional<Error> error;
            bool starved = false;  // the heap needs address space as well
            try {
                error = error_of(attach_and_read);
            } catch (const std::bad_alloc&) {
                starved = true;
            }
            set_limit(RLIMIT_AS, RLIM_INFINITY);
            last = starved ? "no memory"
                   : error ? std::string(to_string(error->code()))
                           : "no error";
            if (error) {
                STRATA_REQUIRE_EQ(last, "system");
                STRATA_REQUIRE_EQ(error->errno_value(), ENOMEM);
                STRATA_REQUIRE(error->detail().find("address space") != std::string::npos);
                ++failed;
            }
        }
        STRATA_REQUIRE(failed > 3);

        // The same for a producer, which leaves nothing behind.
        set_limit(RLIMIT_AS, address_space() + (32 << 20));
        STRATA_REQUIRE_EQ(
            code_of([&] { (void)Producer::create("other", temp.producer_options()); }), "system");
        STRATA_REQUIRE_EQ(entries(temp.base()), 1U);
        set_limit(RLIMIT_AS, RLIM_INFINITY);
        (void)Producer::create("other", temp.producer_options());
        remove_store("other", temp.base());
    });
    CHECK(child.join() == "");
    publish_until(producer, 40);
    CHECK(oracle.mismatch(temp.attach().snapshot()) == "");
}

TEST_CASE("a store of many dimensions: little address space, and its end is no absence") {
    STRATA_SKIP_IF(sanitized, "the sanitizers need address space for their shadows");
    constexpr Dimension dimensions = 300;
    const TempStore temp(TempStore::Regions::own);
    ProducerOptions options = temp.producer_options();
    options.region_max_bytes = 16_GiB;  // the default; each dimension may grow as far
    options.memory_limit = 256_MiB;
    Producer producer = Producer::create(temp.name(), options);
    Batch batch = producer.batch();
    for (Dimension dimension = 1; dimension <= dimensions; ++dimension) {
        batch.put({dimension, 7}, std::to_string(dimension));
    }
    batch.crystallize();
    Child child = Child::start([&](const Channel&) {
        Consumer consumer = temp.attach();
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE(snapshot.find({1, 7}));
        // A few more mappings fit: what is not found then is thrown.
        set_limit(RLIMIT_AS, address_space() + (1 << 20));
        std::size_t failed = 0;
        for (Dimension dimension = 1; dimension <= dimensions; ++dimension) {
            const std::string code = code_of([&] {
                const Layer layer = snapshot.find({dimension, 7});
                STRATA_REQUIRE(layer);
            });
            STRATA_REQUIRE(code == "no error" || code == "system" || code == "bad_alloc");
            failed += code == "no error" ? 0 : 1;
        }
        STRATA_REQUIRE(failed > 0);
        STRATA_REQUIRE(failed < dimensions);
        // What `ulimit -v` of 2 GiB leaves suffices for all.
        set_limit(RLIMIT_AS, rlim_t{2} << 30);
        for (Dimension dimension = 1; dimension <= dimensions; ++dimension) {
            STRATA_REQUIRE_EQ(snapshot.find({dimension, 7}).text(), std::to_string(dimension));
        }
        const auto error = error_of([&] { (void)snapshot.find({dimensions + 1, 7}); });
        STRATA_REQUIRE(!error);
        set_limit(RLIMIT_AS, RLIM_INFINITY);
    });
    CHECK(child.join() == "");
}

TEST_CASE("no descriptors left: an error, what is held goes on, and nothing leaks") {
    STRATA_SKIP_IF(sanitized, "the sanitizers need descriptors for their checks");
    const TempStore temp(TempStore::Regions::own);
    Producer producer = temp.create();
    publish_until(producer, 20);
    Child child = Child::start([&](const Channel& channel) {
        set_limit(RLIMIT_NOFILE, 64);
        Consumer early = temp.attach();
        const Snapshot held = early.snapshot();
        STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        const std::size_t before = entries("/proc/self/fd");
        std::string last = "none yet";
        std::size_t failed = 0;
        for (std::size_t left = 0; last != "no error"; ++left) {
            {
                const Hoard hoard(left);
                const auto error = error_of([&] {
                    Consumer consumer = temp.attach();
                    const Snapshot snapshot = consumer.snapshot();
                    for (std::uint64_t index = 0; index < oracle.dimensions; ++index) {
                        (void)snapshot.dimension(oracle.id(index).dimension);
                    }
                });
                last = error ? std::string(to_string(error->code())) : "no error";
                if (error) {
                    STRATA_REQUIRE_EQ(last, "system");
                    STRATA_REQUIRE_EQ(error->errno_value(), EMFILE);
                    ++failed;
                }
                // Needs none.
                STRATA_REQUIRE_EQ(oracle.mismatch(early.snapshot()), "");
                STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            }
            STRATA_REQUIRE_EQ(entries("/proc/self/fd"), before);
        }
        STRATA_REQUIRE(failed > 3);

        // A producer can change what it has, and says so when it cannot add.
        Producer own = Producer::create("own", temp.producer_options());
        publish(own, {1, 1}, "before");
        {
            const Hoard hoard(0);
            publish(own, {1, 1}, "meanwhile");
            STRATA_REQUIRE_EQ(code_of([&] { publish(own, {2, 1}, "a new file"); }), "system");
            STRATA_REQUIRE_EQ(own.generation(), 3U);
        }
        publish(own, {2, 1}, "a new file");
        channel.send(own.generation());
    });
    CHECK(child.receive() == 4);
    CHECK(child.join() == "");
}

namespace {

std::atomic<std::uint64_t> alarms{0};

}  // namespace

TEST_CASE(
    "a file may not grow: an error that names the limit of the process, and nothing is lost") {
    const TempStore temp;
    Child child = Child::start([&](Channel&) {
        Producer producer = temp.create();
        publish(producer, {1, 1}, "first");
        rlimit before{};
        STRATA_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        const rlimit lowered{static_cast<rlim_t>(1_MiB), before.rlim_max};
        std::signal(SIGXFSZ, SIG_IGN);
        STRATA_REQUIRE(::setrlimit(RLIMIT_FSIZE, &lowered) == 0);
        Batch batch = producer.batch();
        const auto error = error_of([&] { batch.put({1, 2}, payload_of(1, 2, 2'000'000)); });
        STRATA_REQUIRE(error.has_value());
        STRATA_REQUIRE_EQ(error->errno_value(), EFBIG);
        STRATA_REQUIRE(error->hint().find("ulimit -f") != std::string::npos);
        STRATA_REQUIRE_EQ(producer.stats().committed_bytes, temp.allocated_bytes());
        STRATA_REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        batch.put({1, 2}, payload_of(1, 2, 2'000'000));
        batch.crystallize();
        STRATA_REQUIRE_EQ(temp.attach().snapshot().layer_count(), 2U);
    });
    CHECK(child.join() == "");
}

TEST_CASE("a storm of signals: waits are neither cut short nor missed, commits go on") {
    const TempStore temp(TempStore::Regions::own);
    Child child = Child::start([&](const Channel& channel) {
        // No SA_RESTART: calls are interrupted.
        struct sigaction action {};
        action.sa_handler = [](int) { alarms.fetch_add(1, std::memory_order_relaxed); };
        ::sigaction(SIGALRM, &action, nullptr);
        const itimerval storm = {{0, scaled(200, 2000)}, {0, scaled(200, 2000)}};
        ::setitimer(ITIMER_REAL, &storm, nullptr);

        Producer producer = temp.create();
        Consumer consumer = temp.attach();
        publish_until(producer, 100);
        producer.reclaim();
        using Clock = std::chrono::steady_clock;
        for (int i = 0; i < 3; ++i) {
            const auto start = Clock::now();
            STRATA_REQUIRE_EQ(consumer.wait(100, std::chrono::milliseconds(50)),
                              WaitResult::timeout);
            STRATA_REQUIRE(Clock::now() - start >= std::chrono::milliseconds(50));
        }
        Child other = Child::start([&](const Channel& inner) {  // timers are not inherited
            ::setitimer(ITIMER_REAL, &storm, nullptr);
            Consumer waiting = temp.attach();
            Generation seen = waiting.generation();
            inner.send(seen);
            while (seen < 200) {
                STRATA_REQUIRE_EQ(waiting.wait(seen, patience), WaitResult::changed);
                const Snapshot snapshot = waiting.snapshot();
                STRATA_REQUIRE(snapshot.generation() > seen);
                STRATA_REQUIRE_EQ(oracle.mismatch(snapshot), "");
                seen = snapshot.generation();
            }
        });
        other.receive();
        publish_until(producer, 200);
        STRATA_REQUIRE_EQ(other.join(), "");
        STRATA_REQUIRE(alarms.load() > 20);
        channel.send(1);
    });
    CHECK(child.receive() == 1);
    CHECK(child.join() == "");
}

TEST_CASE("a consumer that is stopped while it holds a snapshot costs memory and nothing else") {
    const TempStore temp(TempStore::Regions::own);
    Producer producer = temp.create();
    publish_until(producer, 50);
    Child child = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        Snapshot held = consumer.snapshot();
        channel.send(held.generation());
        channel.receive();
        STRATA_REQUIRE_EQ(held.generation(), 50U);
        STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        held = consumer.snapshot();
        STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        channel.send(held.generation());
    });
    REQUIRE(child.receive() == 50);
    child.kill(SIGSTOP);
    int status = 0;
    REQUIRE(::waitpid(child.pid(), &status, WUNTRACED) == child.pid());
    REQUIRE(WIFSTOPPED(status));

    Consumer bystander = temp.attach();
    const std::uint64_t live = producer.stats().live_bytes;
    publish_until(producer, scaled(20'000, 2'000));
    CHECK(oracle.mismatch(bystander.snapshot()) == "");
    // It holds what it could see, not what came and went since.
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes <= 2 * live + 32_KiB);
    const auto pins = readers(temp.name(), temp.base());
    REQUIRE_FALSE(pins.empty());
    CHECK(pins[0].pid == child.pid());

    child.send(1);
    child.kill(SIGCONT);
    CHECK(child.receive() == producer.generation());
    CHECK(child.join() == "");
    (void)bystander.snapshot();
    producer.reclaim();
    producer.trim();
    CHECK(producer.stats().limbo_bytes == 0);
}

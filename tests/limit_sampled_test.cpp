// SPDX-License-Identifier: Apache-2.0
// The limit, watched from outside: the memory that the file system says is in use, sampled without
// pause while the store churns, never passes the limit. On a tmpfs of the test's own, so that files
// which are removed but still mapped by consumers count as well. Needs root.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

namespace {

bool own_tmpfs(const std::filesystem::path& path) {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("none", path.c_str(), "tmpfs", 0, "size=128m") == 0;
}

std::uint64_t used_bytes(const std::filesystem::path& path) {
    struct statvfs status {};
    STRATA_REQUIRE(::statvfs(path.c_str(), &status) == 0);
    return (status.f_blocks - status.f_bfree) * status.f_frsize;
}

class Sampler {
public:
    Sampler(const std::filesystem::path& path, std::uint64_t bound)
        : bound_(bound), thread_([this, path] { run(path); }) {}
    ~Sampler() { stop(); }
    void stop() {
        stop_.store(true);
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    /// Raise before the limit is raised, lower after it was lowered.
    void set_bound(std::uint64_t bound) { bound_.store(bound); }
    std::uint64_t excess() const { return excess_.load(); }
    std::uint64_t samples() const { return samples_.load(); }
    std::uint64_t peak() const { return peak_.load(); }

private:
    void run(const std::filesystem::path& path) {
        while (!stop_.load()) {
            const std::uint64_t before = bound_.load();
            const std::uint64_t used = used_bytes(path);
            const std::uint64_t allowed = std::max(before, bound_.load());
            peak_.store(std::max(peak_.load(), used));
            excess_.store(std::max(excess_.load(), used - std::min(used, allowed)));
            samples_.fetch_add(1);
        }
    }
    std::atomic<std::uint64_t> bound_;
    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> excess_{0};
    std::atomic<std::uint64_t> samples_{0};
    std::atomic<std::uint64_t> peak_{0};
    std::thread thread_;
};

// Puts, erases, dimensions that come and go, batches that are dropped, failing commits.
void churn(Producer& producer, std::uint64_t seed, std::uint64_t rounds) {
    std::mt19937_64 random(seed);
    Batch batch = producer.batch();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        try {
            for (int i = 0; i < 8; ++i) {
                const LayerId id{static_cast<Dimension>(1 + random() % 4), random() % 40};
                if (random() % 4 == 0) {
                    batch.erase(id);
                } else {
                    batch.put(id, payload_of(id.layer, round, random() % 60'000));
                }
            }
            switch (random() % 12) {
                case 0: batch.clear(); break;
                case 1: batch.remove_dimension(static_cast<Dimension>(1 + random() % 4)); break;
                case 2: producer.trim(); break;
                case 3: (void)statistics(producer); break;
                default: break;
            }
            batch.crystallize();
        } catch (const Error& error) {
            STRATA_REQUIRE(error.code() == Errc::limit_exceeded ||
                           error.code() == Errc::dimension_not_found);
            batch.clear();
        }
    }
}

}  // namespace

TEST_CASE("memory in use never passes the limit, not even for a moment") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store;
    Child child = Child::start([&](const Channel& channel) {
        if (!own_tmpfs(store.base())) {
            channel.send(0);
            return;
        }
        const std::uint64_t empty = used_bytes(store.base());
        ProducerOptions options = store.producer_options();
        options.memory_limit = 4_MiB;
        options.slow_readers.policy = SlowReaderPolicy::relocate;
        Producer producer = Producer::create(store.name(), options);
        Sampler sampler(store.base(), empty + 4_MiB);
        std::atomic<bool> stop{false};
        std::thread reader([&] {  // holds snapshots, and has removed files mapped
            Consumer consumer = store.attach();
            while (!stop.load()) {
                const Snapshot snapshot = consumer.snapshot();
                for (Dimension dimension = 1; dimension <= 4; ++dimension) {
                    (void)snapshot.find({dimension, 1});
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
            }
        });
        const auto rounds = scaled<std::uint64_t>(500, 100);
        for (const std::uint64_t limit : {4_MiB, 6_MiB, 3_MiB, 8_MiB, 2_MiB}) {
            if (limit > producer.memory_limit()) {
                sampler.set_bound(empty + limit);
                producer.set_memory_limit(limit);
            } else if (limit < producer.memory_limit()) {
                std::thread other([&] { churn(producer, limit, rounds / 10); });  // meanwhile
                bool lowered = false;
                for (int attempt = 0; attempt < 1000 && !lowered; ++attempt) {
                    try {
                        producer.set_memory_limit(limit);
                        lowered = true;
                    } catch (const Error&) {  // in use: make room
                        Batch batch = producer.batch();
                        for (Dimension dimension = 1; dimension <= 4; ++dimension) {
                            batch.remove_dimension(dimension);
                        }
                        batch.crystallize();
                        std::this_thread::sleep_for(std::chrono::milliseconds(2));
                    }
                }
                sampler.set_bound(empty + producer.memory_limit());
                other.join();
                STRATA_REQUIRE(lowered);
            }
            std::vector<std::thread> threads;
            for (std::uint64_t seed = 0; seed < 2; ++seed) {
                threads.emplace_back([&, seed] { churn(producer, limit + seed, rounds); });
            }
            for (std::thread& thread : threads) {
                thread.join();
            }
        }
        stop.store(true);
        reader.join();
        sampler.stop();
        STRATA_REQUIRE(sampler.samples() > 100);
        STRATA_REQUIRE(sampler.peak() > empty + 4_MiB);  // it was put to the test
        STRATA_REQUIRE_EQ(sampler.excess(), std::uint64_t{0});
        channel.send(1);
    });
    const std::uint64_t ran = child.channel().receive();
    CHECK(child.join() == "");
    STRATA_SKIP_IF(ran == 0, "cannot mount a tmpfs here");
}

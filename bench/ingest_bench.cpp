// SPDX-License-Identifier: Apache-2.0
// Ingestion from several threads: a Crystallizer against one commit per layer. How long an
// allocation takes, while a file grows and with a million live layers, and memory for the core
// dimensions.
//
//   strata_ingest_bench [rounds]      medians over alternated rounds (7 unless told)
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

#include "producer/ingest/ingest.hpp"
#include "producer/ingest/ingest_queue.hpp"
#include <strata/strata.hpp>

namespace {

using namespace strata;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t keys = 10'000;
constexpr std::uint64_t per_thread = 50'000;

double ns_since(Clock::time_point start) {
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(),
                     values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

double percentile(const std::vector<double>& sorted, double p) {
    return sorted[static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1))];
}

template <class Work>
double run_threads(std::uint64_t threads, Work work) {
    const auto start = Clock::now();
    std::vector<std::thread> running;
    for (std::uint64_t t = 0; t < threads; ++t) {
        running.emplace_back([&work, t] { work(t); });
    }
    for (std::thread& thread : running) {
        thread.join();
    }
    return ns_since(start);
}

// The queue alone: `threads` submit, one fetches. Nanoseconds per item.
double queue_alone(std::uint64_t threads) {
    producer_impl::ItemQueue queue(8192);
    std::thread consumer([&] {
        std::vector<producer_impl::ItemPointer> items;
        items.reserve(8192);
        while (queue.fetch(items, std::nullopt)) {
            items.clear();
        }
    });
    const double ns = run_threads(threads, [&](std::uint64_t) {
        bool blocked = false;
        for (std::uint64_t i = 0; i < per_thread; ++i) {
            auto item = std::make_shared<producer_impl::IngestItem>();
            queue.push(item, true, blocked);
        }
    });
    queue.close();
    consumer.join();
    return ns / static_cast<double>(threads * per_thread);
}

// Until the last layer is published; nanoseconds per layer.
double crystallizer(Producer& producer, std::uint64_t threads) {
    const std::string payload(256, 'x');
    const auto start = Clock::now();
    {
        Crystallizer ingest(producer);
        run_threads(threads, [&](std::uint64_t t) {
            for (std::uint64_t i = 0; i < per_thread; ++i) {
                ingest.put({1, (i * 7919 + t * 131) % keys}, payload);
            }
        });
        ingest.flush();
    }
    return ns_since(start) / static_cast<double>(threads * per_thread);
}

double one_by_one(Producer& producer, std::uint64_t threads) {
    const std::string payload(256, 'x');
    return run_threads(threads,
                       [&](std::uint64_t t) {
                           Batch batch = producer.batch();
                           for (std::uint64_t i = 0; i < per_thread; ++i) {
                               batch.put({1, (i * 7919 + t * 131) % keys}, payload);
                               batch.crystallize();
                           }
                       }) /
           static_cast<double>(threads * per_thread);
}

// One change at a time, from submission to published, as its owner sees it.
double round_trip(Producer& producer) {
    Crystallizer ingest(producer);
    std::vector<double> times;
    for (std::uint64_t i = 0; i < 2000; ++i) {
        const auto start = Clock::now();
        ingest.put({1, i}, "x").wait();
        times.push_back(ns_since(start));
    }
    return median(times);
}

void ingestion(const std::filesystem::path& base, int rounds) {
    std::printf("ns per item or layer of 256 bytes; medians of %d alternated rounds; %u cores\n",
                rounds, std::thread::hardware_concurrency());
    std::printf("threads  queue alone  published  one commit per layer\n");
    Producer producer = Producer::create("ingest", {.base_path = base});
    for (const std::uint64_t threads : {1, 2, 4, 8}) {
        std::vector<double> figures[3];
        for (int round = 0; round < rounds; ++round) {
            figures[0].push_back(queue_alone(threads));
            figures[1].push_back(crystallizer(producer, threads));
            figures[2].push_back(one_by_one(producer, threads));
        }
        std::printf("%7llu  %11.0f  %9.0f  %20.0f\n", static_cast<unsigned long long>(threads),
                    median(figures[0]), median(figures[1]), median(figures[2]));
    }
    std::printf("round trip of one change, us: %.1f\n", round_trip(producer) / 1000);
}

void print_times(const char* what, std::vector<double>& times) {
    std::sort(times.begin(), times.end());
    double total = 0;
    for (const double ns : times)
        total += ns;
    std::printf("%s, us: p50 %.2f  p99 %.2f  p99.9 %.2f  p99.99 %.1f  max %.1f  mean %.3f\n", what,
                percentile(times, 0.5) / 1000, percentile(times, 0.99) / 1000,
                percentile(times, 0.999) / 1000, percentile(times, 0.9999) / 1000,
                times.back() / 1000, total / static_cast<double>(times.size()) / 1000);
}

// Room for one layer (loan: no copying of a payload), of mixed sizes: while the file grows to a
// million live layers, with a few of up to 256 KiB among them, and then, while a thousandth of them
// changes with each commit.
void allocations(const std::filesystem::path& base) {
    constexpr std::uint64_t layers = 1'000'000;
    Producer producer =
        Producer::create("allocations", {.base_path = base, .memory_limit = 2500_MiB});
    std::mt19937_64 random(42);
    const auto size = [&] { return std::size_t{1} + random() % (random() % 16 == 0 ? 4000 : 500); };
    Batch batch = producer.batch();
    std::vector<double> growing;
    const auto timed = [&](std::vector<double>& times, LayerId id, std::size_t bytes) {
        const auto start = Clock::now();
        (void)batch.loan(id, bytes);
        times.push_back(ns_since(start));
    };
    for (std::uint64_t i = 0; i < layers; ++i) {
        const bool large = i % 500 == 0;
        timed(growing, {large ? 2U : 1U, i}, large ? 1 + random() % (256 << 10) : size());
        if (i % 1000 == 999) {
            batch.crystallize();
        }
    }
    print_times("allocation while the file grows to a million layers", growing);
    std::vector<double> settled;
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 1000; ++i) {
            timed(settled, {1, random() % layers}, size());
        }
        batch.crystallize();
    }
    print_times("allocation at a million live layers", settled);
    const StoreStatistics s = statistics(producer);
    std::printf("committed %.0f MiB, live %.0f MiB, fragmentation ratio %.3f, slabs %.3f free\n",
                static_cast<double>(s.committed_bytes) / 1048576,
                static_cast<double>(s.live_bytes) / 1048576, s.fragmentation_ratio(),
                s.regions.at(0).memory.slab_fragmentation());
}

// Memory for the fourteen core dimensions, taken from the system at once.
void preallocation(const std::filesystem::path& base) {
    std::vector<double> times;
    for (int round = 0; round < 5; ++round) {
        Producer producer = Producer::create(
            "preallocation", {.base_path = base, .memory_limit = 300_MiB, .replace = true});
        const auto start = Clock::now();
        producer.add_core_dimensions({.initial_bytes = 20'000'000});
        times.push_back(ns_since(start));
    }
    std::printf("14 core dimensions of 20 MB each, ms: %.0f (median of 5)\n", median(times) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 7;
    std::string base = "/dev/shm/strata-bench.XXXXXX";
    if (::mkdtemp(base.data()) == nullptr) {
        std::perror(base.c_str());
        return 1;
    }
    int result = 0;
    try {
        ingestion(base, rounds);
        allocations(base);
        preallocation(base);
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        result = 1;
    }
    std::error_code ignored;
    std::filesystem::remove_all(base, ignored);
    return result;
}

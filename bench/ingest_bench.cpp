// SPDX-License-Identifier: Apache-2.0
// Ingestion from several threads: a Crystallizer with either queue against one commit per layer;
// and how long an allocation takes with a million live layers.
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

#include "producer/ingest.hpp"
#include "producer/ingest_queue.hpp"
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

// The queue alone: `threads` hand in, one fetches. Nanoseconds per item.
double queue_alone(IngestQueue kind, std::uint64_t threads) {
    const auto queue = producer_impl::make_item_queue(kind, 8192);
    std::thread consumer([&] {
        std::vector<producer_impl::ItemPointer> items;
        items.reserve(8192);
        while (queue->fetch(items, std::nullopt)) {
            items.clear();
        }
    });
    const double ns = run_threads(threads, [&](std::uint64_t) {
        bool blocked = false;
        for (std::uint64_t i = 0; i < per_thread; ++i) {
            auto item = std::make_shared<producer_impl::IngestItem>();
            queue->push(item, true, blocked);
        }
    });
    queue->close();
    consumer.join();
    return ns / static_cast<double>(threads * per_thread);
}

// Until the last layer is published; nanoseconds per layer.
double crystallizer(Producer& producer, IngestQueue kind, std::uint64_t threads) {
    CrystallizerOptions options;
    options.queue = kind;
    const std::string payload(256, 'x');
    const auto start = Clock::now();
    {
        Crystallizer ingest(producer, options);
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

// One change at a time, from hand-in to published, as its owner sees it.
double round_trip(Producer& producer, IngestQueue kind) {
    CrystallizerOptions options;
    options.queue = kind;
    Crystallizer ingest(producer, options);
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
    std::printf("threads  queue alone: mutex  lockfree | published: mutex  lockfree  one by one\n");
    Producer producer = Producer::create("ingest", {.base_path = base});
    for (const std::uint64_t threads : {1, 2, 4, 8}) {
        std::vector<double> figures[5];
        for (int round = 0; round < rounds; ++round) {
            figures[0].push_back(queue_alone(IngestQueue::mutex, threads));
            figures[1].push_back(queue_alone(IngestQueue::lockfree, threads));
            figures[2].push_back(crystallizer(producer, IngestQueue::mutex, threads));
            figures[3].push_back(crystallizer(producer, IngestQueue::lockfree, threads));
            figures[4].push_back(one_by_one(producer, threads));
        }
        std::printf("%7llu  %18.0f  %8.0f | %16.0f  %8.0f  %10.0f\n",
                    static_cast<unsigned long long>(threads), median(figures[0]),
                    median(figures[1]), median(figures[2]), median(figures[3]), median(figures[4]));
    }
    std::printf("round trip of one change, us: mutex %.1f, lockfree %.1f\n",
                round_trip(producer, IngestQueue::mutex) / 1000,
                round_trip(producer, IngestQueue::lockfree) / 1000);
}

// Room for one layer (loan: no copying of a payload) at a million live layers of mixed sizes, a
// thousandth of which changes with each commit.
void allocations(const std::filesystem::path& base) {
    constexpr std::uint64_t layers = 1'000'000;
    Producer producer =
        Producer::create("allocations", {.base_path = base, .memory_limit = 1500_MiB});
    std::mt19937_64 random(42);
    const auto size = [&] { return std::size_t{1} + random() % (random() % 16 == 0 ? 4000 : 500); };
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.loan({1, i}, size());
        if (i % 1000 == 999) {
            batch.crystallize();
        }
    }
    std::vector<double> times;
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 1000; ++i) {
            const LayerId id{1, random() % layers};
            const std::size_t bytes = size();
            const auto start = Clock::now();
            batch.loan(id, bytes);
            times.push_back(ns_since(start));
        }
        batch.crystallize();
    }
    std::sort(times.begin(), times.end());
    const StoreStatistics s = statistics(producer);
    std::printf("allocation at %llu live layers, us: p50 %.2f  p99 %.2f  p99.9 %.2f  max %.1f\n",
                static_cast<unsigned long long>(layers), percentile(times, 0.5) / 1000,
                percentile(times, 0.99) / 1000, percentile(times, 0.999) / 1000,
                times.back() / 1000);
    std::printf("committed %.0f MiB, live %.0f MiB, fragmentation ratio %.3f, slabs %.3f free\n",
                static_cast<double>(s.committed_bytes) / 1048576,
                static_cast<double>(s.live_bytes) / 1048576, s.fragmentation_ratio(),
                s.regions.at(0).memory.slab_fragmentation());
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
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        result = 1;
    }
    std::error_code ignored;
    std::filesystem::remove_all(base, ignored);
    return result;
}

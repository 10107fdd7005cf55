// SPDX-License-Identifier: Apache-2.0
// strata_micro: single calls of the public API under Google Benchmark, for whoever works on one of
// them.
//   strata_micro --benchmark_filter=find --benchmark_repetitions=5
#include <filesystem>
#include <map>
#include <memory>
#include <stdlib.h>

#include <benchmark/benchmark.h>

#include "bench/harness/workload.hpp"
#include "bench/peers/strata_store.hpp"
#include <strata/strata.hpp>

using namespace strata::bench;

namespace {

/// One store per size, kept until the end of the program.
class Stores {
public:
    Stores() {
        std::string name = "/dev/shm/strata-micro.XXXXXX";
        base_ = mkdtemp(name.data());
    }
    Stores(const Stores&) = delete;
    Stores& operator=(const Stores&) = delete;
    ~Stores() {
        stores_.clear();
        std::error_code ignored;
        std::filesystem::remove_all(base_, ignored);
    }
    StrataStore& with(std::uint64_t layers) {
        auto& store = stores_[layers];
        if (!store) {
            const auto path = base_ / std::to_string(layers);
            std::filesystem::create_directory(path);
            store = std::make_unique<StrataStore>(path, Dataset{layers, 256});
        }
        return *store;
    }

private:
    std::filesystem::path base_;
    std::map<std::uint64_t, std::unique_ptr<StrataStore>> stores_;
};

StrataStore& store_of(const benchmark::State& state) {
    static Stores stores;
    return stores.with(static_cast<std::uint64_t>(state.range(0)));
}

void find(benchmark::State& state) {
    const strata::Snapshot snapshot = store_of(state).consumer().snapshot();
    const auto layers = static_cast<std::uint64_t>(state.range(0));
    std::uint64_t i = 0;
    for (auto _ : state) {
        const strata::Layer layer =
            snapshot.find({StrataStore::dimension, reduce(mix(++i), layers)});
        benchmark::DoNotOptimize(words_of(layer.bytes()));
    }
}

void find_absent(benchmark::State& state) {
    const strata::Snapshot snapshot = store_of(state).consumer().snapshot();
    std::uint64_t i = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(snapshot.find({StrataStore::dimension, mix(++i)}));
    }
}

void snapshot_and_drop(benchmark::State& state) {
    strata::Consumer& consumer = store_of(state).consumer();
    for (auto _ : state) {
        benchmark::DoNotOptimize(consumer.snapshot().generation());
    }
}

void generation(benchmark::State& state) {
    const strata::Consumer& consumer = store_of(state).consumer();
    for (auto _ : state) {
        benchmark::DoNotOptimize(consumer.generation());
    }
}

void producer_alive(benchmark::State& state) {
    const strata::Consumer& consumer = store_of(state).consumer();
    for (auto _ : state) {
        benchmark::DoNotOptimize(consumer.producer_alive());
    }
}

void put_and_clear(benchmark::State& state) {
    StrataStore& store = store_of(state);
    strata::Batch batch = store.producer().batch();
    for (auto _ : state) {
        store.put(batch, 1, 1);
        batch.clear();
    }
}

void put_and_crystallize(benchmark::State& state) {
    StrataStore& store = store_of(state);
    strata::Batch batch = store.producer().batch();
    std::uint64_t i = 0;
    for (auto _ : state) {
        ++i;
        store.put(batch, reduce(mix(i), store.dataset().layers), i);
        batch.crystallize();
    }
}

/// A snapshot right after each commit: the consumer has to look at the new root.
void crystallize_and_snapshot(benchmark::State& state) {
    StrataStore& store = store_of(state);
    strata::Batch batch = store.producer().batch();
    std::uint64_t i = 0;
    for (auto _ : state) {
        ++i;
        store.put(batch, reduce(mix(i), store.dataset().layers), i);
        batch.crystallize();
        benchmark::DoNotOptimize(store.consumer().snapshot().generation());
    }
}

void changes_of_one(benchmark::State& state) {
    StrataStore& store = store_of(state);
    strata::Batch batch = store.producer().batch();
    const strata::Snapshot before = store.consumer().snapshot();
    store.put(batch, 1, 1);
    batch.crystallize();
    const strata::Snapshot after = store.consumer().snapshot();
    for (auto _ : state) {
        benchmark::DoNotOptimize(strata::changes(before, after));
    }
}

void verify_layer(benchmark::State& state) {
    const strata::Snapshot snapshot = store_of(state).consumer().snapshot();
    const strata::Layer layer = snapshot.get({StrataStore::dimension, 1});
    for (auto _ : state) {
        benchmark::DoNotOptimize(layer.verify());
    }
}

BENCHMARK(find)->Arg(280)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(find_absent)->Arg(10'000);
BENCHMARK(snapshot_and_drop)->Arg(280);
BENCHMARK(generation)->Arg(280);
BENCHMARK(producer_alive)->Arg(280);
BENCHMARK(verify_layer)->Arg(280);
BENCHMARK(changes_of_one)->Arg(280)->Arg(1'000'000);
BENCHMARK(put_and_clear)->Arg(280);
BENCHMARK(put_and_crystallize)->Arg(280)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(crystallize_and_snapshot)->Arg(280)->Arg(10'000);

}  // namespace

BENCHMARK_MAIN();

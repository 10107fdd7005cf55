// SPDX-License-Identifier: Apache-2.0
// What the C ABI costs beside C++: look-ups and batches of both, turn by turn in one process, with
// the same random keys. Prints medians; `strata_c_bench [rounds]`.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <strata/strata.h>
#include <strata/strata.hpp>

namespace {

constexpr std::size_t look_ups = 1 << 18;
constexpr std::size_t batch_size = 128;
constexpr std::size_t payload_bytes = 256;

std::uint64_t sum = 0;  // printed, so that no look-up can be left out

/// Of processor time, so that other programs do not count. (All other threads sleep.)
template <class Work>
double ns_each(Work&& work) {
    const std::clock_t start = std::clock();
    work();
    return static_cast<double>(std::clock() - start) * 1e9 / CLOCKS_PER_SEC / look_ups;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void compare(std::uint64_t layers, int rounds, const std::string& base) {
    const std::string name = "bench-" + std::to_string(layers);
    strata::Producer producer = strata::Producer::create(
        name, {.base_path = base, .memory_limit = strata::max_region_bytes});
    strata::Batch batch = producer.batch();
    const std::string payload(payload_bytes, 'x');
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload);
    }
    batch.crystallize();
    std::vector<std::uint64_t> keys(look_ups);
    std::mt19937_64 random(1);
    for (std::uint64_t& key : keys) {
        key = random() % layers;
    }

    const strata::Snapshot cpp = strata::Consumer::attach(name, {.base_path = base}).snapshot();
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    options.base_path = base.c_str();
    strata_consumer* consumer = nullptr;
    strata_snapshot* c = nullptr;
    if (strata_attach(name.data(), name.size(), &options, &consumer, nullptr) != STRATA_OK ||
        strata_snapshot_take(consumer, &c, nullptr) != STRATA_OK) {
        std::abort();
    }
    std::vector<double> times[4];
    for (int round = 0; round < rounds + 2; ++round) {
        const double now[] = {
            ns_each([&] {
                for (const std::uint64_t key : keys) {
                    sum += cpp.find({1, key}).size();
                }
            }),
            ns_each([&] {
                strata_layer layer;
                for (const std::uint64_t key : keys) {
                    if (strata_find(c, 1, key, &layer, nullptr) == STRATA_OK) {
                        sum += layer.size;
                    }
                }
            }),
            ns_each([&] {
                std::vector<strata::Layer> found(batch_size);
                for (std::size_t i = 0; i < look_ups; i += batch_size) {
                    cpp.find(1, std::span(keys).subspan(i, batch_size), found);
                    sum += found[i % batch_size].size();
                }
            }),
            ns_each([&] {
                std::vector<strata_layer> found(batch_size);
                for (std::size_t i = 0; i < look_ups; i += batch_size) {
                    if (strata_find_in(c, 1, &keys[i], batch_size, found.data(), nullptr) ==
                        STRATA_OK) {
                        sum += found[i % batch_size].size;
                    }
                }
            }),
        };
        for (std::size_t i = 0; i < 4 && round >= 2; ++i) {  // two to get warm
            times[i].push_back(now[i]);
        }
    }
    std::cout.precision(2);
    std::cout << std::fixed << layers << " layers, ns each: find C++ " << median(times[0]) << ", C "
              << median(times[1]) << " (" << median(times[1]) / median(times[0])
              << " x); batches of " << batch_size << " C++ " << median(times[2]) << ", C "
              << median(times[3]) << " (" << median(times[3]) / median(times[2]) << " x)\n";
    strata_snapshot_release(c);
    strata_detach(consumer);
}

}  // namespace

int main(int argc, char** argv) try {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 51;
    const std::filesystem::path base =
        strata::default_base_path().parent_path() / ("strata-c-bench-" + std::to_string(rounds));
    for (const std::uint64_t layers : {280, 10'000, 1'000'000}) {
        compare(layers, rounds, base.string());
        std::filesystem::remove_all(base);
    }
    std::cerr << "(" << sum << ")\n";
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

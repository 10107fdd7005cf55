// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/in_process.hpp"

#include <unordered_map>

#include "bench/harness/row.hpp"

#if STRATA_BENCH_ABSL
#include <absl/container/flat_hash_map.h>
#endif

namespace strata::bench {

namespace {

template <class Map>
std::unique_ptr<Reader> map_reader(const PrivatePayloads& payloads) {
    Map map;
    map.reserve(payloads.dataset().layers);
    for (std::uint64_t key = 0; key < payloads.dataset().layers; ++key) {
        map.emplace(key, payloads.at(key));
    }
    return make_reader([map = std::move(map), bytes = payloads.dataset().payload_bytes](
                           std::uint64_t key) -> std::span<const std::byte> {
        const auto found = map.find(key);
        return found != map.end() ? std::span(found->second, bytes) : nothing_found();
    });
}

}  // namespace

PrivatePayloads::PrivatePayloads(const Dataset& dataset) : dataset_(dataset) {
    payloads_.reserve(dataset.layers);
    for (std::uint64_t key = 0; key < dataset.layers; ++key) {
        payloads_.push_back(std::make_unique<std::byte[]>(dataset.payload_bytes));
        fill_payload(key, 0, {payloads_.back().get(), dataset.payload_bytes});
    }
}

std::unique_ptr<Reader> array_reader(const PrivatePayloads& payloads) {
    std::vector<const std::byte*> places;
    for (std::uint64_t key = 0; key < payloads.dataset().layers; ++key) {
        places.push_back(payloads.at(key));
    }
    return array_reader(std::move(places), payloads.dataset().payload_bytes);
}

std::unique_ptr<Reader> array_reader(std::vector<const std::byte*> places,
                                     std::size_t payload_bytes) {
    return make_reader([places = std::move(places), payload_bytes](std::uint64_t key) {
        return std::span(places[key], payload_bytes);
    });
}

std::unique_ptr<Reader> unordered_map_reader(const PrivatePayloads& payloads) {
    return map_reader<std::unordered_map<std::uint64_t, const std::byte*>>(payloads);
}

std::unique_ptr<Reader> flat_hash_map_reader([[maybe_unused]] const PrivatePayloads& payloads) {
#if STRATA_BENCH_ABSL
    return map_reader<absl::flat_hash_map<std::uint64_t, const std::byte*>>(payloads);
#else
    throw NotRun("libabsl-dev was not there at build time");
#endif
}

}  // namespace strata::bench

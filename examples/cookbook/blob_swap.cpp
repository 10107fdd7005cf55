// SPDX-License-Identifier: Apache-2.0
// Blob swap: a large model is built in place and replaced while readers use it. There has to be
// room for two versions; the old one's memory comes back when the last reader has released it.
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <optional>
#include <span>

#include <strata/strata.hpp>

namespace {

constexpr strata::LayerId model{1, 0};
constexpr std::size_t model_bytes = 32 << 20;

strata::Generation publish(strata::Producer& producer, std::byte fill) {
    auto batch = producer.batch();
    strata::Loan loan = batch.loan(model, model_bytes);  // no copy: read your file straight into it
    std::ranges::fill(loan.bytes(), fill);
    return batch.crystallize();
}

/// All bytes of a snapshot's model are of one version.
bool whole(const strata::Snapshot& snapshot) {
    const std::span<const std::byte> bytes = snapshot.get(model).bytes();
    return std::ranges::all_of(bytes, [&](std::byte byte) { return byte == bytes.front(); });
}

void report(const char* when, const strata::Producer& producer) {
    std::cout << when << ": " << (producer.stats().committed_bytes >> 20) << " MiB\n";
}

}  // namespace

int main() try {
    // Room for two, and a file of its own, so that nothing else lies between the versions.
    auto producer = strata::Producer::create(
        "cookbook-model", {.memory_limit = 72 << 20, .own_regions = true, .replace = true});
    publish(producer, std::byte{1});
    report("one version", producer);

    auto consumer = strata::Consumer::attach("cookbook-model");
    std::optional<strata::Snapshot> request = consumer.snapshot();  // a slow request
    publish(producer, std::byte{2});
    report("two versions, the old one in use", producer);
    std::cout << "both whole: " << (whole(*request) && whole(consumer.snapshot()) ? "yes" : "no")
              << '\n';

    // A third one does not fit while the first is in use. Nothing is published then, nothing lost.
    try {
        publish(producer, std::byte{3});
    } catch (const strata::Error& error) {
        std::cout << "a third one: " << strata::to_string(error.code()) << '\n';
    }
    request.reset();
    producer.trim();
    report("the old one released, free memory given back", producer);
    publish(producer, std::byte{3});
    std::cout << "now it fits: generation " << consumer.generation() << '\n';
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

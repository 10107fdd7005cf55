// SPDX-License-Identifier: Apache-2.0
// A program of its own for tests that need a real exec: a consumer or a producer of the oracle's
// store, told what to do through its channel.
//   process_helper consume BASE CHANNEL REASONS    process_helper produce BASE CHANNEL REASONS
#include <cstdlib>
#include <string>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

namespace {

using namespace strata;
using namespace strata::test;

// Each word asks for a generation: waits for it, compares all, answers with what it saw.
void consume(const std::string& base, const Channel& channel) {
    ConsumerOptions options{.base_path = base};
    bool there = true;
    try {
        (void)Consumer::attach("store", options);
    } catch (const Error& error) {
        STRATA_REQUIRE_EQ(error.code(), Errc::store_not_found);
        there = false;
    }
    channel.send(there ? 1 : 0);
    options.wait_for_store = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
    Consumer consumer = Consumer::attach("store", options);
    while (const auto wanted = channel.receive_or_end()) {
        while (consumer.generation() < *wanted) {
            STRATA_REQUIRE_EQ(consumer.wait(consumer.generation(), patience), WaitResult::changed);
        }
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE_EQ(Oracle().mismatch(snapshot), "");
        channel.send(snapshot.generation());
    }
}

// Each word asks for so many generations more.
void produce(const std::string& base, const Channel& channel) {
    Producer producer =
        Producer::open_or_create("store", {.base_path = base, .region_max_bytes = 64_MiB});
    channel.send(producer.generation());
    while (const auto count = channel.receive_or_end()) {
        for (std::uint64_t i = 0; i < *count; ++i) {
            Oracle().publish(producer);
        }
        channel.send(producer.generation());
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        return EXIT_FAILURE;
    }
    const std::string role = argv[1];
    const std::string base = argv[2];
    run_and_exit(Channel(std::atoi(argv[3])), std::atoi(argv[4]), [&](const Channel& channel) {
        role == "consume" ? consume(base, channel) : produce(base, channel);
    });
}

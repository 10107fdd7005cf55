// SPDX-License-Identifier: Apache-2.0
// Market board: one producer publishes batches of quotes without pause, a reader sleeps until there
// is something newer, and never sees half a batch.
#include <cstdint>
#include <iostream>
#include <thread>

#include <strata/strata.hpp>

namespace {

constexpr strata::Dimension quotes = 1;
constexpr strata::Dimension board = 2;
constexpr std::uint64_t instruments = 100;
constexpr std::uint64_t rounds = 2000;

struct Quote {
    std::int64_t bid = 0;  // in cents
    std::int64_t ask = 0;
};

struct Board {
    std::uint64_t round = 0;
    std::int64_t sum_of_bids = 0;  // of the same generation: what a reader can check
};

void publish(strata::Producer& producer) {
    auto batch = producer.batch();
    std::int64_t bids[instruments] = {};
    std::int64_t sum = 0;
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        for (std::uint64_t i = 0; i < 10; ++i) {
            const std::uint64_t instrument = (round * 7 + i * 13) % instruments;
            const auto bid = static_cast<std::int64_t>(1000 + (round * 31 + instrument * 17) % 500);
            sum += bid - bids[instrument];
            bids[instrument] = bid;
            batch.put_value(strata::LayerId{quotes, instrument}, Quote{bid, bid + 2});
        }
        batch.put_value(strata::LayerId{board, 0}, Board{round, sum});
        batch.crystallize();
    }
}

}  // namespace

int main() try {
    auto producer = strata::Producer::create("cookbook-market", {.replace = true});
    auto batch = producer.batch();
    batch.add_dimension(quotes, "quotes");
    batch.add_dimension(board, "board");
    batch.crystallize();

    auto consumer = strata::Consumer::attach("cookbook-market");
    strata::Snapshot snapshot = consumer.snapshot();
    std::jthread feed([&producer] { publish(producer); });

    std::uint64_t seen = 0;
    std::uint64_t mixed = 0;
    for (std::uint64_t round = 0; round < rounds;) {
        // Sleeps in the kernel; ends too when the producer is gone.
        if (consumer.wait(snapshot.generation()) != strata::WaitResult::changed) break;
        snapshot = consumer.snapshot();
        std::int64_t sum = 0;
        for (const strata::Layer& layer : snapshot.dimension(quotes)) {
            sum += layer.as<Quote>().bid;
        }
        const Board& now = snapshot.get({board, 0}).as<Board>();
        if (sum != now.sum_of_bids) ++mixed;
        round = now.round;
        ++seen;
    }
    std::cout << "published " << rounds << " generations; the reader looked at "
              << (seen > 0 && seen <= rounds ? "some or all of them" : "none") << ", " << mixed
              << " of them mixed\n";
    return mixed == 0 && seen > 0 ? 0 : 1;
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

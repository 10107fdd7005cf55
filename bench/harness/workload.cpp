// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/workload.hpp"

#include <algorithm>
#include <cmath>

namespace strata::bench {

namespace {

// Ranks with P(rank) ~ 1 / rank^0.99, by the closed form of Gray et al. (SIGMOD 1994) that YCSB
// uses.
class Zipf {
public:
    explicit Zipf(std::uint64_t items) : items_(static_cast<double>(items)) {
        for (std::uint64_t i = 1; i <= items; ++i) {
            zeta_ += 1.0 / std::pow(static_cast<double>(i), theta);
        }
        const double zeta2 = 1.0 + 1.0 / std::pow(2.0, theta);
        eta_ = (1.0 - std::pow(2.0 / items_, 1.0 - theta)) / (1.0 - zeta2 / zeta_);
    }
    std::uint64_t rank(std::uint64_t random) const {
        const double u = static_cast<double>(random >> 11) * 0x1.0p-53;
        const double uz = u * zeta_;
        if (uz < 1.0) {
            return 0;
        }
        if (uz < 1.0 + std::pow(0.5, theta)) {
            return 1;
        }
        return static_cast<std::uint64_t>(items_ *
                                          std::pow(eta_ * u - eta_ + 1.0, 1.0 / (1.0 - theta)));
    }

private:
    static constexpr double theta = 0.99;
    double items_;
    double zeta_ = 0;
    double eta_ = 0;
};

}  // namespace

KeyStream::KeyStream(std::uint64_t layers, Distribution distribution) {
    // Long enough that the caches cannot learn it, short enough to be streamed by the prefetcher.
    const std::size_t count = std::clamp<std::size_t>(layers, 1 << 16, 1 << 20) / chunk_keys;
    keys_.reserve(count * chunk_keys);
    if (distribution == Distribution::uniform) {
        for (std::size_t i = 0; i < count * chunk_keys; ++i) {
            keys_.push_back(reduce(mix(i * 7919 + 1), layers));
        }
    } else {
        const Zipf zipf(layers);
        for (std::size_t i = 0; i < count * chunk_keys; ++i) {
            // Scrambled as in YCSB: the popular keys are not neighbours.
            const std::uint64_t rank = std::min(zipf.rank(mix(i * 7919 + 1)), layers - 1);
            keys_.push_back(reduce(mix(rank), layers));
        }
    }
    for (std::size_t chunk = 0; chunk < count; ++chunk) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < chunk_keys; ++i) {
            sum += expected_words(keys_[chunk * chunk_keys + i]);
        }
        expected_.push_back(sum);
    }
}

std::uint64_t expected_chain(std::uint64_t start, std::size_t steps,
                             std::uint64_t layers) noexcept {
    std::uint64_t sum = 0;
    std::uint64_t key = start;
    for (std::size_t step = 0; step < steps; ++step) {
        sum += expected_words(key);
        key = next_key(first_word(key, 0), step, layers);
    }
    return sum;
}

void check_sum(const std::string& who, std::uint64_t sum, std::uint64_t expected) {
    if (sum != expected) {
        throw WrongAnswer(who + " returned wrong bytes: sum " + std::to_string(sum) +
                          " instead of " + std::to_string(expected));
    }
}

}  // namespace strata::bench

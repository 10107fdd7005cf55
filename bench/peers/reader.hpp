// SPDX-License-Identifier: Apache-2.0
// The one thing that all contestants of the read rows can do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "bench/harness/workload.hpp"

namespace strata::bench {

class Reader {
public:
    virtual ~Reader() = default;
    /// Looks every key up, independently of each other; returns the sum of words_of().
    virtual std::uint64_t sum(std::span<const std::uint64_t> keys) = 0;
    /// `steps` look-ups, each of a key that comes from the bytes of the one before.
    virtual std::uint64_t chase(std::uint64_t start, std::size_t steps, std::uint64_t layers) = 0;
};

/// What a look-up returns for a key that it does not know: the sum will be wrong.
inline std::span<const std::byte> nothing_found() noexcept {
    static constexpr std::array<std::byte, 16> zeros{};
    return zeros;
}

/// A Reader from a callable `std::span<const std::byte> get(std::uint64_t key)`: the loops are the
/// same for everybody and the look-up can be inlined into them.
template <class Get>
class ReaderOf final : public Reader {
public:
    explicit ReaderOf(Get get) : get_(std::move(get)) {}

    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (const std::uint64_t key : keys) {
            total += words_of(get_(key));
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t start, std::size_t steps, std::uint64_t layers) override {
        std::uint64_t total = 0;
        std::uint64_t key = start;
        for (std::size_t step = 0; step < steps; ++step) {
            const std::span<const std::byte> payload = get_(key);
            total += words_of(payload);
            key = next_key(load_word(payload.data()), step, layers);
        }
        return total;
    }

private:
    Get get_;
};

template <class Get>
std::unique_ptr<Reader> make_reader(Get get) {
    return std::make_unique<ReaderOf<Get>>(std::move(get));
}

/// How much data the contestants hold.
struct Dataset {
    std::uint64_t layers = 0;  ///< keys 0..layers-1
    std::size_t payload_bytes = 256;
};

}  // namespace strata::bench

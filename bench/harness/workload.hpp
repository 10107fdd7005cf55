// SPDX-License-Identifier: Apache-2.0
// What every contestant stores and which keys it is asked for, with the answers known beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace strata::bench {

/// A contestant returned bytes that were never stored: the whole run fails.
class WrongAnswer : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// SplitMix64's finaliser: a bijection that looks random.
inline std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

/// Maps a uniform 64-bit value to [0, n) without a division (Lemire, 2019).
inline std::uint64_t reduce(std::uint64_t x, std::uint64_t n) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(x) * n) >> 64);
}

/// The first and last word of every payload. Their sum depends on the key alone, so that any
/// version verifies, but a mixture of two versions does not.
inline std::uint64_t first_word(std::uint64_t key, std::uint64_t version) noexcept {
    return mix(key) + version;
}
inline std::uint64_t last_word(std::uint64_t key, std::uint64_t version) noexcept {
    return mix(~key) - version;
}
inline std::uint64_t expected_words(std::uint64_t key) noexcept { return mix(key) + mix(~key); }

inline std::uint64_t load_word(const std::byte* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof(word));
    return word;
}
/// What a look-up adds to its sum: the first and the last 8 bytes.
inline std::uint64_t words_of(std::span<const std::byte> payload) noexcept {
    return load_word(payload.data()) + load_word(payload.data() + payload.size() - 8);
}

/// Payload of `key`; at least 16 bytes.
inline void fill_payload(std::uint64_t key, std::uint64_t version, std::span<std::byte> out) {
    std::memset(out.data(), static_cast<int>(key & 0x7F), out.size());
    const std::uint64_t first = first_word(key, version);
    const std::uint64_t last = last_word(key, version);
    std::memcpy(out.data(), &first, 8);
    std::memcpy(out.data() + out.size() - 8, &last, 8);
}

enum class Distribution : unsigned char { uniform, zipfian };

/// A fixed sequence of keys in chunks; the expected sum of each chunk is known.
class KeyStream {
public:
    static constexpr std::size_t chunk_keys = 1024;

    KeyStream(std::uint64_t layers, Distribution distribution);

    std::size_t chunks() const noexcept { return expected_.size(); }
    std::span<const std::uint64_t> keys(std::size_t chunk) const noexcept {
        return std::span(keys_).subspan(chunk * chunk_keys, chunk_keys);
    }
    std::uint64_t expected(std::size_t chunk) const noexcept { return expected_[chunk]; }

private:
    std::vector<std::uint64_t> keys_;
    std::vector<std::uint64_t> expected_;
};

/// Dependent look-ups: the next key comes from the first word just read, and from the step's number
/// so that there are no short cycles. One multiplication, the same for every contestant.
inline std::uint64_t next_key(std::uint64_t word, std::uint64_t step,
                              std::uint64_t layers) noexcept {
    return reduce(word + step * 0x9E3779B97F4A7C15ULL, layers);
}
/// The sum that a chain of `steps` look-ups must give.
std::uint64_t expected_chain(std::uint64_t start, std::size_t steps, std::uint64_t layers) noexcept;

/// Throws WrongAnswer naming the contestant.
void check_sum(const std::string& who, std::uint64_t sum, std::uint64_t expected);

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/seeded_hash.hpp"

#include <atomic>

#include "ipc/os.hpp"

namespace strata::consumer_impl {

namespace {

constinit std::atomic<std::uint64_t> process_seed{0};  // 0: not drawn yet

// Spreads one seed over two words (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
// Generators", OOPSLA 2014).
std::uint64_t mixed(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
    z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
    return z ^ (z >> 31);
}

std::uint64_t drawn() noexcept {
    std::uint64_t bits = 0;
    if (ipc::os::random_bytes(&bits, sizeof(bits)) != 0) {
        // No randomness available (a sandbox): use where this process was loaded, and when.
        bits = reinterpret_cast<std::uintptr_t>(&process_seed) ^
               static_cast<std::uint64_t>(ipc::os::realtime_ns());
    }
    return bits | 1;
}

}  // namespace

SeededHash SeededHash::of_process() noexcept {
    // Relaxed: one word. Threads that come first together agree by the exchange.
    std::uint64_t known = process_seed.load(std::memory_order_relaxed);
    if (known == 0) {
        const std::uint64_t own = drawn();
        if (process_seed.compare_exchange_strong(known, own, std::memory_order_relaxed)) {
            known = own;
        }
    }
    return of_seed(known);
}

SeededHash SeededHash::of_seed(std::uint64_t seed) noexcept {
    return {mixed(seed), mixed(seed + 0x9E37'79B9'7F4A'7C15)};
}

}  // namespace strata::consumer_impl

// SPDX-License-Identifier: Apache-2.0
// A producer's life on a disk that fails in the middle of it, and a reader beside it, in processes
// of their own. What they published, promised and saw stands in a journal that outlives them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "tests/powercut/contents.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

namespace strata::powercut {

/// In memory that processes share.
struct Journal {
    static constexpr std::size_t most_commits = 4000;

    std::atomic<std::uint64_t> events;    ///< crash points passed, flushes begun and ended
    std::atomic<std::uint64_t> begun;     ///< commits
    std::atomic<std::uint64_t> returned;  ///< commits; their generations:
    std::atomic<Generation> generations[most_commits];
    std::atomic<Generation> promised;  ///< the newest that somebody was told is durable
    std::atomic<Generation> seen;      ///< the newest that a reader saw
    std::atomic<std::uint64_t> snapshots;
    std::atomic<bool> struck;  ///< from here on whatever fails was to be expected
    std::atomic<int> code;     ///< Errc of the victim's end

    void promise(Generation generation) noexcept { raise(promised, generation); }
    void saw(Generation generation) noexcept { raise(seen, generation); }

private:
    static void raise(std::atomic<Generation>& to, Generation value) noexcept {
        for (Generation old = to.load(); old < value && !to.compare_exchange_weak(old, value);) {
        }
    }
};

struct LifeOptions {
    std::filesystem::path base{};
    std::uint64_t seed = 0;
    /// The event at which this process itself calls `strike`, which makes the disk fail. Before it,
    /// `struck` is set.
    std::uint64_t strike_at = ~std::uint64_t{0};
    std::function<void()> strike{};
    /// The word 1 goes through the channel when so many commits have returned.
    std::uint64_t tell_at = ~std::uint64_t{0};
};

ProducerOptions options_in(const std::filesystem::path& base, DurabilityOptions durability);

/// Opens the store, which has `contents`, and changes it until the disk fails: its end is a typed
/// error. Throws what should not have happened.
void live(const LifeOptions& options, Journal& journal, Contents contents,
          const test::Channel& channel);
/// What `live` with this seed has made of `contents` after so many commits.
void replay(std::uint64_t seed, Contents& contents, std::uint64_t commits);

/// Attaches and compares what it sees with its checksums, and has the kernel write parts of files
/// at times of its own, until the disk fails.
void watch(const std::filesystem::path& base, std::uint64_t seed, Journal& journal);

}  // namespace strata::powercut

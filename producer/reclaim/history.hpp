// SPDX-License-Identifier: Apache-2.0
// What retained generations (ProducerOptions::retain) still reach and the newest does not: kept out
// of limbo until the generation is evicted. A generation of the past is found by its history slot
// in the control file, so the slot is cleared first (docs/reclamation.md, C17).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/reclaim/limbo.hpp"
#include "producer/reclaim/retired_files.hpp"
#include "strata/producer.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

class History {
public:
    /// Evicted by one commit at most, so that none pays for everything that the limits of time or
    /// bytes evict.
    static constexpr std::size_t most_evicted = 64;

    /// How much stays readable, as `options` say. Throws std::bad_alloc.
    History(ControlRegion& control, const ProducerOptions& options)
        : control_(control),
          retain_(options.retain),
          retain_for_(options.retain_for),
          most_bytes_(options.retain_bytes) {}

    bool enabled() const noexcept { return retain_ > 0 || retain_for_.count() > 0; }

    /// The oldest generation that can be asked for while `newest` is the newest one.
    Generation oldest_retained(Generation newest) const noexcept STRATA_REQUIRES(commit_role);
    /// Chooses what `evict` evicts once `newest` is published after `current`. Returns the oldest
    /// generation that can be asked for then. Repeated if the commit fails.
    Generation plan(Generation current, Generation newest) noexcept STRATA_REQUIRES(commit_role);

    /// Starts over at a generation: slots of former producers must not name blocks that will be
    /// reused.
    void begin(Generation generation, std::uint64_t root_offset) STRATA_REQUIRES(commit_role);
    /// Numbers up to this one are left out: none of them can be retained.
    void skip_numbers(Generation up_to) noexcept STRATA_REQUIRES(commit_role) {
        first_retained_ = up_to + 1;
    }
    /// Makes room for what the commit after `generation` retires, which cannot fail then. The last
    /// thing before that commit is published: it leaves an entry behind.
    void prepare(Generation generation, std::size_t blocks) STRATA_REQUIRES(commit_role);
    void publish_slot(Generation generation, std::uint64_t root_offset) noexcept
        STRATA_REQUIRES(commit_role);
    void retire(const Retired& block) noexcept STRATA_REQUIRES(commit_role) {
        entries_.back().blocks.push_back(block);
        entries_.back().bytes += block.bytes;
        bytes_ += block.bytes;
    }
    void retire(std::vector<RetiredFile>&& files) noexcept STRATA_REQUIRES(commit_role) {
        entries_.back().files = std::move(files);
    }
    /// Evicts what was planned, now that `newest` is published, in favour of limbo and retired
    /// files, which have room for it: see `planned`.
    void evict(Generation newest, std::uint64_t epoch, Limbo& limbo, RetiredFiles& files) noexcept
        STRATA_REQUIRES(commit_role);

    struct Planned {
        std::size_t blocks = 0;
        std::size_t files = 0;
    };
    Planned planned() const noexcept STRATA_REQUIRES(commit_role);
    std::uint64_t bytes() const noexcept STRATA_REQUIRES(commit_role) { return bytes_; }

private:
    // Not the wall clock: set back, it would have all of them retained for as long again.
    using Clock = std::chrono::steady_clock;

    struct Entry {
        Generation generation;         // the last one that reaches the blocks
        Clock::time_point superseded;  // when it was the newest no more
        std::uint64_t bytes;           // of the blocks
        std::vector<Retired> blocks;
        std::vector<RetiredFile> files;
    };

    ControlRegion& control_;
    const std::uint32_t retain_;
    const std::chrono::nanoseconds retain_for_;
    const std::uint64_t most_bytes_;  // 0: any number
    Generation first_retained_ STRATA_GUARDED_BY(commit_role) = 0;
    std::deque<Entry> entries_ STRATA_GUARDED_BY(commit_role);  // ascending
    std::uint64_t bytes_ STRATA_GUARDED_BY(commit_role) = 0;    // of all entries
    std::size_t evictions_ STRATA_GUARDED_BY(commit_role) = 0;  // planned, from the front
    Clock::time_point planned_ STRATA_GUARDED_BY(commit_role){};
};

}  // namespace strata::producer_impl

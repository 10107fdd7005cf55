// SPDX-License-Identifier: Apache-2.0
// Gives retired blocks and files back once no reader can reach them. It composes the clock, limbo,
// the history of retained generations, and the pins of durable generations and bookmarks. The
// claims that this rests on are in docs/reclamation.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ipc/lock_table.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/durability/durable_pins.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/reclaim/bookmarks.hpp"
#include "producer/reclaim/history.hpp"
#include "producer/reclaim/limbo.hpp"
#include "producer/reclaim/reclamation_clock.hpp"
#include "producer/reclaim/retired_files.hpp"
#include "producer/reclaim/slow_readers.hpp"
#include "producer/statistics/counters.hpp"
#include "strata/error.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

class Reclaimer {
public:
    /// All outlive this object.
    Reclaimer(ControlRegion& control, const CurrentGeneration& current,
              const ipc::StoreDirectory& directory, const ProducerOptions& options,
              MemoryBudget& budget, Counters& counters, const DurablePins& durable,
              Bookmarks& bookmarks);

    const ReclamationClock& clock() const noexcept { return clock_; }
    /// Of the clock. Any thread.
    std::uint64_t epoch() const noexcept { return clock_.epoch(); }

    // Taking over a store, before anything else.
    /// Continues a former producer's clock, and restarts the history at the current root.
    void begin(std::uint64_t epoch) STRATA_REQUIRES(commit_role);
    /// See CurrentGeneration::skip_numbers.
    void skip_numbers(Generation up_to) noexcept STRATA_REQUIRES(commit_role) {
        history_.skip_numbers(up_to);
    }
    /// See ReclamationClock::advance.
    bool end_epoch(unsigned questions) noexcept STRATA_REQUIRES(commit_role);
    /// The same between two commits, whatever scan is under way: what was retired before has a tag
    /// below the new epoch, and nothing born later has a birth in the old one.
    void part_epochs() noexcept STRATA_REQUIRES(commit_role);
    Limbo& limbo() noexcept STRATA_REQUIRES(commit_role) { return limbo_; }
    RetiredFiles& retired_files() noexcept STRATA_REQUIRES(commit_role) { return files_; }

    // Commits.
    /// See History::plan.
    Generation plan_retention(Generation newest) noexcept STRATA_REQUIRES(commit_role) {
        return history_.plan(current_.root().generation, newest);
    }
    /// The oldest generation that can be asked for.
    Generation oldest_retained() const noexcept STRATA_REQUIRES(commit_role) {
        return history_.oldest_retained(current_.root().generation);
    }
    /// Makes sure that `retire` of as many blocks and files cannot fail. The last thing before the
    /// generation after the current one is published.
    void prepare(std::size_t blocks, std::size_t files) STRATA_REQUIRES(commit_role);
    /// Makes the new root available by its number.
    void publish_slot(Generation generation, std::uint64_t root_offset) noexcept
        STRATA_REQUIRES(commit_role) {
        history_.publish_slot(generation, root_offset);
    }
    /// Retires what `newest`, just published, no longer reaches.
    void retire(Generation newest, std::span<const Retired> blocks,
                std::vector<RetiredFile>&& files) noexcept STRATA_REQUIRES(commit_role);

    /// Ends an epoch and frees what no pin protects. Returns the bytes that can be used again.
    std::uint64_t reclaim(unsigned questions) STRATA_REQUIRES(commit_role);
    // The same in two steps, for commits, which must not wait for the whole of it:
    /// Ends an epoch and asks which past ones are pinned. Time does not depend on what waits.
    void begin_reclaim(unsigned questions) STRATA_REQUIRES(commit_role);
    /// Examines up to `blocks` of what waits and frees those that no pin protects; with the last of
    /// them the files. True: this was the last portion.
    bool reclaim_portion(std::size_t blocks) STRATA_REQUIRES(commit_role);
    /// Whether enough is in limbo to be worth a query of the readers' pins, or one is due.
    bool is_due(std::int64_t now_ns) const noexcept STRATA_REQUIRES(commit_role);
    /// Older epochs that readers pinned when it was last reclaimed.
    std::span<const ipc::EpochRange> pins() const noexcept STRATA_REQUIRES(commit_role) {
        return last_pins_;
    }
    /// Adds to an out-of-memory error who holds memory back.
    void name_holders(Error::Parts& parts) const STRATA_REQUIRES(commit_role);
    SlowReaders& slow_readers() noexcept { return slow_readers_; }

    /// Bytes held back for readers, as of the last scan.
    std::uint64_t held_bytes() const noexcept STRATA_REQUIRES(commit_role) {
        return limbo_.held_bytes();
    }

    // For statistics.
    struct Waiting {
        std::uint64_t unscanned_bytes;  // retired since the last scan
        std::uint64_t held_bytes;
        std::uint64_t history_bytes;  // of retained generations
        std::uint64_t file_bytes;

        /// All but the files.
        std::uint64_t block_bytes() const noexcept {
            return unscanned_bytes + held_bytes + history_bytes;
        }
    };
    Waiting waiting() const noexcept STRATA_REQUIRES(commit_role) {
        return {limbo_.unscanned_bytes(), limbo_.held_bytes(), history_.bytes(), files_.bytes()};
    }
    std::uint64_t reclaims() const noexcept STRATA_REQUIRES(commit_role) { return reclaims_; }
    /// Publishes the oldest epoch that is over and pinned; 0: there is none.
    void note_oldest_pin(std::uint64_t epoch, std::int64_t now_ns) noexcept
        STRATA_REQUIRES(commit_role);

    /// At the end of the producer's life: leaves the files to its successor.
    void keep_files() noexcept { files_.keep_all(); }

private:
    bool look(unsigned questions) STRATA_REQUIRES(commit_role);
    std::size_t examine(std::size_t blocks) STRATA_REQUIRES(commit_role);
    void finish() STRATA_REQUIRES(commit_role);
    void free_blocks() noexcept STRATA_REQUIRES(commit_role);
    void nudge_idle_readers(std::span<const ipc::EpochRange> pinned) noexcept
        STRATA_REQUIRES(commit_role);

    ControlRegion& control_;
    const CurrentGeneration& current_;
    const SlowReaderOptions& slow_reader_options_;
    MemoryBudget& budget_;
    Counters& counters_;
    const DurablePins& durable_;
    Bookmarks& bookmarks_;
    ReclamationClock clock_;
    Limbo limbo_ STRATA_GUARDED_BY(commit_role);
    std::vector<Retired> freed_ STRATA_GUARDED_BY(commit_role);  // one portion
    bool under_way_ STRATA_GUARDED_BY(commit_role) = false;      // the scan of the last query
    std::uint64_t reclaimed_bytes_ STRATA_GUARDED_BY(commit_role) = 0;  // in all
    History history_;
    RetiredFiles files_;
    SlowReaders slow_readers_;
    std::vector<ipc::EpochRange> last_pins_ STRATA_GUARDED_BY(commit_role);
    // With the durable ones and those of bookmarks.
    std::vector<ipc::EpochRange> all_pins_ STRATA_GUARDED_BY(commit_role);
    std::uint64_t held_at_last_nudge_ STRATA_GUARDED_BY(commit_role) = 0;
    std::uint64_t reclaims_ STRATA_GUARDED_BY(commit_role) = 0;
    std::int64_t last_reclaim_ns_ STRATA_GUARDED_BY(commit_role) = 0;
};

}  // namespace strata::producer_impl

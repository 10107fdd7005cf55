// SPDX-License-Identifier: Apache-2.0
// What the tortured processes leave behind when they are killed: counters in memory that they share
// with the driver (and with nobody else; no part of strata).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace strata::test {

/// The stores that are tortured, each in its own way.
enum class Place : unsigned char {
    steady,  ///< roomy, with retained generations
    tight,   ///< hardly room: refusals, and dimensions that are relocated for slow readers
    brief,   ///< created, replaced and removed all the time
};
inline constexpr std::size_t places = 3;

constexpr const char* name_of(Place place) noexcept {
    constexpr const char* names[] = {"steady", "tight", "brief"};
    return names[static_cast<std::size_t>(place)];
}

inline constexpr std::size_t max_crash_points = 128;

struct Ledger {
    using Count = std::atomic<std::uint64_t>;

    // By consumers and their forked children.
    Count snapshots;        ///< compared whole
    Count layers;           ///< compared with what they have to be
    Count rechecks;         ///< of snapshots held since before
    Count retained;         ///< of earlier generations
    Count retained_by_lot;  ///< by the producer itself, which knows what has to be there
    Count bookmarked;       ///< generations that have a name
    Count backups;
    Count restored;  ///< backups that were restored and compared
    Count verified;  ///< strata::verify
    Count attached;
    Count forks;
    Count suicides;  ///< of forked children, by SIGKILL
    Count vanished;  ///< stores removed under a consumer that was comparing
    // By producers.
    Count generations;
    Count opened;
    Count created;
    Count removed;
    Count refused;  ///< commits for which there was no room
    Count relocations;
    Count moves;  ///< of dimensions, because the producer was asked to
    // What nobody should ever see.
    Count mismatches;
    std::atomic<bool> complained;
    char complaint[4096];

    /// Known to be published: whoever looks later sees it or a newer one.
    Count published[places];
    /// Deaths at crash points, in the order of the list of points.
    Count deaths_at[max_crash_points];

    // A producer that settles has looked at what it takes over, and reads no more.
    std::atomic<bool> settling;
    // The driver asks the last producers to finish: all consumers are gone.
    std::atomic<bool> finish;
    struct Balance {
        Count generation;
        Count live_bytes;
        Count committed_bytes;
        Count kernel_bytes;  ///< of the files, as the kernel counts
        Count limbo_bytes;
        Count used_bytes;  ///< blocks in use in region files
        Count files;       ///< region files
        Count regions;
    };
    Balance balance[places];
};

/// The ledger that the driver has made, mapped from the descriptor that it passed on.
Ledger& map_ledger(int descriptor);

/// Notes a finding; the first one's text is kept.
void complain(Ledger& ledger, std::string_view text) noexcept;

}  // namespace strata::test

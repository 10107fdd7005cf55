// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/report.hpp"

#include <cinttypes>
#include <cstdio>

#include "tests/torture/crash_points.hpp"

namespace strata::test {

namespace {

void line(const char* what, std::uint64_t count, const char* more = "") {
    std::printf("  %-34s %12" PRIu64 "  %s\n", what, count, more);
}

}  // namespace

void report(Driver& driver, std::uint64_t seed, std::chrono::seconds time) {
    const Tally& tally = driver.tally();
    Ledger& ledger = driver.ledger();
    std::uint64_t at_points = 0;
    std::printf("deaths at crash points:\n");
    const auto points = crash_points();
    for (std::size_t i = 0; i < points.size(); ++i) {
        const std::uint64_t deaths = ledger.deaths_at[i].load();
        at_points += deaths;
        std::printf("  %-30.*s %6" PRIu64 "%s", static_cast<int>(points[i].size()),
                    points[i].data(), deaths, i % 2 == 1 ? "\n" : "");
    }
    std::printf("\nseed %" PRIu64 ", %lld s\n", seed, static_cast<long long>(time.count()));
    line("kills", tally.kills());
    line("  of producers", tally.producer_kills);
    line("  of consumers", tally.consumer_kills);
    line("  of forked consumers", tally.child_kills);
    line("  at crash points", at_points, "the others at random times");
    line("starts of producers", tally.producers_started);
    line("starts of consumers", tally.consumers_started);
    line("orderly ends", tally.orderly_ends);
    line("stopped and continued", tally.stops);
    line("forks of readers", ledger.forks);
    line("generations", ledger.generations);
    line("stores created", ledger.created);
    line("stores removed", ledger.removed);
    line("dimensions moved on", ledger.relocations);
    line("dimensions moved when asked to", ledger.moves);
    line("commits refused for want of room", ledger.refused);
    line("snapshots compared whole", ledger.snapshots);
    line("  again, later", ledger.rechecks);
    line("  retained generations", ledger.retained);
    line("  what has to be retained", ledger.retained_by_lot);
    line("  bookmarked generations", ledger.bookmarked);
    line("  verified", ledger.verified);
    line("backups", ledger.backups);
    line("  restored and compared", ledger.restored);
    line("layers compared", ledger.layers);
    line("stores gone while compared", ledger.vanished);
    line("balances drawn", tally.balances);
    line("  leftovers without memory", tally.leftovers);
    line("  most memory held, in percent", tally.most_committed_percent,
         "of 1.4 x live bytes + 512 KiB");
    line("leaked bytes", tally.leaked_bytes);
    line("mismatches", ledger.mismatches);
    for (const std::string& finding : driver.findings()) {
        std::printf("WRONG: %s\n", finding.c_str());
    }
    if (ledger.complained) {
        std::printf("WRONG: %s\n", ledger.complaint);
    }
    std::fflush(stdout);
}

}  // namespace strata::test

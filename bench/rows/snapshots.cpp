// SPDX-License-Identifier: Apache-2.0
// Taking and dropping a snapshot for every operation.
#include <atomic>

#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"
#include "bench/rows/read_rounds.hpp"

namespace strata::bench {

namespace {

void with_find(Context& context, const std::string& name, const Dataset& dataset) {
    const ScratchDirectory scratch(context, "snapshots");
    StrataStore store(scratch.path(), dataset);
    std::unique_ptr<LmdbStore> lmdb;
    const KeyStream keys(dataset.layers, Distribution::uniform);
    Row row{.name = name, .title = "take a snapshot, find one layer, release it", .unit = "ns"};
    row.at_least(12, "LMDB renewed", "strata snapshot+find+drop");
    std::vector<Entrant> entrants;
    entrants.push_back(sums_entrant(
        context, "strata snapshot+find+drop", Role::strata,
        [&] { return strata_renewed_reader(store.consumer()); }, keys));
    entrants.push_back(sums_entrant(
        context, "LMDB renewed", Role::peer,
        [&] {
            lmdb = std::make_unique<LmdbStore>(scratch.path() / "lmdb", dataset);
            return lmdb->renewed_reader();
        },
        keys));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

double time_repeats(double seconds, const std::function<void()>& thousand) {
    const Stopwatch watch;
    std::size_t repeats = 0;
    do {
        thousand();
        ++repeats;
    } while (watch.seconds() < seconds);
    return static_cast<double>(watch.ns()) / (1000.0 * static_cast<double>(repeats));
}

void alone(Context& context, const std::string& name) {
    const ScratchDirectory scratch(context, "snapshots");
    StrataStore store(scratch.path(), {280, 256});
    std::atomic<std::uint64_t> counter{0};
    Row row{.name = name,
            .title = "take a snapshot and release it, nothing published meanwhile",
            .unit = "ns"};
    row.at_most(3, "strata snapshot+drop", "atomic increment");
    const double seconds = context.round_seconds();
    std::vector<Entrant> entrants;
    entrants.push_back({"strata snapshot+drop", Role::strata, [&] {
                            return time_repeats(seconds, [&] {
                                std::uint64_t sum = 0;
                                for (int i = 0; i < 1000; ++i) {
                                    sum += store.consumer().snapshot().generation();
                                }
                                check_sum("snapshot", sum, 1000 * store.producer().generation());
                            });
                        }});
    entrants.push_back({"atomic increment", Role::ceiling, [&] {
                            return time_repeats(seconds, [&] {
                                for (int i = 0; i < 1000; ++i) {
                                    counter.fetch_add(1, std::memory_order_acq_rel);
                                }
                            });
                        }});
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_snapshots(Context& context) {
    if (context.wants("snapshot/alone")) {
        alone(context, "snapshot/alone");
    }
    for (const std::uint64_t layers : {280U, 10'000U, 1'000'000U}) {
        const std::string name = "snapshot/find/" + std::to_string(layers);
        if (context.wants(name)) {
            with_find(context, name, {layers, 256});
        }
    }
}

}  // namespace strata::bench

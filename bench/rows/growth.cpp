// SPDX-License-Identifier: Apache-2.0
// How cost grows with the number of layers: the points of the plots. 64-byte payloads, so that ten
// million layers fit.
#include "bench/harness/clock.hpp"
#include "bench/peers/in_process.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"
#include "bench/rows/read_rounds.hpp"

namespace strata::bench {

namespace {

Row point(const char* metric, std::uint64_t layers, const char* title, const char* unit) {
    return {.name = std::string("growth/") + metric + "/" + std::to_string(layers),
            .title = title,
            .unit = unit};
}

double time_commits(Writer& writer, std::uint64_t layers, std::uint64_t& serial, double seconds) {
    std::vector<std::byte> payload(64);
    const Stopwatch watch;
    std::uint64_t commits = 0;
    do {
        for (int i = 0; i < 100; ++i, ++commits) {
            const std::uint64_t key = reduce(mix(++serial), layers);
            fill_payload(key, serial, payload);
            writer.begin();
            writer.put(key, payload);
            writer.commit();
        }
    } while (watch.seconds() < seconds);
    return static_cast<double>(watch.ns()) / static_cast<double>(commits);
}

void one_size(Context& context, std::uint64_t layers) {
    const Dataset dataset{layers, 64};
    const ScratchDirectory scratch(context, "growth");
    StrataStore store(scratch.path(), dataset);
    std::unique_ptr<LmdbStore> lmdb;
    const auto filled_lmdb = [&]() -> LmdbStore& {
        if (!lmdb) {
            lmdb = std::make_unique<LmdbStore>(scratch.path() / "lmdb", dataset);
        }
        return *lmdb;
    };
    {
        Row row = point("find", layers, "one look-up in a held snapshot, uniform keys", "ns");
        const KeyStream keys(layers, Distribution::uniform);
        const PrivatePayloads payloads(dataset);
        std::vector<Entrant> entrants;
        entrants.push_back(sums_entrant(
            context, "strata", Role::strata, [&] { return strata_held_reader(store.consumer()); },
            keys));
        entrants.push_back(sums_entrant(
            context, "array", Role::ceiling, [&] { return array_reader(payloads); }, keys));
        entrants.push_back(sums_entrant(
            context, "LMDB", Role::peer, [&] { return filled_lmdb().held_reader(); }, keys));
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    {
        Row row = point("commit", layers, "one commit of one layer", "ns");
        const std::unique_ptr<Writer> own = strata_writer(store.producer());
        std::unique_ptr<Writer> theirs;
        std::uint64_t own_serial = 0;
        std::uint64_t their_serial = 0;
        std::vector<Entrant> entrants;
        entrants.push_back(
            {"strata", Role::strata,
             [&] { return time_commits(*own, layers, own_serial, context.round_seconds()); }});
        entrants.push_back({"LMDB", Role::peer, [&] {
                                if (!theirs) {
                                    theirs = filled_lmdb().writer();
                                }
                                return time_commits(*theirs, layers, their_serial,
                                                    context.round_seconds());
                            }});
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    {
        Row row = point("attach", layers, "attach and read one layer", "us");
        std::vector<Entrant> entrants;
        entrants.push_back({"strata", Role::strata, [&] {
                                const Stopwatch watch;
                                Consumer consumer = Consumer::attach(
                                    StrataStore::name, consumer_options(scratch.path()));
                                const Snapshot snapshot = consumer.snapshot();
                                const Layer layer = snapshot.find({StrataStore::dimension, 7});
                                const std::uint64_t words = words_of(layer.bytes());
                                const double spent = static_cast<double>(watch.ns()) / 1e3;
                                check_sum("strata", words, expected_words(7));
                                return spent;
                            }});
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    Row row = point("index", layers, "index memory of one layer", "bytes");
    const auto infos = store.consumer().snapshot().dimensions();
    row.value("strata", Role::strata,
              static_cast<double>(infos.at(0).live_bytes) / static_cast<double>(layers) - 128);
    context.finish(std::move(row));
}

}  // namespace

void run_growth(Context& context) {
    for (std::uint64_t layers = 100; layers <= 10'000'000; layers *= 10) {
        bool wanted = false;
        for (const char* metric : {"find", "commit", "attach", "index"}) {
            wanted = wanted ||
                     context.wants(std::string("growth/") + metric + "/" + std::to_string(layers));
        }
        if (wanted && (!context.quick() || layers <= 1'000'000)) {
            one_size(context, layers);
        }
    }
}

}  // namespace strata::bench

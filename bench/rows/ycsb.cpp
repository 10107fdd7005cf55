// SPDX-License-Identifier: Apache-2.0
// YCSB B (95 % reads, 5 % updates) and C (reads only): zipfian keys, one process, each read sees
// the newest version: a snapshot, a read transaction or a lock for every operation.
#include "bench/harness/clock.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/interprocess.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

struct Side {
    std::unique_ptr<Reader> reader;
    std::unique_ptr<Writer> writer;
    std::size_t chunk = 0;
    std::uint64_t version = 0;
};

double time_operations(const std::string& who, Side& side, const Dataset& dataset,
                       const KeyStream& keys, std::size_t update_every, double seconds) {
    std::vector<std::byte> payload(dataset.payload_bytes);
    const Stopwatch watch;
    std::uint64_t operations = 0;
    do {
        const auto chunk = keys.keys(side.chunk);
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < chunk.size(); ++i) {
            if (update_every != 0 && i % update_every == 0) {
                fill_payload(chunk[i], ++side.version, payload);
                side.writer->begin();
                side.writer->put(chunk[i], payload);
                side.writer->commit();
                sum += expected_words(chunk[i]);  // so that the chunk's sum is what it should be
            } else {
                sum += side.reader->sum(chunk.subspan(i, 1));
            }
        }
        check_sum(who, sum, keys.expected(side.chunk));
        side.chunk = (side.chunk + 1) % keys.chunks();
        operations += chunk.size();
    } while (watch.seconds() < seconds);
    return static_cast<double>(watch.ns()) / static_cast<double>(operations);
}

void workload(Context& context, const std::string& name, const std::string& title,
              const Dataset& dataset, std::size_t update_every) {
    const ScratchDirectory scratch(context, "ycsb");
    StrataStore store(scratch.path(), dataset);
    std::unique_ptr<LmdbStore> lmdb;
    const KeyStream keys(dataset.layers, Distribution::zipfian);
    Row row{.name = name, .title = title, .unit = "ns"};
    row.at_most(1, "strata", "LMDB");
    row.at_most(1, "strata", "Boost.Interprocess map + mutex");
    const auto entrant = [&](const char* who, Role role, std::function<Side()> make) {
        return Entrant{who, role,
                       [&, who, make = std::move(make), side = std::make_shared<Side>()] {
                           if (!side->reader) {
                               *side = make();
                           }
                           return time_operations(who, *side, dataset, keys, update_every,
                                                  context.round_seconds());
                       }};
    };
    std::vector<Entrant> entrants;
    entrants.push_back(entrant("strata", Role::strata, [&] {
        return Side{strata_renewed_reader(store.consumer()), strata_writer(store.producer())};
    }));
    entrants.push_back(entrant("LMDB", Role::peer, [&] {
        lmdb = std::make_unique<LmdbStore>(scratch.path() / "lmdb", dataset);
        return Side{lmdb->renewed_reader(), lmdb->writer()};
    }));
    entrants.push_back(entrant("Boost.Interprocess map + mutex", Role::peer, [&] {
        const std::filesystem::path file = scratch.path() / "interprocess";
        create_interprocess_map(file, dataset);
        return Side{interprocess_reader(file), interprocess_writer(file)};
    }));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_ycsb(Context& context) {
    for (const std::uint64_t layers : {10'000U, 1'000'000U}) {
        const std::string b = std::string("ycsb/B/") + std::to_string(layers);
        const std::string c = std::string("ycsb/C/") + std::to_string(layers);
        if (context.wants(b)) {
            workload(context, b, "one operation, 95 % reads, 5 % updates", {layers, 256}, 20);
        }
        if (context.wants(c)) {
            workload(context, c, "one operation, reads only", {layers, 256}, 0);
        }
    }
}

}  // namespace strata::bench

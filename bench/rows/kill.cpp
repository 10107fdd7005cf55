// SPDX-License-Identifier: Apache-2.0
// Readers die by SIGKILL at any time: does everybody else go on?
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/interprocess.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr Dataset dataset{280, 256};

struct Side {
    std::function<void()> fill;
    std::function<std::unique_ptr<Reader>()> reader;
    std::function<std::unique_ptr<Writer>()> writer;
};

/// One store, one reader killed while it reads; then a writer and another reader, in processes of
/// their own, must get their work done.
bool survives(const Side& side, const KeyStream& keys, int attempt) {
    side.fill();
    {
        Crew victim(1, [&](Crew::Member& member) {
            const std::unique_ptr<Reader> reader = side.reader();
            member.ready_to_start();
            for (std::size_t chunk = 0;; chunk = (chunk + 1) % keys.chunks()) {
                reader->sum(keys.keys(chunk));
            }
        });
        victim.start();
        usleep(static_cast<useconds_t>(2000 + mix(static_cast<std::uint64_t>(attempt)) % 3000));
    }  // killed
    try {
        Crew others(2, [&](Crew::Member& member) {
            if (member.index() == 0) {
                const std::unique_ptr<Writer> writer = side.writer();
                std::vector<std::byte> payload(dataset.payload_bytes);
                member.ready_to_start();
                for (std::uint64_t i = 0; i < 100; ++i) {
                    fill_payload(i, i, payload);
                    writer->begin();
                    writer->put(i, payload);
                    writer->commit();
                }
            } else {
                const std::unique_ptr<Reader> reader = side.reader();
                member.ready_to_start();
                check_sum("a reader", reader->sum(keys.keys(0)), keys.expected(0));
            }
        });
        others.start();
        others.join();
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

}  // namespace

void run_kill(Context& context) {
    const std::string name = "kill/readers";
    if (!context.wants(name)) {
        return;
    }
    const ScratchDirectory scratch(context, "kill");
    const KeyStream keys(dataset.layers, Distribution::uniform);
    // A store that is broken costs the patience of its mutex each time.
    const int kills = context.quick() ? 10 : 30;
    const std::string all = std::to_string(kills);
    Row row{.name = name,
            .title = "of " + all + " readers killed by SIGKILL, how many harmed nobody",
            .unit = "of " + all,
            .more_is_better = true};
    row.at_least(kills, "strata");
    const LoadMeter load;
    std::filesystem::path place;
    const Side strata{[&] { const StrataStore fill(place, dataset); },
                      [&] {
                          auto consumer = std::make_shared<Consumer>(
                              Consumer::attach(StrataStore::name, consumer_options(place)));
                          return make_reader([consumer](std::uint64_t key) {
                              const Snapshot snapshot = consumer->snapshot();
                              return snapshot.find({StrataStore::dimension, key}).bytes();
                          });
                      },
                      [&] { return strata_attach_writer(place); }};
    const Side map{[&] { create_interprocess_map(place / "map", dataset); },
                   [&] { return interprocess_reader(place / "map"); },
                   [&] { return interprocess_writer(place / "map"); }};
    const Side lmdb{[&] { const LmdbStore fill(place / "lmdb", dataset); },
                    [&] { return lmdb_request_reader(place / "lmdb"); },
                    [&] { return lmdb_attach_writer(place / "lmdb"); }};
    struct Named {
        const char* who;
        Role role;
        const Side& side;
    };
    for (const Named& one : {Named{"strata", Role::strata, strata}, Named{"LMDB", Role::peer, lmdb},
                             Named{"Boost.Interprocess map + mutex", Role::peer, map}}) {
        int survived = 0;
        for (int i = 0; i < kills; ++i) {
            const ScratchDirectory fresh(context, "kill");
            place = fresh.path();
            try {
                survived += survives(one.side, keys, i) ? 1 : 0;
            } catch (const NotRun& reason) {
                row.not_run(one.who, one.role, reason.what());
                break;
            }
        }
        row.value(one.who, one.role, survived);
    }
    row.others_busy = load.others_busy();
    context.finish(std::move(row));
}

}  // namespace strata::bench

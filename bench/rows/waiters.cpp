// SPDX-License-Identifier: Apache-2.0
// What waiting consumers cost the producer: the time of a commit with 0, 1 and 16 of them asleep.
#include <chrono>
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/harness/stats.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr Dataset dataset{10'000, 256};
constexpr std::size_t events = 200;

/// The sleepers have this long to fall asleep again between two events.
void pause_for(std::size_t waiters) { usleep(static_cast<useconds_t>(200 + 50 * waiters)); }

double strata_round(const std::filesystem::path& base, Writer& writer, std::size_t waiters) {
    using namespace std::chrono_literals;
    Crew crew(waiters, [&](Crew::Member& member) {
        Consumer consumer = Consumer::attach(StrataStore::name, consumer_options(base));
        Generation seen = consumer.generation();
        member.ready_to_start();
        while (!member.stopped()) {
            if (consumer.wait(seen, 20ms) == WaitResult::changed) {
                const Snapshot snapshot = consumer.snapshot();
                seen = snapshot.generation();
                const std::uint64_t key = seen % dataset.layers;
                check_sum("a waiting consumer",
                          words_of(snapshot.find({StrataStore::dimension, key}).bytes()),
                          expected_words(key));
            }
        }
    });
    crew.start();
    std::vector<std::byte> payload(dataset.payload_bytes);
    std::vector<double> times;
    for (std::uint64_t i = 0; i < events; ++i) {
        pause_for(waiters);
        fill_payload(i, i, payload);
        const Stopwatch watch;
        writer.put(i, payload);
        writer.commit();
        times.push_back(static_cast<double>(watch.ns()));
    }
    crew.stop();
    crew.join();
    return median(times);
}

double futex_round(std::size_t waiters) {
    const SharedMemory memory(sizeof(std::atomic<std::uint32_t>));
    auto& word = *static_cast<std::atomic<std::uint32_t>*>(memory.data());
    Crew crew(waiters, [&](Crew::Member& member) {
        std::uint32_t seen = word.load();
        member.ready_to_start();
        while (!member.stopped()) {
            futex_wait(word, seen);
            seen = word.load();
        }
    });
    crew.start();
    std::vector<double> times;
    for (std::size_t i = 0; i < events; ++i) {
        pause_for(waiters);
        const Stopwatch watch;
        word.fetch_add(1);
        futex_wake(word);
        times.push_back(static_cast<double>(watch.ns()));
    }
    crew.stop();
    word.fetch_add(1);
    futex_wake(word);
    crew.join();
    return median(times);
}

}  // namespace

void run_waiters(Context& context) {
    for (const std::size_t waiters : {0U, 1U, 16U}) {
        const std::string name = "waiters/" + std::to_string(waiters);
        if (!context.wants(name)) {
            continue;
        }
        const ScratchDirectory scratch(context, "waiters");
        StrataStore store(scratch.path(), dataset);
        const std::unique_ptr<Writer> writer = strata_writer(store.producer());
        Row row{.name = name,
                .title = "one commit of one layer, median, with " + std::to_string(waiters) +
                         " consumers asleep in wait()",
                .unit = "ns"};
        std::vector<Entrant> entrants;
        entrants.push_back({"strata", Role::strata,
                            [&] { return strata_round(scratch.path(), *writer, waiters); }});
        entrants.push_back({"raw futex wake", Role::ceiling, [&] { return futex_round(waiters); }});
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
}

}  // namespace strata::bench

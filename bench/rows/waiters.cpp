// SPDX-License-Identifier: Apache-2.0
// What waiting consumers cost the producer: the time of a commit with 0 to 1,000 of them asleep;
// and after how long the last of them is awake.
#include <atomic>
#include <chrono>
#include <string>
#include <unistd.h>
#include <vector>

#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/harness/stats.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr Dataset dataset{10'000, 256};
std::size_t events_of(std::size_t waiters) { return waiters > 10 ? 40 : 200; }

/// The sleepers have this long to fall asleep again between two events.
void pause_for(std::size_t waiters) { usleep(static_cast<useconds_t>(200 + 50 * waiters)); }

/// When each event began, and how many sleepers have seen it, the last of them when.
class Log {
public:
    void begin(std::size_t event) { events()[event].began = now(); }
    /// By each sleeper, once for each event.
    void seen(std::size_t event) {
        Event& at = events()[event];
        const std::int64_t time = now();
        std::int64_t last = at.last.load();
        while (last < time && !at.last.compare_exchange_weak(last, time)) {
        }
        at.seen.fetch_add(1);
    }
    /// Sleepers that were still awake when an event began do not count, nor do its like.
    double median_ns(std::size_t count, std::size_t waiters) {
        std::vector<double> times;
        for (std::size_t event = 0; event < count; ++event) {
            const Event& at = events()[event];
            if (at.seen == waiters) {
                times.push_back(static_cast<double>(at.last - at.began));
            }
        }
        return times.empty() ? 0 : median(times);
    }

private:
    struct Event {
        std::atomic<std::int64_t> began;
        std::atomic<std::int64_t> last;
        std::atomic<std::size_t> seen;
    };
    static std::int64_t now() {
        return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
    }
    Event* events() const { return static_cast<Event*>(memory_.data()); }
    SharedMemory memory_{sizeof(Event) * 256};
};

struct Times {
    double commit_ns;
    double last_awake_ns;
};

Times strata_round(const std::filesystem::path& base, StrataStore& store, Writer& writer,
                   std::size_t waiters) {
    using namespace std::chrono_literals;
    Log log;
    const Generation first = store.producer().generation() + 1;
    Crew crew(waiters, [&](Crew::Member& member) {
        Consumer consumer = Consumer::attach(StrataStore::name, consumer_options(base));
        Generation seen = consumer.generation();
        member.ready_to_start();
        while (!member.stopped()) {
            if (consumer.wait(seen, 20ms) == WaitResult::changed) {
                log.seen(consumer.generation() - first);
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
    const std::size_t events = events_of(waiters);
    for (std::uint64_t i = 0; i < events; ++i) {
        pause_for(waiters);
        fill_payload(i, i, payload);
        log.begin(i);
        const Stopwatch watch;
        writer.put(i, payload);
        writer.commit();
        times.push_back(static_cast<double>(watch.ns()));
    }
    pause_for(waiters);
    crew.stop();
    crew.join();
    return {median(times), log.median_ns(events, waiters)};
}

Times futex_round(std::size_t waiters) {
    const SharedMemory memory(sizeof(std::atomic<std::uint32_t>));
    auto& word = *static_cast<std::atomic<std::uint32_t>*>(memory.data());
    Log log;
    Crew crew(waiters, [&](Crew::Member& member) {
        std::uint32_t seen = word.load();
        member.ready_to_start();
        while (!member.stopped()) {
            futex_wait(word, seen);
            const std::uint32_t now = word.load();
            if (now != seen && !member.stopped()) {
                log.seen(now - 1);
            }
            seen = now;
        }
    });
    crew.start();
    std::vector<double> times;
    const std::size_t events = events_of(waiters);
    for (std::size_t i = 0; i < events; ++i) {
        pause_for(waiters);
        log.begin(i);
        const Stopwatch watch;
        word.fetch_add(1);
        futex_wake(word);
        times.push_back(static_cast<double>(watch.ns()));
    }
    pause_for(waiters);
    crew.stop();
    word.fetch_add(1);
    futex_wake(word);
    crew.join();
    return {median(times), log.median_ns(events, waiters)};
}

/// Two rows: the commit's time, and the last sleeper's.
void run_with(Context& context, std::size_t waiters) {
    const std::string sleepers = std::to_string(waiters) + " consumers asleep in wait()";
    const std::string commit = "waiters/" + std::to_string(waiters);
    const std::string last = "waiters/last/" + std::to_string(waiters);
    struct Part {
        const std::string& name;
        std::string title;
        double Times::*time;
    };
    for (const Part& part :
         {Part{commit, "one commit of one layer, median, with " + sleepers, &Times::commit_ns},
          Part{last,
               "from the beginning of such a commit until the last one is awake, with " + sleepers,
               &Times::last_awake_ns}}) {
        if (!context.wants(part.name) || (waiters == 0 && part.time == &Times::last_awake_ns)) {
            continue;
        }
        const ScratchDirectory scratch(context, "waiters");
        StrataStore store(scratch.path(), dataset);
        const std::unique_ptr<Writer> writer = strata_writer(store.producer());
        Row row{.name = part.name, .title = part.title, .unit = "ns"};
        std::vector<Entrant> entrants;
        entrants.push_back({"strata", Role::strata, [&] {
                                return strata_round(scratch.path(), store, *writer, waiters).*
                                       part.time;
                            }});
        entrants.push_back(
            {"raw futex wake", Role::ceiling, [&] { return futex_round(waiters).*part.time; }});
        if (waiters == 100 && part.time == &Times::commit_ns) {
            row.at_most(20'000, "strata");
        }
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
}

}  // namespace

void run_waiters(Context& context) {
    for (const std::size_t waiters : {0U, 1U, 10U, 100U, 1000U}) {
        run_with(context, waiters);
    }
}

}  // namespace strata::bench

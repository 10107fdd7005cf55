// SPDX-License-Identifier: Apache-2.0
// N reader processes at once, idle and while a producer publishes.
#include <algorithm>
#include <cstdio>
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/in_process.hpp"
#include "bench/peers/interprocess.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr Dataset dataset{10'000, 256};
/// Look-ups under one snapshot or read transaction, as a request of a real program would do.
constexpr std::size_t lookups_per_request = 64;

/// A contestant in processes of their own: `reader` and `writer` attach where they are called.
struct Side {
    const char* name;
    const char* alone;  ///< what one reader of it, alone, is called; nullptr: not measured
    Role role;
    std::function<std::unique_ptr<Reader>()> reader;
    std::function<std::unique_ptr<Writer>()> writer;
};

class RequestReader final : public Reader {
public:
    explicit RequestReader(Consumer consumer) : consumer_(std::move(consumer)) {}
    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        const Snapshot snapshot = consumer_.snapshot();
        std::uint64_t total = 0;
        for (const std::uint64_t key : keys) {
            const Layer layer = snapshot.find({StrataStore::dimension, key});
            total += words_of(layer ? layer.bytes() : nothing_found());
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t, std::size_t, std::uint64_t) override { return 0; }

private:
    Consumer consumer_;
};

/// Arrays of its own in each process: no sharing, no versions.
class OwnArrayReader final : public Reader {
public:
    std::uint64_t sum(std::span<const std::uint64_t> keys) override { return array_->sum(keys); }
    std::uint64_t chase(std::uint64_t, std::size_t, std::uint64_t) override { return 0; }

private:
    PrivatePayloads payloads_{dataset};
    std::unique_ptr<Reader> array_ = array_reader(payloads_);
};

/// Stores of all sides, filled, with nobody attached. (LMDB must not be open across fork.)
std::vector<Side> make_sides(const std::filesystem::path& base) {
    { const StrataStore fill(base, dataset); }
    std::vector<Side> sides;
    sides.push_back({"strata", "strata reader", Role::strata,
                     [base] {
                         return std::make_unique<RequestReader>(
                             Consumer::attach(StrataStore::name, consumer_options(base)));
                     },
                     [base] { return strata_attach_writer(base); }});
    // What the machine takes from readers for which nothing ever changes, beside the same producer.
    sides.push_back({"array", "array reader", Role::ceiling,
                     [] { return std::make_unique<OwnArrayReader>(); },
                     [base] { return strata_attach_writer(base); }});
    const std::filesystem::path map = base / "interprocess";
    create_interprocess_map(map, dataset);
    sides.push_back({"Boost.Interprocess map + mutex", nullptr, Role::peer,
                     [map] { return interprocess_reader(map); },
                     [map] { return interprocess_writer(map); }});
    try {
        const LmdbStore fill(base / "lmdb", dataset);
    } catch (const NotRun&) {  // attaching will say so
    }
    sides.push_back({"LMDB", "LMDB reader", Role::peer,
                     [base] { return lmdb_request_reader(base / "lmdb"); },
                     [base] { return lmdb_attach_writer(base / "lmdb"); }});
    return sides;
}

struct Outcome {
    double lookups_per_second = 0;
    double per_cpu_second = 0;  ///< look-ups per second of the readers' own CPU time
    double producer_cpu = 0;    ///< share of one CPU
};

void read_until_stopped(Crew::Member& member, const Side& side, const KeyStream& keys) {
    pin_to(member.index());
    const std::unique_ptr<Reader> reader = side.reader();
    std::uint64_t done = 0;
    std::size_t chunk = member.index() % keys.chunks();
    reader->sum(keys.keys(chunk));  // maps what is mapped at first touch
    member.ready_to_start();
    const Stopwatch watch;
    const double cpu = cpu_seconds();
    while (!member.stopped()) {
        std::uint64_t sum = 0;
        const auto all = keys.keys(chunk);
        for (std::size_t at = 0; at < all.size(); at += lookups_per_request) {
            sum += reader->sum(all.subspan(at, lookups_per_request));
        }
        check_sum(side.name, sum, keys.expected(chunk));
        done += all.size();
        chunk = (chunk + 1) % keys.chunks();
    }
    member.report(0, static_cast<double>(done) / watch.seconds());
    member.report(3, static_cast<double>(done));
    member.report(4, cpu_seconds() - cpu);
}

void commit_until_stopped(Crew::Member& member, const Side& side, double per_second) {
    const std::unique_ptr<Writer> writer = side.writer();
    std::vector<std::byte> payload(dataset.payload_bytes);
    member.ready_to_start();
    const Stopwatch watch;
    const double cpu = cpu_seconds();
    std::uint64_t commits = 0;
    while (!member.stopped()) {
        if (per_second > 0) {
            const double ahead = static_cast<double>(commits) / per_second - watch.seconds();
            if (ahead > 0) {
                usleep(static_cast<useconds_t>(std::min(ahead, 0.01) * 1e6));
                continue;
            }
        }
        const std::uint64_t key = reduce(mix(++commits), dataset.layers);
        fill_payload(key, commits, payload);
        writer->begin();
        writer->put(key, payload);
        writer->commit();
    }
    member.report(1, (cpu_seconds() - cpu) / watch.seconds());
}

/// commits_per_second: nothing: no producer; 0: as many as it can.
Outcome run_side(const Side& side, std::size_t readers, const KeyStream& keys, double seconds,
                 std::optional<double> commits_per_second) {
    Crew crew(readers + (commits_per_second ? 1 : 0), [&](Crew::Member& member) {
        member.index() < readers ? read_until_stopped(member, side, keys)
                                 : commit_until_stopped(member, side, *commits_per_second);
    });
    crew.start();
    usleep(static_cast<useconds_t>(seconds * 1e6));
    crew.stop();
    crew.join();
    return {crew.sum(0), crew.sum(3) / crew.sum(4), crew.sum(1)};
}

/// For comparison with the budget's ratio: not a budget itself.
void note_ratio(Row& row, const std::string& over, const std::string& under) {
    if (const auto ratio = row.ratio(over, under)) {
        char text[16];
        std::snprintf(text, sizeof(text), "%.2f", *ratio);
        row.notes.push_back(over + " / " + under + ": " + text);
    }
}

void measure(Context& context, const std::string& name, const std::string& title,
             const std::vector<Side>& sides, std::size_t readers,
             std::optional<double> commits_per_second) {
    static const KeyStream keys(dataset.layers, Distribution::uniform);
    Row row{.name = name, .title = title, .unit = "M look-ups/s", .more_is_better = true};
    // The same without the influence of others on a busy machine; it does not show who sleeps on a
    // lock.
    Row per_cpu{.name = name + "/per_cpu",
                .title = title + ", per second of the readers' CPU time",
                .unit = "M look-ups/s",
                .more_is_better = true};
    row.at_least(0.95, "strata", "cores x one strata reader");
    per_cpu.at_least(0.95, "strata", "one strata reader");
    const double seconds = std::max(context.round_seconds(), 0.1);
    double producer_cpu = 0;
    const auto usable = static_cast<double>(usable_cpus().size());
    std::vector<Entrant> entrants;
    for (const Side& side : sides) {
        per_cpu.contestant(side.name, side.role);
        entrants.push_back(
            {side.name, side.role, [&] {
                 const Outcome outcome = run_side(side, readers, keys, seconds, commits_per_second);
                 if (!context.warming_up()) {
                     per_cpu.value(side.name, side.role, outcome.per_cpu_second / 1e6);
                 }
                 producer_cpu = outcome.producer_cpu;
                 return outcome.lookups_per_second / 1e6;
             }});
        if (side.alone == nullptr) {
            continue;
        }
        // Right after its own turn, so that both meet the same machine.
        entrants.push_back({"cores x one " + std::string(side.alone), Role::ceiling, [&] {
                                const Outcome alone = run_side(side, 1, keys, seconds, {});
                                if (!context.warming_up()) {
                                    per_cpu.value("one " + std::string(side.alone), Role::ceiling,
                                                  alone.per_cpu_second / 1e6);
                                }
                                return alone.lookups_per_second / 1e6 *
                                       std::min(static_cast<double>(readers),
                                                usable - producer_cpu);
                            }});
    }
    run_rounds(context, row, entrants);
    row.notes.push_back("one snapshot, read transaction or (Boost) lock per look-up for " +
                        std::to_string(lookups_per_request) +
                        " look-ups; the CPU share that the producer uses is taken off the ceiling");
    for (const Side& side : sides) {
        if (side.role == Role::strata || side.alone == nullptr) {
            continue;
        }
        const std::string one = "one " + std::string(side.alone);
        note_ratio(row, side.name, "cores x " + one);
        note_ratio(per_cpu, side.name, one);
    }
    per_cpu.others_busy = row.others_busy;
    context.finish(std::move(row));
    context.finish(std::move(per_cpu));
}

}  // namespace

void run_readers(Context& context) {
    if (!context.wants("readers")) {
        return;
    }
    const ScratchDirectory scratch(context, "readers");
    const std::vector<Side> sides = make_sides(scratch.path());
    for (const std::size_t readers : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U}) {
        const std::string name = "readers/idle/" + std::to_string(readers);
        if (context.wants(name) && (!context.quick() || readers == 2 || readers == 128)) {
            measure(context, name, std::to_string(readers) + " reader processes, nobody publishes",
                    sides, readers, {});
        }
    }
    struct Rate {
        const char* name;
        double per_second;
    };
    for (const Rate& rate : {Rate{"100", 100}, Rate{"10000", 10'000}, Rate{"max", 0}}) {
        const std::string name = std::string("readers/committing/") + rate.name;
        if (context.wants(name)) {
            const std::size_t readers = usable_cpus().size();
            measure(context, name,
                    std::to_string(readers) + " reader processes while one publishes (" +
                        rate.name + " commits/s)",
                    sides, readers, rate.per_second);
        }
    }
}

}  // namespace strata::bench

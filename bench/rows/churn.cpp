// SPDX-License-Identifier: Apache-2.0
// Steady overwriting with payloads of changing sizes: what it does to memory and to the time of a
// commit, with nobody reading, beside a reader that holds one snapshot, and beside one that pins
// 10,000 epochs.
#include <fcntl.h>
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"

namespace strata::bench {

namespace {

/// Small at first: what is committed in the end is what the churn needed.
constexpr Dataset dataset{10'000, 64};
constexpr std::size_t largest_payload = 1024;

/// ns per commit of one layer of 64 to 1024 bytes.
template <class Watch = Stopwatch>
double churn(Writer& writer, std::uint64_t& serial, std::uint64_t commits) {
    std::vector<std::byte> payload(largest_payload);
    const Watch watch;
    for (std::uint64_t i = 0; i < commits; ++i) {
        const std::uint64_t random = mix(++serial);
        const std::span<std::byte> part(payload.data(), 64 + random % (largest_payload - 63));
        const std::uint64_t key = reduce(mix(random), dataset.layers);
        fill_payload(key, serial, part);
        writer.begin();
        writer.put(key, part);
        writer.commit();
    }
    return static_cast<double>(watch.ns()) / static_cast<double>(commits);
}

void nobody_pinning(Context& context, const std::string& name) {
    const ScratchDirectory scratch(context, "churn");
    StrataStore store(scratch.path(), dataset, {.memory_limit = 1_GiB, .random_keys = false});
    const std::unique_ptr<Writer> writer = strata_writer(store.producer());
    Row row{
        .name = name, .title = "committed memory / live bytes under steady churn", .unit = "ratio"};
    row.at_most(1.4, "strata");
    const LoadMeter load;
    std::uint64_t serial = 0;
    const std::uint64_t commits = context.quick() ? 50'000 : 500'000;
    for (int round = 0; round < context.rounds(); ++round) {
        churn(*writer, serial, commits);
        const ProducerStats stats = store.producer().stats();
        row.value(
            "strata", Role::strata,
            static_cast<double>(stats.committed_bytes) / static_cast<double>(stats.live_bytes));
    }
    row.notes.push_back(std::to_string(serial) +
                        " commits; each round is a later moment of one run");
    row.others_busy = load.others_busy();
    context.finish(std::move(row));
}

struct Held {
    double before_ns = 0;
    double during_ns = 0;
    double grown_mb = 0;
};

Held strata_beside_reader(Context& context, std::uint64_t commits) {
    const ScratchDirectory scratch(context, "churn");
    StrataStore store(scratch.path(), dataset, {.memory_limit = 280_MiB, .random_keys = false});
    const std::unique_ptr<Writer> writer = strata_writer(store.producer());
    std::uint64_t serial = 0;
    churn(*writer, serial, commits / 4);
    Held held;
    held.before_ns = churn(*writer, serial, commits / 4);
    const auto bytes = store.producer().stats().committed_bytes;
    const Snapshot pinned = store.consumer().snapshot();
    held.during_ns = churn(*writer, serial, commits);
    held.grown_mb = static_cast<double>(store.producer().stats().committed_bytes - bytes) / 1e6;
    return held;
}

Held lmdb_beside_reader(Context& context, std::uint64_t commits) {
    const ScratchDirectory scratch(context, "churn");
    LmdbStore store(scratch.path() / "lmdb", dataset);
    const std::unique_ptr<Writer> writer = store.writer();
    std::uint64_t serial = 0;
    churn(*writer, serial, commits / 4);
    Held held;
    held.before_ns = churn(*writer, serial, commits / 4);
    const auto bytes = store.file_bytes();
    const std::unique_ptr<Reader> pinned = store.held_reader();
    held.during_ns = churn(*writer, serial, commits);
    held.grown_mb = static_cast<double>(store.file_bytes() - bytes) / 1e6;
    return held;
}

void beside_a_reader(Context& context, const std::string& name) {
    const std::uint64_t commits = context.quick() ? 20'000 : 200'000;
    Row memory{.name = name + "/memory",
               .title = "growth over " + std::to_string(commits) +
                        " commits while a reader holds one snapshot",
               .unit = "MB"};
    Row slowdown{.name = name + "/slowdown",
                 .title = "time of a commit while a reader holds one snapshot / before it did",
                 .unit = "ratio"};
    memory.at_most(280 * 1.048576, "strata");
    slowdown.at_most(1.2, "strata");
    const auto entrant = [&](const char* who, Role role, auto&& measure) {
        memory.contestant(who, role);
        return Entrant{who, role, [&, who, role, measure] {
                           const Held held = measure(context, commits);
                           if (!context.warming_up()) {
                               memory.value(who, role, held.grown_mb);
                           }
                           return held.during_ns / held.before_ns;
                       }};
    };
    std::vector<Entrant> entrants;
    entrants.push_back(entrant("strata", Role::strata, strata_beside_reader));
    entrants.push_back(entrant("LMDB", Role::peer, lmdb_beside_reader));
    run_rounds(context, slowdown, entrants);
    memory.others_busy = slowdown.others_busy;
    context.finish(std::move(memory));
    context.finish(std::move(slowdown));
}

constexpr std::size_t many_pins = 10'000;

/// Locks that say "I still read epoch E", each of another epoch, as a process without privileges
/// may take them; held until it is closed.
class ManyPins {
public:
    ManyPins(StrataStore& store, Writer& writer, std::uint64_t& serial)
        : control_(
              ::open((store.producer().path() / "control.mmap").c_str(), O_RDONLY | O_CLOEXEC)) {
        for (std::size_t i = 0; i < many_pins; ++i) {
            churn(writer, serial, 1);
            store.producer().reclaim();
        }
        const std::uint64_t epoch = store.producer().stats().epoch;
        for (std::size_t i = 1; i <= many_pins; ++i) {
            if (ipc::lock_pin(control_, epoch - i, ::getpid()) != 0) {
                throw NotRun("the kernel gives no more locks");
            }
        }
    }

private:
    ipc::FileDescriptor control_;
};

void beside_many_pins(Context& context, const std::string& name) {
    const std::uint64_t commits = context.quick() ? 20'000 : 100'000;
    Row row{.name = name,
            .title = "processor time that a commit takes more while one process pins " +
                     std::to_string(many_pins) + " epochs",
            .unit = "us"};
    row.at_most(20, "strata");
    std::vector<Entrant> entrants;
    entrants.push_back({"strata", Role::strata, [&] {
                            const ScratchDirectory scratch(context, "churn");
                            StrataStore store(scratch.path(), dataset,
                                              {.memory_limit = 1_GiB, .random_keys = false});
                            const auto writer = strata_writer(store.producer());
                            std::uint64_t serial = 0;
                            churn(*writer, serial, commits / 4);
                            const double before_ns = churn<CpuStopwatch>(*writer, serial, commits);
                            const ManyPins pins(store, *writer, serial);
                            const double during_ns = churn<CpuStopwatch>(*writer, serial, commits);
                            return (during_ns - before_ns) / 1e3;
                        }});
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_churn(Context& context) {
    if (context.wants("churn/alone")) {
        nobody_pinning(context, "churn/alone");
    }
    if (context.wants("churn/held")) {
        beside_a_reader(context, "churn/held");
    }
    if (context.wants("churn/pins")) {
        beside_many_pins(context, "churn/pins");
    }
}

}  // namespace strata::bench

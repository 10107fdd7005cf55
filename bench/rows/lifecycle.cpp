// SPDX-License-Identifier: Apache-2.0
// Attaching, restarting a producer, and what the index weighs.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/harness/stats.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

/// The least that attaching can be: open the file, map it, read one word.
double raw_attach(const std::filesystem::path& file) {
    const Stopwatch watch;
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    fstat(fd, &status);
    const auto bytes = static_cast<std::size_t>(status.st_size);
    void* const at = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (fd < 0 || at == MAP_FAILED) {
        throw NotRun("cannot map " + file.filename().string());
    }
    const std::uint64_t word = load_word(static_cast<const std::byte*>(at) + bytes / 2);
    const double spent = static_cast<double>(watch.ns()) + (word == 1 ? 1e-9 : 0);
    munmap(at, bytes);
    close(fd);
    return spent / 1e3;
}

/// What `once` measures, as the median over processes that have done it `before` times already. The
/// first time is the one that counts; most of it is page faults of code, which the next times do
/// without.
Entrant in_fresh_processes(std::string name, Role role, int before, std::function<double()> once) {
    return {std::move(name), role, [before, once = std::move(once)] {
                std::vector<double> times;
                for (int i = 0; i < 20; ++i) {
                    Crew crew(1, [&](Crew::Member& member) {
                        pin_to(usable_cpus().size() - 1);
                        member.ready_to_start();
                        for (int time = 0; time < before; ++time) {
                            once();
                        }
                        member.report(0, once());
                    });
                    crew.start();
                    crew.join();
                    times.push_back(crew.value(0, 0));
                }
                return median(times);
            }};
}

std::filesystem::path region_file(const std::filesystem::path& base) {
    for (const auto& entry : std::filesystem::directory_iterator(base / StrataStore::name)) {
        if (entry.path().filename().string().starts_with("region-")) {
            return entry.path();
        }
    }
    throw NotRun("no region file");
}

void attach(Context& context, const std::string& name, const Dataset& dataset) {
    const ScratchDirectory scratch(context, "attach");
    const std::filesystem::path lmdb = scratch.path() / "lmdb";
    std::string lmdb_absent;
    // Both are closed again: no child must inherit an open store, whose code would run in the fork.
    { const StrataStore fill(scratch.path(), dataset); }
    try {
        const LmdbStore fill(lmdb, dataset);
    } catch (const NotRun& reason) {
        lmdb_absent = reason.what();
    }
    const std::uint64_t key = dataset.layers / 2;
    const auto attach_strata = [&] {
        const Stopwatch watch;
        Consumer consumer = Consumer::attach(StrataStore::name, consumer_options(scratch.path()));
        const Snapshot snapshot = consumer.snapshot();
        const Layer layer = snapshot.find({StrataStore::dimension, key});
        const std::uint64_t words = words_of(layer.bytes());
        const double spent = static_cast<double>(watch.ns()) / 1e3;
        check_sum("strata", words, expected_words(key));
        return spent;
    };
    const auto attach_lmdb = [&] {
        if (!lmdb_absent.empty()) {
            throw NotRun(lmdb_absent);
        }
        const Stopwatch watch;
        const auto reader = lmdb_attach_reader(lmdb);
        const std::uint64_t words = reader->sum(std::span(&key, 1));
        const double spent = static_cast<double>(watch.ns()) / 1e3;
        check_sum("LMDB", words, expected_words(key));
        return spent;
    };
    const std::filesystem::path region = region_file(scratch.path());
    for (const int before : {0, 1}) {
        Row row{.name = before == 0 ? name : name + "/again",
                .title = before == 0 ? "attach and read the first layer (detaching not counted)"
                                     : "the same, for the second time in a process",
                .unit = "us"};
        row.at_most(1, "strata", "LMDB");
        std::vector<Entrant> entrants{
            in_fresh_processes("strata", Role::strata, before, attach_strata),
            in_fresh_processes("LMDB", Role::peer, before, attach_lmdb),
            in_fresh_processes("raw open + map + touch", Role::ceiling, before,
                               [&] { return raw_attach(region); })};
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
}

void index_bytes(Context& context, const std::string& name, bool random_keys, double budget) {
    Row row{.name = name, .title = "index memory of one layer", .unit = "bytes"};
    row.at_most(budget, "strata");
    const LoadMeter load;
    constexpr Dataset dataset{1'000'000, 64};
    const ScratchDirectory scratch(context, "index");
    StrataStore store(scratch.path(), dataset, {.memory_limit = 0, .random_keys = random_keys});
    for (const DimensionInfo& info : store.consumer().snapshot().dimensions()) {
        // A 64-byte header and 64 bytes of payload: exactly one block of a size class.
        const double blocks = 128.0 * static_cast<double>(info.layers);
        row.value(
            "strata", Role::strata,
            (static_cast<double>(info.live_bytes) - blocks) / static_cast<double>(info.layers));
    }
    row.value("one pointer", Role::ceiling, sizeof(void*));
    row.others_busy = load.others_busy();
    context.finish(std::move(row));
}

}  // namespace

void run_attach(Context& context) {
    constexpr std::uint64_t in_280_mib = 280 * 1024 * 1024 / 320;
    for (const std::uint64_t layers : {std::uint64_t{280}, in_280_mib}) {
        const std::string name = layers == 280 ? "attach/280" : "attach/280MiB";
        if (context.wants(name)) {
            attach(context, name, {layers, 256});
        }
    }
}

void run_restart(Context& context) {
    const std::string name = "restart/1000000";
    if (!context.wants(name)) {
        return;
    }
    const ScratchDirectory scratch(context, "restart");
    constexpr Dataset dataset{1'000'000, 256};
    StrataStore store(scratch.path(), dataset);
    Row row{
        .name = name, .title = "Producer::open with a million layers of 256 bytes", .unit = "ms"};
    row.at_most(300, "strata");
    std::vector<Entrant> entrants{{"strata", Role::strata, [&] {
                                       store.close_producer();
                                       const Stopwatch watch;
                                       store.open_producer();
                                       return static_cast<double>(watch.ns()) / 1e6;
                                   }}};
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void run_index_memory(Context& context) {
    if (context.wants("index/dense")) {
        index_bytes(context, "index/dense", false, 16);
    }
    if (context.wants("index/random")) {
        index_bytes(context, "index/random", true, 48);
    }
}

}  // namespace strata::bench

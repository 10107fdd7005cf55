// SPDX-License-Identifier: Apache-2.0
// What many consumers take together: 128 processes that have looked into all of a million layers,
// with a look-up cache each, without, and the same with LMDB. Shared pages count once, as PSS does;
// page tables are no part of it and have a row of their own.
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "bench/harness/process.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr Dataset dataset{1'000'000, 256};
constexpr std::size_t count = 128;

// The number that follows `label` in a file of /proc/self, in MB (it is in kB there).
double megabytes_of(const char* file, std::string_view label) {
    std::ifstream text(file);
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with(label)) {
            return std::stod(line.substr(label.size())) * 1024 / 1e6;
        }
    }
    throw NotRun(std::string(file) + " does not tell " + std::string(label));
}

struct Memory {
    double pss;
    double private_bytes;
    double page_tables;
};

template <class Attach>
Memory measured(std::uint64_t look_ups, Attach attach) {
    Crew crew(count, [&](Crew::Member& member) {
        const std::unique_ptr<Reader> reader = attach();
        std::vector<std::uint64_t> keys(1024);
        for (std::uint64_t done = 0; done < look_ups; done += keys.size()) {
            for (std::size_t i = 0; i < keys.size(); ++i) {  // a permutation: 7919 is prime
                keys[i] = (done + i) * 7919 % dataset.layers;
            }
            std::uint64_t expected = 0;
            for (const std::uint64_t key : keys) {
                expected += expected_words(key);
            }
            check_sum("a consumer", reader->sum(keys), expected);
        }
        member.ready_to_start();  // all have done their look-ups, and nobody has left
        member.report(0, megabytes_of("/proc/self/smaps_rollup", "Pss:"));
        member.report(1, megabytes_of("/proc/self/smaps_rollup", "Pss_Anon:"));
        member.report(2, megabytes_of("/proc/self/status", "VmPTE:"));
        member.wait_for_all();
    });
    crew.start();
    crew.join();
    return {crew.sum(0), crew.sum(1), crew.sum(2)};
}

}  // namespace

void run_consumer_memory(Context& context) {
    const std::string name = "consumers/memory";
    if (!context.wants(name)) {
        return;
    }
    const ScratchDirectory scratch(context, "consumers");
    StrataStore store(scratch.path() / "strata", dataset);
    const std::uint64_t all = context.quick() ? dataset.layers / 20 : dataset.layers;
    const auto attach_strata = [&](std::optional<std::uint64_t> cache_bytes) {
        return [&, cache_bytes]() -> std::unique_ptr<Reader> {
            ConsumerOptions options = consumer_options(store.base());
            options.lookup_cache_bytes = cache_bytes;
            auto consumer =
                std::make_shared<Consumer>(Consumer::attach(StrataStore::name, options));
            auto snapshot = std::make_shared<Snapshot>(consumer->snapshot());
            return make_reader([consumer, snapshot](std::uint64_t key) {
                const auto layer = snapshot->find({StrataStore::dimension, key});
                return layer ? layer->bytes() : nothing_found();
            });
        };
    };
    Row pss{.name = name + "/pss",
            .title =
                "128 consumers that looked up a million layers of 256 bytes each: all of it, "
                "shared pages once",
            .unit = "MB"};
    Row own{.name = name + "/private",
            .title = "the same, private memory alone, of one consumer",
            .unit = "MB"};
    Row tables{
        .name = name + "/page_tables", .title = "the same, page tables of one", .unit = "MB"};
    // An eighth of the store, and 64 MiB at the most; 1 MB for the program itself.
    own.at_most(static_cast<double>(dataset.layers * dataset.payload_bytes) / 8e6 + 1, "strata");
    const auto add = [&](const char* who, Role role, const Memory& memory) {
        pss.value(who, role, memory.pss);
        own.value(who, role, memory.private_bytes / count);
        tables.value(who, role, memory.page_tables / count);
    };
    add("strata", Role::strata, measured(all, attach_strata(std::nullopt)));
    add("strata, 1,024 look-ups", Role::strata, measured(1024, attach_strata(std::nullopt)));
    add("strata without a cache", Role::strata, measured(all, attach_strata(0)));
    try {
        const std::filesystem::path directory = scratch.path() / "lmdb";
        std::filesystem::create_directory(directory);
        const LmdbStore lmdb(directory, dataset);
        add("LMDB", Role::peer, measured(all, [&] { return lmdb_attach_reader(directory); }));
    } catch (const NotRun& reason) {
        for (Row* row : {&pss, &own, &tables}) {
            row->not_run("LMDB", Role::peer, reason.what());
        }
    }
    for (Row* row : {&pss, &own, &tables}) {
        context.finish(std::move(*row));
    }
}

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// stat and dump
#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include <thread>

#include "console.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "readers.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct StatArguments {
    std::string store;
    double seconds = 0;
    bool pools = false;
};

struct DumpArguments {
    std::string store;
    std::string file;
};

Json totals(const StoreStatistics& s) {
    return {{"store", s.name},
            {"generation", s.generation},
            {"dimensions", s.dimensions},
            {"layers", s.layers},
            {"producer_pid", s.producer_pid != 0 ? Json(s.producer_pid) : Json(nullptr)},
            {"memory_limit", s.memory_limit},
            {"committed_bytes", s.committed_bytes},
            {"utilisation", s.utilisation()},
            {"warning_bytes", s.warning_bytes},
            {"above_warning", s.above_warning()},
            {"live_bytes", s.live_bytes},
            {"limbo_unscanned_bytes", s.limbo_unscanned_bytes},
            {"limbo_held_bytes", s.limbo_held_bytes},
            {"history_bytes", s.history_bytes},
            {"fragmentation_ratio", s.fragmentation_ratio()},
            {"commits", s.commits},
            {"recovered_blocks", s.recovered_blocks},
            {"allocations", s.allocations},
            {"deallocations", s.deallocations},
            {"allocation_failures", s.allocation_failures},
            {"reclaims", s.reclaims},
            {"epoch", s.epoch},
            {"readers", s.readers},
            {"sampled_peak_readers", s.sampled_peak_readers}};
}

/// One named pool over all files of the store.
struct PoolTotals {
    PoolStatistics sum{};
    double free_bytes = 0;
    double unusable_bytes = 0;  // of the free pages, for blocks of this pool

    void add(const MemoryStatistics& memory, std::size_t pool) {
        const PoolStatistics& part = memory.pools.at(pool);
        sum.block_bytes = std::max(sum.block_bytes, part.block_bytes);  // 0: not told yet
        sum.used_blocks += part.used_blocks;
        sum.used_bytes += part.used_bytes;
        sum.requested_bytes += part.requested_bytes;
        sum.slab_bytes += part.slab_bytes;
        sum.free_blocks += part.free_blocks;
        sum.available_blocks += part.available_blocks;
        const auto free = static_cast<double>(memory.free_bytes);
        free_bytes += free;
        unusable_bytes += free * memory.external_fragmentation(pool);
    }
    double external() const noexcept { return free_bytes > 0 ? unusable_bytes / free_bytes : 0; }
    std::string name() const {
        return sum.block_bytes != 0 ? size_text(sum.block_bytes) : std::string("larger");
    }
};

std::vector<PoolTotals> pools_of(const StoreStatistics& s) {
    std::vector<PoolTotals> pools(s.control.pools.size());
    for (std::size_t pool = 0; pool < pools.size(); ++pool) {
        pools[pool].add(s.control, pool);
        for (const RegionStatistics& region : s.regions) {
            pools[pool].add(region.memory, pool);
        }
    }
    return pools;
}

Json pools_json(const StoreStatistics& s) {
    Json list = Json::array();
    for (const PoolTotals& pool : pools_of(s)) {
        list.push_back({{"pool", pool.name()},
                        {"block_bytes", pool.sum.block_bytes},
                        {"used_blocks", pool.sum.used_blocks},
                        {"used_bytes", pool.sum.used_bytes},
                        {"free_blocks", pool.sum.free_blocks},
                        {"available_blocks", pool.sum.available_blocks},
                        {"internal_fragmentation", pool.sum.internal_fragmentation()},
                        {"external_fragmentation", pool.external()}});
    }
    return list;
}

void print_pools(const Settings& settings, const StoreStatistics& s) {
    using Align = Table::Align;
    Table table({{"POOL", Align::right},
                 {"BLOCKS", Align::right},
                 {"USED", Align::right},
                 {"INTERNAL", Align::right},
                 {"FREE IN SLABS", Align::right},
                 {"ROOM FOR", Align::right},
                 {"EXTERNAL", Align::right}});
    for (const PoolTotals& pool : pools_of(s)) {
        const bool bounded = pool.sum.block_bytes != 0;
        table.add({pool.name(), std::to_string(pool.sum.used_blocks),
                   size_text(pool.sum.used_bytes, settings.bytes),
                   percent_text(pool.sum.internal_fragmentation(), 1),
                   std::to_string(pool.sum.free_blocks),
                   bounded ? std::to_string(pool.sum.available_blocks) : "",
                   bounded ? percent_text(pool.external(), 1) : ""});
    }
    table.print();
}

// Counters start again with each producer.
double rate(std::uint64_t before, std::uint64_t after, double seconds) {
    return after >= before ? static_cast<double>(after - before) / seconds : 0;
}

std::string rate_text(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), value < 100 ? "%.1f/s" : "%.0f/s", value);
    return text;
}

void show(const Settings& settings, const StatArguments& arguments) {
    const StoreStatistics first = statistics(arguments.store, settings.base);
    if (arguments.seconds <= 0) {
        if (settings.json) {
            Json json = totals(first);
            json["pools"] = pools_json(first);
            print_json(json);
        } else {
            write_out(summary(first));
            if (arguments.pools) {
                print_pools(settings, first);
            }
        }
        return;
    }
    const auto started = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(arguments.seconds));
    const StoreStatistics last = statistics(arguments.store, settings.base);
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    const double generations = rate(first.generation, last.generation, took);
    const double commits = rate(first.commits, last.commits, took);
    const double allocations = rate(first.allocations, last.allocations, took);
    if (settings.json) {
        Json json = totals(last);
        json["pools"] = pools_json(last);
        json["seconds"] = took;
        json["generations_per_second"] = generations;
        json["commits_per_second"] = commits;
        json["allocations_per_second"] = allocations;
        print_json(json);
    } else {
        write_out(summary(last));
        if (arguments.pools) {
            print_pools(settings, last);
        }
        write_line("in the last " +
                   duration_text(std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::duration<double>(took))) +
                   ": " + rate_text(generations) + " generations, " + rate_text(commits) +
                   " commits, " + rate_text(allocations) + " allocations");
    }
}

void dump(const Settings& settings, const DumpArguments& arguments) {
    const StoreStatistics numbers = statistics(arguments.store, settings.base);
    if (!arguments.file.empty() && arguments.file != "-") {
        dump_json(numbers, std::filesystem::path(arguments.file));
        return;
    }
    std::ostringstream text;
    dump_json(numbers, text);
    write_out(text.str());
    if (!text.str().ends_with('\n')) {
        write_line("");
    }
}

}  // namespace

void add_dump_commands(CLI::App& app, Settings& settings) {
    auto stat_arguments = std::make_shared<StatArguments>();
    CLI::App* const stat =
        add_command(app, "stat", "Counters and memory in a few lines",
                    "  strata stat market\n"
                    "  strata stat market --seconds 2    (and rates)\n"
                    "  strata stat market --pools        (and blocks by size)\n"
                    "  strata stat market --json",
                    [&settings, stat_arguments] { show(settings, *stat_arguments); });
    add_store(stat, stat_arguments->store);
    stat->add_flag(
        "-p,--pools", stat_arguments->pools,
        "Also the pools of the whole store: blocks of up to 4, 16, 64 and 256 KiB and\n"
        "larger ones; what is lost inside them (INTERNAL), free blocks of theirs, for how\n"
        "many more of their largest the free pages have room, and the share of the free\n"
        "pages that lies too scattered for that (EXTERNAL)");
    add_duration(stat, "-s,--seconds", stat_arguments->seconds, "Also measure rates over this time",
                 {.least = 0.001, .most = 1e6});

    auto dump_arguments = std::make_shared<DumpArguments>();
    CLI::App* const command = add_command(
        app, "dump", "Everything that is known of the memory, per region and pool: JSON",
        "  strata dump market\n"
        "  strata dump market state.json    (the file appears complete or not at all)",
        [&settings, dump_arguments] { dump(settings, *dump_arguments); });
    add_store(command, dump_arguments->store);
    command->add_option("file", dump_arguments->file, "Standard output if not given, or -")
        ->type_name("FILE");
}

}  // namespace strata::tools

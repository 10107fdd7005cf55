// SPDX-License-Identifier: Apache-2.0
// Point reads by one process: uniform (independent and dependent keys), zipfian, batched.
#include "bench/peers/databases.hpp"
#include "bench/peers/in_process.hpp"
#include "bench/peers/interprocess.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"
#include "bench/rows/read_rounds.hpp"
#include <strata/strata.hpp>

namespace strata::bench {

namespace {

/// One data set in every contestant; the costly ones are filled when a row first needs them.
class Contestants {
public:
    Contestants(const Context& context, const Dataset& dataset)
        : dataset_(dataset),
          scratch_(context, "reads"),
          payloads_(dataset),
          store_(scratch_.path(), dataset) {}

    const Dataset& dataset() const noexcept { return dataset_; }

    using Make = std::function<std::unique_ptr<Reader>()>;
    struct Named {
        const char* name;
        Role role;
        Make make;
    };
    std::vector<Named> common() {
        return {
            {"strata find", Role::strata, [this] { return strata_held_reader(store_.consumer()); }},
            {"array", Role::ceiling, [this] { return array_reader(payloads_); }},
            {"array of strata's payloads", Role::ceiling,
             [this] {
                 return array_reader(strata_places(store_.consumer().snapshot(), dataset_.layers),
                                     dataset_.payload_bytes);
             }},
            {"std::unordered_map", Role::ceiling,
             [this] { return unordered_map_reader(payloads_); }},
            {"absl::flat_hash_map", Role::ceiling,
             [this] { return flat_hash_map_reader(payloads_); }},
            {"LMDB held", Role::peer, [this] { return lmdb().held_reader(); }},
        };
    }
    std::vector<Named> with_more() {
        std::vector<Named> all = common();
        all.push_back({"strata batched find", Role::strata,
                       [this] { return strata_batched_reader(store_.consumer(), 64); }});
        all.push_back({"strata batched find, 1024 a call", Role::strata,
                       [this] { return strata_batched_reader(store_.consumer(), 1024); }});
        all.push_back({"strata batched find of numbers", Role::strata,
                       [this] { return strata_numbers_reader(store_.consumer(), 64); }});
        all.push_back({"LMDB renewed", Role::peer, [this] { return lmdb().renewed_reader(); }});
        all.push_back({"Boost.Interprocess map + mutex", Role::peer, [this] { return map(); }});
        all.push_back({"tkrzw", Role::peer,
                       [this] { return tkrzw_reader(scratch_.path() / "tkrzw", dataset_); }});
        all.push_back({"SQLite", Role::peer,
                       [this] { return sqlite_reader(scratch_.path() / "sqlite", dataset_); }});
        all.push_back({"Redis", Role::peer, [this] { return redis().reader(1); }});
        all.push_back(
            {"Redis, pipelined by 64", Role::peer, [this] { return redis().reader(64); }});
        return all;
    }

private:
    LmdbStore& lmdb() {
        if (!lmdb_) {
            lmdb_ = std::make_unique<LmdbStore>(scratch_.path() / "lmdb", dataset_);
        }
        return *lmdb_;
    }

    std::unique_ptr<Reader> map() {
        const std::filesystem::path file = scratch_.path() / "interprocess";
        if (!std::filesystem::exists(file)) {
            create_interprocess_map(file, dataset_);
        }
        return interprocess_reader(file);
    }
    RedisServer& redis() {
        if (!redis_) {
            redis_ = std::make_unique<RedisServer>(scratch_.path(), dataset_);
        }
        return *redis_;
    }

    Dataset dataset_;
    ScratchDirectory scratch_;
    PrivatePayloads payloads_;
    StrataStore store_;
    std::unique_ptr<LmdbStore> lmdb_;
    std::unique_ptr<RedisServer> redis_;
};

void independent(Context& context, Contestants& contestants, const std::string& name,
                 Distribution distribution) {
    const std::uint64_t layers = contestants.dataset().layers;
    const KeyStream keys(layers, distribution);
    Row row{.name = name, .title = "one look-up, keys independent of each other", .unit = "ns"};
    if (distribution == Distribution::uniform && contestants.dataset().payload_bytes == 256) {
        row.at_most(2, "strata find", "array");
        row.at_most(1, "strata find", "absl::flat_hash_map");
        row.at_most(1, "strata find", "std::unordered_map");
        row.at_least(layers < 1'000'000 ? 25 : 12, "LMDB held", "strata find");
        if (layers >= 1'000'000) {
            row.at_most(0.5, "strata batched find", "strata find");
            row.at_most(1, "strata batched find", "array");
        }
    }
    std::vector<Entrant> entrants;
    for (auto& one : contestants.with_more()) {
        entrants.push_back(sums_entrant(context, one.name, one.role, one.make, keys));
    }
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void dependent(Context& context, Contestants& contestants, const std::string& name) {
    Row row{
        .name = name, .title = "one look-up, its key taken from the bytes just read", .unit = "ns"};
    if (contestants.dataset().payload_bytes == 256) {
        row.at_most(1.25, "strata find", "array");
    }
    std::vector<Entrant> entrants;
    for (auto& one : contestants.common()) {
        entrants.push_back(
            chain_entrant(context, one.name, one.role, one.make, contestants.dataset().layers));
    }
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_reads(Context& context) {
    constexpr Dataset sizes[] = {
        {280, 256}, {10'000, 256}, {1'000'000, 256}, {280, 4096}, {10'000, 4096}};
    for (const Dataset& dataset : sizes) {
        const std::string tail =
            std::to_string(dataset.layers) + (dataset.payload_bytes == 256 ? "" : "/4KiB");
        const std::string uniform = "reads/uniform/" + tail;
        const std::string chained = "reads/dependent/" + tail;
        const std::string zipfian = "reads/zipfian/" + tail;
        if (!context.wants(uniform) && !context.wants(chained) && !context.wants(zipfian)) {
            continue;
        }
        if (context.quick() && dataset.payload_bytes != 256) {
            continue;
        }
        Contestants contestants(context, dataset);
        if (context.wants(uniform)) {
            independent(context, contestants, uniform, Distribution::uniform);
        }
        if (context.wants(chained)) {
            dependent(context, contestants, chained);
        }
        if (context.wants(zipfian) && !(context.quick() && dataset.layers >= 1'000'000)) {
            independent(context, contestants, zipfian, Distribution::zipfian);
        }
    }
}

}  // namespace strata::bench

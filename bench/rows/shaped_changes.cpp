// SPDX-License-Identifier: Apache-2.0
// What changes, attaching and restarts cost in other shapes than one dense dimension, beside that
// one with as many layers, and LMDB.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "bench/harness/clock.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/writer.hpp"
#include "bench/rows/groups.hpp"
#include "bench/rows/shaped_store.hpp"

namespace strata::bench {

namespace {

class ShapedWriter final : public Writer {
public:
    ShapedWriter(ShapedStore& store, const Shape& shape)
        : shape_(shape), batch_(store.producer().batch()) {}
    void begin() override {}
    void put(std::uint64_t key, std::span<const std::byte> payload) override {
        batch_.put(shape_.id(key), payload);
    }
    void commit() override { batch_.crystallize(); }

private:
    const Shape& shape_;
    Batch batch_;
};

/// Overwrites random layers, `changes` in each commit.
class Overwriting {
public:
    Overwriting(Writer& writer, std::uint64_t layers) : writer_(writer), layers_(layers) {}

    /// Nanoseconds for each layer.
    double run(std::uint64_t changes, std::uint64_t commits) {
        const Stopwatch watch;
        for (std::uint64_t i = 0; i < commits; ++i) {
            writer_.begin();
            for (std::uint64_t change = 0; change < changes; ++change) {
                ++version_;
                const std::uint64_t key = reduce(mix(version_), layers_);
                fill_payload(key, version_, payload_);
                writer_.put(key, payload_);
            }
            writer_.commit();
        }
        return static_cast<double>(watch.ns()) / static_cast<double>(changes * commits);
    }

private:
    Writer& writer_;
    const std::uint64_t layers_;
    std::vector<std::byte> payload_ = std::vector<std::byte>(256);
    std::uint64_t version_ = 1;
};

double attach_and_find(const std::filesystem::path& base, const Shape& shape) {
    const Stopwatch watch;
    Consumer consumer = Consumer::attach(ShapedStore::name, consumer_options(base));
    const Snapshot snapshot = consumer.snapshot();
    const std::uint64_t key = shape.size() / 2;
    const std::uint64_t sum = words_of(snapshot.find(shape.id(key)).bytes());
    const auto spent = static_cast<double>(watch.ns());
    check_sum("attaching", sum, expected_words(key));
    return spent / 1000;
}

void one_shape(Context& context, const Shape& shape) {
    const std::string prefix = std::string("shapes/") + shape.name;
    const std::string single = prefix + "/commit";
    const std::string batches = prefix + "/batch1000";
    const std::string attach = prefix + "/attach";
    const std::string restart = prefix + "/restart";
    if (!context.wants(single) && !context.wants(batches) && !context.wants(attach) &&
        !context.wants(restart)) {
        return;
    }
    const ScratchDirectory scratch(context, "shapes");
    const Shape dense{"dense", 1, shape.size()};
    ShapedStore store(scratch.path() / "shaped", shape);
    ShapedStore beside(scratch.path() / "dense", dense);
    const std::string theirs = "strata, one dense dimension";
    {
        LmdbStore lmdb(scratch.path() / "lmdb", {shape.size(), 256});
        const auto lmdb_writer = lmdb.writer();
        ShapedWriter shaped_writer(store, shape);
        ShapedWriter dense_writer(beside, dense);
        Overwriting ours(shaped_writer, shape.size());
        Overwriting in_one(dense_writer, shape.size());
        Overwriting in_lmdb(*lmdb_writer, shape.size());
        for (const std::uint64_t changes : {1U, 1000U}) {
            const std::string& name = changes == 1 ? single : batches;
            if (!context.wants(name)) {
                continue;
            }
            Row row{
                .name = name,
                .title = changes == 1 ? "one commit of one layer" : "one layer of a batch of 1000",
                .unit = "ns"};
            row.at_most(1.5, "strata", theirs);
            row.at_least(changes == 1 ? 1 : 3, "LMDB", "strata");
            const std::uint64_t commits =
                (context.quick() ? 5'000 : 50'000) / (changes == 1 ? 1 : 250);
            std::vector<Entrant> entrants;
            entrants.push_back(
                {"strata", Role::strata, [&] { return ours.run(changes, commits); }});
            entrants.push_back(
                {theirs, Role::strata, [&] { return in_one.run(changes, commits); }});
            entrants.push_back({"LMDB", Role::peer, [&] { return in_lmdb.run(changes, commits); }});
            run_rounds(context, row, entrants);
            context.finish(std::move(row));
        }
    }
    if (context.wants(attach)) {
        Row row{.name = attach,
                .title = "attach and read a first layer, not for the first time in a process",
                .unit = "us"};
        row.at_most(1.5, "strata", theirs);
        std::vector<Entrant> entrants;
        const auto add = [&](const std::string& who, const char* folder, const Shape& of) {
            entrants.push_back({who, Role::strata, [&, folder] {
                                    std::vector<double> times;
                                    for (int i = 0; i < 50; ++i) {
                                        times.push_back(
                                            attach_and_find(scratch.path() / folder, of));
                                    }
                                    std::sort(times.begin(), times.end());
                                    return times[times.size() / 2];
                                }});
        };
        add("strata", "shaped", shape);
        add(theirs, "dense", dense);
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    if (context.wants(restart)) {
        Row row{.name = restart, .title = "Producer::open", .unit = "ms"};
        row.at_most(100, "strata");
        const auto measure = [](ShapedStore& of) {
            of.close_producer();
            const Stopwatch watch;
            of.open_producer();
            return static_cast<double>(watch.ns()) / 1e6;
        };
        std::vector<Entrant> entrants;
        entrants.push_back({"strata", Role::strata, [&] { return measure(store); }});
        entrants.push_back({theirs, Role::strata, [&] { return measure(beside); }});
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
}

}  // namespace

void run_shaped_changes(Context& context) {
    for (const Shape& shape : shapes) {
        if (!context.quick() || shape.size() < 1'000'000) {
            one_shape(context, shape);
        }
    }
}

}  // namespace strata::bench

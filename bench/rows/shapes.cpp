// SPDX-License-Identifier: Apache-2.0
// Look-ups in other shapes than one dense dimension: many dimensions, numbers in steps, random
// numbers, names; in batches that mix dimensions; the first ones after a commit.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/peers/in_process.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"
#include "bench/rows/read_rounds.hpp"
#include "bench/rows/shaped_store.hpp"

namespace strata::bench {

namespace {

std::unique_ptr<Reader> find_reader(ShapedStore& store, const Shape& shape) {
    return make_reader([snapshot = store.settled(), &shape](std::uint64_t key) {
        const Layer layer = snapshot.find(shape.id(key));
        return layer ? layer.bytes() : nothing_found();
    });
}

/// 64 ids a call, of dimensions in any mixture.
class BatchReader final : public Reader {
public:
    BatchReader(ShapedStore& store, const Shape& shape)
        : snapshot_(store.settled()), shape_(shape) {}
    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (std::size_t begin = 0; begin < keys.size(); begin += batch) {
            const std::size_t count = std::min(batch, keys.size() - begin);
            for (std::size_t i = 0; i < count; ++i) {
                ids_[i] = shape_.id(keys[begin + i]);
            }
            snapshot_.find(std::span(ids_).first(count), found_);
            for (std::size_t i = 0; i < count; ++i) {
                total += words_of(found_[i] ? found_[i].bytes() : nothing_found());
            }
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t, std::size_t, std::uint64_t) override {
        throw NotRun("a batch has no dependent keys");
    }

private:
    static constexpr std::size_t batch = 64;
    Snapshot snapshot_;
    const Shape& shape_;
    std::array<LayerId, batch> ids_{};
    std::array<Layer, batch> found_{};
};

std::vector<Entrant> entrants_of(Context& context, const Shape& shape, ShapedStore& store,
                                 const PrivatePayloads& payloads, LmdbStore& lmdb,
                                 const KeyStream* keys) {
    std::vector<Entrant> all;
    const auto add = [&](const char* who, Role role,
                         std::function<std::unique_ptr<Reader>()> make) {
        all.push_back(keys != nullptr
                          ? sums_entrant(context, who, role, std::move(make), *keys)
                          : chain_entrant(context, who, role, std::move(make), shape.size()));
    };
    add("strata find", Role::strata, [&] { return find_reader(store, shape); });
    if (keys != nullptr) {
        add("strata batched find", Role::strata,
            [&] { return std::make_unique<BatchReader>(store, shape); });
    }
    add("array", Role::ceiling, [&] { return array_reader(payloads); });
    add("absl::flat_hash_map", Role::ceiling, [&] { return flat_hash_map_reader(payloads); });
    add("std::unordered_map", Role::ceiling, [&] { return unordered_map_reader(payloads); });
    add("LMDB held", Role::peer, [&] { return lmdb.held_reader(); });
    return all;
}

/// A hundred look-ups of random keys: in the first snapshot after a commit of one layer; of the
/// same keys once more, now that they are in the processor's caches; and in a generation that is
/// settled, after a commit to another store, which costs the caches as much.
class AfterCommit {
public:
    AfterCommit(const Shape& shape, ShapedStore& store, ShapedStore& other, const std::string& row)
        : shape_(shape), store_(store), other_(other), row_(row) {
        static_cast<void>(store_.settled());
    }

    double first() { return after_commits_to(store_, 1); }
    double again() { return after_commits_to(store_, 2); }
    double settled() {
        static_cast<void>(store_.settled());
        return after_commits_to(other_, 1);
    }

private:
    static constexpr int commits = 200;
    static constexpr std::uint64_t looks = 100;

    double after_commits_to(ShapedStore& store, int times) {
        Batch batch = store.producer().batch();
        spent_ = 0;
        for (int i = 0; i < commits; ++i) {
            ++seed_;
            store.put(batch, reduce(mix(seed_), shape_.size()), seed_);
            batch.crystallize();
            look_up(times);
        }
        return spent_ / commits / static_cast<double>(looks);
    }

    // The last time counts.
    void look_up(int times) {
        const Snapshot snapshot = store_.consumer().snapshot();
        for (int turn = 0; turn < times; ++turn) {
            std::uint64_t sum = 0;
            const Stopwatch watch;
            for (std::uint64_t look = 0; look < looks; ++look) {
                sum += words_of(snapshot.find(shape_.id(key(look))).bytes());
            }
            spent_ += turn == times - 1 ? static_cast<double>(watch.ns()) : 0;
            std::uint64_t expected = 0;
            for (std::uint64_t look = 0; look < looks; ++look) {
                expected += expected_words(key(look));
            }
            check_sum(row_, sum, expected);
        }
    }
    std::uint64_t key(std::uint64_t look) const noexcept {
        return reduce(mix(seed_ * looks + look), shape_.size());
    }

    const Shape& shape_;
    ShapedStore& store_;
    ShapedStore& other_;
    const std::string& row_;
    std::uint64_t seed_ = 1;
    double spent_ = 0;
};

void after_commit(Context& context, const Shape& shape, ShapedStore& store,
                  const std::string& name) {
    const ScratchDirectory scratch(context, "other");
    ShapedStore other(scratch.path(), shape);
    Row row{.name = name, .title = "one of the first 100 look-ups after a commit", .unit = "ns"};
    row.at_most(2, "first", "settled");
    AfterCommit rounds(shape, store, other, name);
    std::vector<Entrant> entrants;
    entrants.push_back({"first", Role::strata, [&] { return rounds.first(); }});
    entrants.push_back({"settled", Role::strata, [&] { return rounds.settled(); }});
    entrants.push_back({"the same keys again", Role::ceiling, [&] { return rounds.again(); }});
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void one_shape(Context& context, const Shape& shape) {
    const std::string prefix = std::string("shapes/") + shape.name;
    const std::string uniform = prefix + "/uniform";
    const std::string dependent = prefix + "/dependent";
    const std::string committed = prefix + "/after-commit";
    if (!context.wants(uniform) && !context.wants(dependent) && !context.wants(committed)) {
        return;
    }
    const ScratchDirectory scratch(context, "shapes");
    const Dataset dataset{shape.size(), 256};
    const PrivatePayloads payloads(dataset);
    ShapedStore store(scratch.path(), shape);
    LmdbStore lmdb(scratch.path() / "lmdb", dataset);
    if (context.wants(uniform)) {
        const KeyStream keys(shape.size(), Distribution::uniform);
        Row row{.name = uniform, .title = "one look-up, independent keys", .unit = "ns"};
        row.notes.emplace_back("strata's ids are made of the key, in the time");
        row.at_most(1, "strata find", "absl::flat_hash_map");
        row.at_most(1, "strata batched find", "strata find");
        row.at_least(12, "LMDB held", "strata find");
        if (shape.most_of_array != 0) {
            row.at_most(shape.most_of_array, "strata find", "array");
        }
        auto entrants = entrants_of(context, shape, store, payloads, lmdb, &keys);
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    if (context.wants(dependent)) {
        Row row{.name = dependent, .title = "one look-up, dependent keys", .unit = "ns"};
        if (shape.random) {
            row.at_most(1, "strata find", "absl::flat_hash_map");
        } else {
            row.at_most(1.5, "strata find", "array");
        }
        auto entrants = entrants_of(context, shape, store, payloads, lmdb, nullptr);
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    if (context.wants(committed)) {
        after_commit(context, shape, store, committed);
    }
}

void names(Context& context) {
    constexpr std::uint64_t count = 100'000;
    const std::string row_name = "shapes/names";
    if (!context.wants(row_name)) {
        return;
    }
    const ScratchDirectory scratch(context, "shapes");
    Producer producer = Producer::create(
        "names", {.base_path = scratch.path(), .memory_limit = std::uint64_t{1} << 30});
    std::vector<std::string> all;
    std::unordered_map<std::string, std::vector<std::byte>> map;
    std::vector<std::byte> payload(64);
    Batch batch = producer.batch();
    for (std::uint64_t key = 0; key < count; ++key) {
        all.push_back("name " + std::to_string(mix(key) % 1'000'000'007));
        fill_payload(key, 1, payload);
        if (map.emplace(all.back(), payload).second) {
            batch.put(1, all.back(), payload);
        } else {
            all.back() = all.front();
        }
    }
    batch.crystallize();
    Consumer consumer = Consumer::attach("names", consumer_options(scratch.path()));
    const Snapshot snapshot = consumer.snapshot();
    for (int round = 0; round < 2; ++round) {
        for (const std::string& name : all) {
            static_cast<void>(snapshot.find(1, name));
        }
    }
    Row row{.name = row_name, .title = "one look-up by name", .unit = "ns"};
    row.at_most(0.5, "strata find", "std::unordered_map");
    row.at_most(1, "strata find, absent", "strata find");
    const auto run = [&](const char* tail, auto find) {
        constexpr std::uint64_t looks = 20'000;
        std::vector<std::string> asked;
        for (std::uint64_t i = 0; i < looks; ++i) {
            asked.push_back(all[reduce(mix(i), count)] + tail);
        }
        return [asked = std::move(asked), find] {
            const Stopwatch watch;
            std::uint64_t found = 0;
            for (const std::string& name : asked) {
                found += find(name);
            }
            const auto spent = static_cast<double>(watch.ns());
            check_sum("names", found == 0 || found > asked.size() ? 1 : 0, 1);
            return spent / static_cast<double>(asked.size());
        };
    };
    const auto in_strata = [&](const std::string& name) -> std::uint64_t {
        const Layer layer = snapshot.find(1, name);
        return layer ? words_of(layer.bytes()) | 1 : 0;
    };
    const auto in_map = [&](const std::string& name) -> std::uint64_t {
        const auto at = map.find(name);
        return at != map.end() ? words_of(at->second) | 1 : 0;
    };
    std::vector<Entrant> entrants;
    entrants.push_back({"strata find", Role::strata, run("", in_strata)});
    entrants.push_back({"strata find, absent", Role::strata, run("!", in_strata)});
    entrants.push_back({"std::unordered_map", Role::ceiling, run("", in_map)});
    entrants.push_back({"std::unordered_map, absent", Role::ceiling, run("!", in_map)});
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_shapes(Context& context) {
    for (const Shape& shape : shapes) {
        if (!context.quick() || shape.size() < 1'000'000) {
            one_shape(context, shape);
        }
    }
    names(context);
    run_shaped_changes(context);
}

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// Look-ups in many dimensions from generation to generation: what is carried over is what the
// generation has, for snapshots that are taken, held, asked for later, and in threads.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/views/view.hpp"
#include "tests/support/noted_places.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::TempStore;

namespace {

constexpr Dimension dimensions = 400;  // more than a front table has places for
constexpr std::uint64_t layers = 16;   // at most, of each

/// A history that is known before it is published: in which generations a dimension got a layer, or
/// was removed.
class History {
public:
    History(std::uint64_t commits, std::uint64_t seed) : commits_(commits) {
        std::mt19937_64 random(seed);
        for (std::uint64_t commit = 0; commit < commits; ++commit) {
            // Mostly few, so that generations can be compared; sometimes too many for that.
            const std::uint64_t some = random() % 40 == 0 ? 60 : random() % 3;
            const std::uint64_t count = commit == 0 ? dimensions : some;
            for (std::uint64_t i = 0; i < count; ++i) {
                const auto dimension =
                    static_cast<Dimension>(commit == 0 ? i : random() % dimensions);
                const Generation generation = commit + 2;
                auto& changes = changes_[dimension];
                if (changes.empty() || changes.back().generation != generation) {
                    const bool there = !changes.empty() && !changes.back().removed;
                    changes.push_back({generation, there && random() % 16 == 0});
                }
            }
        }
    }

    std::uint64_t commits() const noexcept { return commits_; }

    void publish(Producer& producer, std::uint64_t commit) const {
        const Generation generation = commit + 2;
        Batch batch = producer.batch();
        for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
            const auto known = until(dimension, generation);
            if (!known.empty() && known.back().generation == generation) {
                if (known.back().removed) {
                    batch.remove_dimension(dimension);
                } else {
                    batch.put({dimension, generation % layers}, std::to_string(generation));
                }
            }
        }
        batch.put({dimensions, 0}, "in every commit");
        REQUIRE(batch.crystallize() == generation);
        if (commit % 16 == 0) {
            producer.reclaim();
        }
    }

    bool is_in(const Snapshot& snapshot, LayerId id) const {
        const Layer found = snapshot.find(id);
        const auto known = until(id.dimension, snapshot.generation());
        for (auto change = known.rbegin(); change != known.rend() && !change->removed; ++change) {
            if (change->generation % layers == id.layer) {
                return found && found.text() == std::to_string(change->generation);
            }
        }
        return !found;
    }

private:
    struct Change {
        Generation generation = 0;
        bool removed = false;
    };

    std::span<const Change> until(Dimension dimension, Generation generation) const {
        const auto& changes = changes_[dimension];
        return {changes.begin(),
                std::ranges::upper_bound(changes, generation, {}, &Change::generation)};
    }

    const std::uint64_t commits_;
    std::array<std::vector<Change>, dimensions> changes_;
};

/// Takes snapshots, holds some of them, and looks into some dimensions of each.
class Reader {
public:
    Reader(const History& history, Consumer& consumer, std::uint64_t seed)
        : history_(history), consumer_(consumer), random_(seed) {}

    /// How many look-ups found what is not there, or did not find what is.
    std::uint64_t round() {
        std::uint64_t wrong = 0;
        const Snapshot newest = consumer_.snapshot();
        // Whoever looks into few dimensions has nothing carried over.
        few_ = random_() % 100 == 0 ? !few_ : few_;
        for (int look = 0; look < (few_ ? 3 : 60); ++look) {
            wrong += is_right(newest) ? 0 : 1;
        }
        std::optional<Snapshot>& held = held_[random_() % held_.size()];
        if (held && random_() % 4 == 0) {
            held.reset();
        } else if (held) {
            wrong += is_right(*held) ? 0 : 1;
        } else if (random_() % 2 == 0) {
            held = newest;
        } else {
            held = older(newest.generation());
        }
        return wrong;
    }

private:
    bool is_right(const Snapshot& snapshot) {
        const auto dimension = static_cast<Dimension>(random_() % dimensions);
        return history_.is_in(snapshot, {dimension, random_() % layers});
    }
    std::optional<Snapshot> older(Generation newest) {
        try {
            return consumer_.snapshot(newest - random_() % std::min<Generation>(newest, 6));
        } catch (const Error& error) {
            CHECK(error.code() == Errc::generation_not_retained);
            return std::nullopt;
        }
    }

    const History& history_;
    Consumer& consumer_;
    std::mt19937_64 random_;
    std::array<std::optional<Snapshot>, 4> held_;
    bool few_ = false;
};

}  // namespace

TEST_CASE("every look-up finds what its generation has, from one generation to the next") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 4;
    Producer producer = Producer::create(store.name(), options);
    const History history(1500, 1);
    Consumer consumer = store.attach();
    Reader reader(history, consumer, 2);
    history.publish(producer, 0);
    std::uint64_t wrong = 0;
    for (std::uint64_t commit = 1; commit < history.commits(); ++commit) {
        history.publish(producer, commit);
        wrong += reader.round();
    }
    CHECK(wrong == 0);
}

TEST_CASE("every look-up finds what its generation has, in threads beside a producer") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 4;
    Producer producer = Producer::create(store.name(), options);
    const History history(600, 3);
    Consumer consumer = store.attach();
    history.publish(producer, 0);
    std::atomic<std::uint64_t> wrong = 0;
    std::atomic<std::uint64_t> rounds = 0;
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            Reader reader(history, consumer, 10 + thread);
            while (!stop) {
                wrong += reader.round();
                ++rounds;
                rounds.notify_one();
            }
        });
    }
    for (std::uint64_t commit = 1; commit < history.commits(); ++commit) {
        const std::uint64_t before = rounds;
        history.publish(producer, commit);
        rounds.wait(before);
    }
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}

TEST_CASE("who looks into many dimensions of each generation does not look for them again") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
        batch.put({dimension, 3}, std::to_string(dimension));
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    (void)consumer.snapshot();  // from the second on, views stay open a while
    const auto look_at_all = [](const Snapshot& snapshot) {
        for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
            REQUIRE(snapshot.find({dimension, 3}));
        }
    };
    look_at_all(consumer.snapshot());
    std::uint64_t known = 0;
    for (std::uint64_t commit = 0; commit < 300; ++commit) {
        batch.put({static_cast<Dimension>(commit % dimensions), 3}, "changed");
        batch.crystallize();
        const Snapshot snapshot = consumer.snapshot();
        const consumer_impl::View& view = *consumer_impl::Access::view_of(snapshot);
        for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
            known += view.entry_of(dimension).entry != nullptr ? 1 : 0;
        }
        look_at_all(snapshot);
        CHECK(snapshot.find({static_cast<Dimension>(commit % dimensions), 3}).text() == "changed");
    }
    // All but the one that changed; and now and then none, when it is seen whether they are asked
    // for, or when the view before was closed to be reclaimed.
    CHECK(known > std::uint64_t{300} * dimensions * 9 / 10);
}

TEST_CASE("what a reader has turned away from makes room for what it looks into now") {
    const TempStore store;
    Producer producer = store.create();
    constexpr std::uint64_t many = 100;
    Batch batch = producer.batch();
    for (Dimension dimension = 0; dimension < 40; ++dimension) {
        for (std::uint64_t number = 0; number < many; ++number) {
            batch.put({dimension, number}, "something");
        }
    }
    batch.crystallize();
    ConsumerOptions options = store.consumer_options();
    options.lookup_cache_bytes = 20 * many * sizeof(std::uint64_t);
    Consumer consumer = Consumer::attach(store.name(), options);
    (void)consumer.snapshot();  // from the second on, views stay open a while
    const auto lists_of = [&](Dimension first) {
        for (std::uint64_t commit = 0; commit < 50; ++commit) {
            batch.put({50, 1}, std::to_string(commit));
            batch.crystallize();
            const Snapshot snapshot = consumer.snapshot();
            for (Dimension dimension = first; dimension < first + 20; ++dimension) {
                for (std::uint64_t number = 0; number < many; ++number) {
                    REQUIRE(snapshot.find({dimension, number}));
                }
            }
        }
        const Snapshot snapshot = consumer.snapshot();
        unsigned lists = 0;
        for (Dimension dimension = first; dimension < first + 20; ++dimension) {
            lists += strata::test::list_of(snapshot, dimension) != nullptr ? 1 : 0;
        }
        return lists;
    };
    CHECK(lists_of(0) == 20);
    CHECK(lists_of(20) == 20);
}

TEST_CASE("what nobody reads any more is forgotten, however many dimensions are looked into") {
    const TempStore store;
    Producer producer = store.create();
    // Few dimensions; many of which few change; many of which more change than are compared.
    struct Reading {
        unsigned looks;
        unsigned changes;
    };
    for (const Reading& reading : {Reading{1, 1}, Reading{60, 2}, Reading{60, 60}}) {
        const unsigned looks = reading.looks;
        const unsigned changes = reading.changes;
        CAPTURE(looks);
        CAPTURE(changes);
        Consumer consumer = store.attach();
        Snapshot before;
        std::uint64_t most = 0;
        for (unsigned commit = 0; commit < 300; ++commit) {
            Batch batch = producer.batch();
            for (Dimension dimension = 0; dimension < std::max(changes, commit == 0 ? looks : 0U);
                 ++dimension) {
                batch.put({dimension, 3}, std::to_string(commit));
            }
            batch.crystallize();
            Snapshot now = consumer.snapshot();  // while the one before is held
            for (Dimension dimension = 0; dimension < looks; ++dimension) {
                REQUIRE(now.find({dimension, 3}));
            }
            REQUIRE(now.find({0, 3}).text() == std::to_string(commit));
            before = std::move(now);
            most = std::max(most, consumer.statistics().cached_dimensions);
        }
        // Those of two snapshots, and of views that wait to be closed.
        CHECK(most <= std::uint64_t{30} * looks);
    }
}

TEST_CASE("views of older generations find what holds on while the newest one is asked") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 200;
    Producer producer = Producer::create(store.name(), options);
    Batch batch = producer.batch();
    for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
        batch.put({dimension, 3}, "first");
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    (void)consumer.snapshot();  // from the second on, views stay open a while
    for (int commit = 0; commit < 150; ++commit) {
        batch.put({0, 3}, std::to_string(commit));
        const Generation newest = batch.crystallize();
        const Snapshot now = consumer.snapshot();
        const Snapshot older = consumer.snapshot(newest - 1);
        const consumer_impl::View& view = *consumer_impl::Access::view_of(older);
        REQUIRE(older.find({7, 3}).text() == "first");
        CHECK((view.front_version(7) != nullptr || view.entry_of(7).entry != nullptr));
        for (Dimension dimension = 1; commit == 0 && dimension < dimensions; ++dimension) {
            REQUIRE(now.find({dimension, 3}));
        }
        REQUIRE(now.find({0, 3}).text() == std::to_string(commit));
    }
}

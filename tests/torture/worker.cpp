// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/worker.hpp"

#include <string>
#include <utility>

namespace strata::test {

void Worker::take_stock() {
    const Snapshot found = attach().snapshot();
    judge(ledger_, world_.check(found, stamps_of(orders_.place)), "successor");
    const Generation published = ledger_.published[index()].load();
    if (found.generation() != producer_.generation() || found.generation() < published) {
        judge(ledger_,
              {"generation " + std::to_string(found.generation()) + " after generation " +
               std::to_string(published) + " was published"},
              "successor");
    }
    look_at_bookmarks();
    const auto clock = World::clock_of(found);
    step_ = clock ? clock->step : 0;
    moved_ = clock && found.generation() != clock->at_least;
}

bool Worker::step(Batch& batch) {
    const Generation expected = producer_.generation() + 1;
    try {
        world_.prepare(batch, step_ + 1, expected);
        retention_.begin();
        const Generation published = batch.crystallize();
        retention_.published(published);
        if (published < expected ||
            (stamps_of(orders_.place) == Stamps::expected && published != expected)) {
            judge(ledger_,
                  {"crystallize gave generation " + std::to_string(published) + " instead of " +
                   std::to_string(expected)},
                  "producer");
        }
        ledger_.relocations.fetch_add(published - expected);
        ledger_.published[index()].store(published);
    } catch (const Error& error) {
        if (error.code() != Errc::limit_exceeded) {
            throw;
        }
        ledger_.refused.fetch_add(1);
        refusal_ = error.what();
        batch.clear();
        return false;
    }
    ++step_;
    moved_ = false;
    ledger_.generations.fetch_add(1);
    return true;
}

void Worker::move(Random& random, bool watched) {
    if (moved_ || step_ == 0) {
        return;
    }
    const auto dimension = static_cast<Dimension>(1 + random.below(swept_dimension));
    DimensionOptions options{.own_region = random.below(2) == 0};
    if (options.own_region && random.below(2) == 0) {
        options.max_bytes = region_max_bytes(orders_.place) / (1 + random.below(2));
    }
    Snapshot before;
    if (watched) {
        before = attach().snapshot();
    }
    const Generation expected = producer_.generation() + 1;
    retention_.begin();
    const Generation generation = producer_.move_dimension(dimension, options);
    // Where there is little room, a companion's loan may relocate something at any time.
    const bool alone = stamps_of(orders_.place) == Stamps::expected;
    if (generation + 1 < expected || (alone && generation > expected)) {
        wrong("move_dimension gave generation " + std::to_string(generation) + " after " +
              std::to_string(expected - 1));
    }
    moved_ = generation >= expected;
    if (!moved_) {
        return;
    }
    ledger_.relocations.fetch_add(generation - expected);
    retention_.published(generation);
    ledger_.published[index()].store(generation);
    ledger_.moves.fetch_add(1);
    if (watched) {
        const Snapshot after = attach().snapshot();
        if (after.generation() < generation || (alone && after.generation() != generation) ||
            !changes(before, after).empty()) {
            wrong("dimension " + std::to_string(dimension) + " was moved, and " +
                  std::to_string(changes(before, after).size()) + " layers differ in generation " +
                  std::to_string(after.generation()));
        }
    }
}

void Worker::look_at_bookmarks() {
    Consumer own = attach();
    for (const Bookmark& bookmark : producer_.bookmarks()) {
        const Snapshot snapshot = own.snapshot_at(bookmark.name);
        if (snapshot.generation() != bookmark.generation) {
            wrong("bookmark " + bookmark.name + " leads to generation " +
                  std::to_string(snapshot.generation()) + " instead of " +
                  std::to_string(bookmark.generation));
        }
        judge(ledger_, world_.check(snapshot, stamps_of(orders_.place)), "bookmarked");
        ledger_.bookmarked.fetch_add(1);
    }
}

void Worker::mark(Random& random) {
    const std::string name(1, static_cast<char>('a' + random.below(3)));
    if (random.below(3) != 0) {
        const auto [oldest, newest] = attach().retained();
        const Generation wanted = oldest + random.below(newest - oldest + 1);
        producer_.set_bookmark(name, random.below(2) == 0 ? 0 : wanted);
        return;
    }
    try {
        producer_.remove_bookmark(name);
    } catch (const Error& error) {
        if (error.code() != Errc::bookmark_not_found) {
            throw;
        }
    }
}

void Worker::remove_bookmarks() {
    for (const Bookmark& bookmark : producer_.bookmarks()) {
        producer_.remove_bookmark(bookmark.name);
    }
}

void Worker::look_back(Random& random) {
    Consumer own = attach();
    // Statistics read /proc/locks, for which all processors wait: slow on a busy machine.
    const std::uint64_t bytes = retention_.limits_bytes() ? statistics(producer_).history_bytes : 0;
    if (std::string found = retention_.wrong(own, bytes); !found.empty()) {
        wrong(std::move(found));
    }
    for (unsigned looks = retention_.enabled() ? 3 : 0; looks > 0; --looks) {
        const Snapshot snapshot = retention_.any(own, random);
        if (snapshot.generation() < retention_.opened()) {
            wrong("generation " + std::to_string(snapshot.generation()) +
                  " of a former producer is retained");
        }
        judge(ledger_, world_.check(snapshot, stamps_of(orders_.place)), "retained");
        ledger_.retained_by_lot.fetch_add(1);
    }
}

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
// Where the root of a generation, or of a moment, is looked for, and whether a pin that may be too
// old for it is told to be taken anew.
#include "consumer/views/retained_roots.hpp"

#include <cstdint>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "consumer/attachment/session.hpp"
#include "consumer/views/view.hpp"
#include "ipc/format/atomic_word.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::consumer_impl;
using namespace strata::test;

namespace {

/// A store with some generations, and a snapshot that pins its epoch.
struct Generations {
    static constexpr Generation newest = 6;

    TempStore store;
    Producer producer = [&] {
        ProducerOptions options = store.producer_options();
        options.retain = 10;
        Producer made = Producer::create(store.name(), options);
        while (made.generation() < newest) {
            publish(made, {1, 1}, std::to_string(made.generation()));
        }
        return made;
    }();
    Consumer consumer = store.attach();
    Snapshot snapshot = consumer.snapshot();
    const ipc::ControlFile& control = Access::view_of(snapshot)->session->control();
    const std::uint64_t epoch = ipc::load_acquire(control.cells().epoch);

    Generation generation_of(const RetainedRoot& root) const {
        return control.root_at(root.offset, "test").generation;
    }
    std::int64_t published_ns(Generation generation) const {
        const RetainedRoot root = retained_root(control, generation, epoch, "test");
        return control.root_at(root.offset, "test").published_at_ns;
    }
};

constexpr std::int64_t end_of_time = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("what was current at a moment: the newest that was published by then") {
    const Generations all;
    const auto at = [&](std::int64_t time_ns) {
        const RetainedRoot root = root_current_at(all.control, time_ns, all.epoch, "test");
        CHECK(root.confirmed);
        return all.generation_of(root);
    };
    CHECK(at(end_of_time) == all.newest);
    CHECK(at(all.published_ns(all.newest)) == all.newest);
    for (Generation generation = 2; generation <= all.newest; ++generation) {
        const std::int64_t published = all.published_ns(generation);
        if (all.published_ns(generation - 1) < published) {  // by a clock that ticked meanwhile
            CHECK(at(published - 1) == generation - 1);
        }
    }
    CHECK(code_of([&] { at(all.published_ns(1) - 1); }) == "generation_not_retained");
}

TEST_CASE("a pin of another epoch is told to be taken anew, and nothing is looked for") {
    const Generations all;
    const std::uint64_t newest = ipc::load_acquire(all.control.cells().root);
    for (const std::int64_t time_ns : {end_of_time, all.published_ns(1) - 1}) {
        const RetainedRoot root = root_current_at(all.control, time_ns, all.epoch + 1, "test");
        CHECK_FALSE(root.confirmed);
        CHECK(root.offset == newest);
    }
    const RetainedRoot root = retained_root(all.control, 3, all.epoch, "test");
    CHECK(all.generation_of(root) == 3);
    CHECK_FALSE(retained_root(all.control, 3, all.epoch + 1, "test").confirmed);
    CHECK(code_of([&] { retained_root(all.control, all.newest + 1, all.epoch, "test"); }) ==
          "generation_not_retained");
}

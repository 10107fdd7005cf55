// SPDX-License-Identifier: Apache-2.0
// The clock by itself, on the control file of a store and beside real readers.
#include "producer/reclaim/reclamation_clock.hpp"

#include <mutex>
#include <optional>
#include <unistd.h>

#include <doctest/doctest.h>

#include "ipc/files/store_files.hpp"
#include "ipc/format/atomic_word.hpp"
#include "tests/support/epoch_ranges.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::producer_impl;
using strata::test::contains;
using strata::test::TempStore;

namespace {

/// A store whose producer is gone, and a clock that goes on where that one stopped.
struct Setting {
    TempStore store;
    std::mutex mutex;
    std::optional<MemoryBudget> budget;
    std::optional<ControlRegion> control;

    Setting() {
        (void)Producer::create(store.name(), store.producer_options());
        budget.emplace(64_MiB);
        control.emplace(
            ipc::open_store_directory(store.base(), store.name(), {.owner = ::geteuid()}, "test"),
            *budget, "test");
    }
    std::uint64_t word() const { return ipc::load_relaxed(control->cells().epoch); }
    Consumer attach() const { return Consumer::attach(store.name(), store.consumer_options()); }
};

}  // namespace

TEST_CASE("an epoch that ends is told to readers, with the generations that they can ask for") {
    Setting setting;
    ReclamationClock clock(*setting.control);
    const CommitLock lock(setting.mutex);
    const std::uint64_t first = setting.word();
    clock.begin(first);
    CHECK(clock.epoch() == first);
    CHECK(clock.advance(64, 5, PinnedEpochs::few_questions));
    CHECK(clock.epoch() == first + 1);
    CHECK(setting.word() == first + 1);
    CHECK(ipc::load_relaxed(setting.control->cells().oldest) == 5);
    CHECK(clock.pins().empty());
    CHECK_FALSE(clock.closing_roots().find(first));  // nobody pins it
}

TEST_CASE("what a reader pins keeps the root that its epoch ended with, until it lets it go") {
    Setting setting;
    std::optional<ReclamationClock> clock(std::in_place, *setting.control);
    const CommitLock lock(setting.mutex);
    const std::uint64_t first = setting.word();
    clock->begin(first);
    ipc::store_release(setting.control->cells().oldest, 1);
    Consumer consumer = setting.attach();
    std::optional<Snapshot> held(consumer.snapshot());

    CHECK(clock->advance(64, 7, PinnedEpochs::few_questions));
    CHECK(clock->advance(128, 9, PinnedEpochs::few_questions));
    CHECK(contains(clock->pins(), first));
    CHECK_FALSE(contains(clock->pins(), first + 1));
    const auto check_root = [](const std::optional<ipc::ClosingRoot>& closing) {
        REQUIRE(closing);
        CHECK(closing->root == 64);
        CHECK(closing->oldest == 1);  // what its readers could ask for, not those after them
    };
    check_root(clock->closing_roots().find(first));

    clock.emplace(*setting.control);  // the next producer's
    clock->begin(setting.word());
    check_root(clock->closing_roots().find(first));
    CHECK(clock->advance(192, 9, PinnedEpochs::many_questions));
    CHECK(contains(clock->pins(), first));
    check_root(clock->closing_roots().find(first));

    held.reset();
    consumer = setting.attach();  // what it pins now is the epoch of now
    CHECK(clock->advance(256, 9, PinnedEpochs::many_questions));
    CHECK_FALSE(contains(clock->pins(), first));
    CHECK_FALSE(clock->closing_roots().find(first));
}

TEST_CASE("at its end the clock stands still, and says so") {
    Setting setting;
    ReclamationClock clock(*setting.control);
    const CommitLock lock(setting.mutex);
    clock.begin(ipc::epoch_end - 2);
    CHECK_FALSE(clock.at_end());
    CHECK(clock.advance(64, 1, PinnedEpochs::few_questions));
    CHECK(clock.at_end());
    const std::uint64_t word = setting.word();
    CHECK_FALSE(clock.advance(128, 2, PinnedEpochs::few_questions));
    CHECK(clock.epoch() == ipc::epoch_end - 1);
    CHECK(setting.word() == word);
    CHECK(ipc::load_relaxed(setting.control->cells().oldest) == 1);
}

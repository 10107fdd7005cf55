// SPDX-License-Identifier: Apache-2.0
// Which epochs are pinned, as the producer learns it from real locks: never one too few.
#include "producer/reclaim/pinned_epochs.hpp"

#include <cstdint>
#include <fcntl.h>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include "ipc/lock_table.hpp"
#include "tests/skip.hpp"
#include "tests/support/epoch_ranges.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::producer_impl;
using ipc::EpochRange;
using strata::test::contains;
using strata::test::TempBase;

namespace {

// A file with locks as consumers take them, each of a description of its own.
class LockFile {
public:
    LockFile() : path_(base_.path() / "control.mmap"), producer_(open(O_RDWR | O_CREAT)) {}
    LockFile(const LockFile&) = delete;
    LockFile& operator=(const LockFile&) = delete;

    const ipc::FileDescriptor& producer() const noexcept { return producer_; }
    void pin(std::uint64_t epoch) {
        ipc::FileDescriptor description = open(O_RDONLY);
        if (ipc::lock_pin(description, epoch, ::getpid()) != 0) {
            throw std::runtime_error("no pin");
        }
        pins_.emplace(epoch, std::move(description));
    }
    void unpin(std::uint64_t epoch) { pins_.erase(pins_.find(epoch)); }
    std::set<std::uint64_t> pinned() const {
        std::set<std::uint64_t> epochs;
        for (const auto& [epoch, description] : pins_) {
            epochs.insert(epoch);
        }
        return epochs;
    }

private:
    ipc::FileDescriptor open(int flags) const {
        return ipc::FileDescriptor(::open(path_.c_str(), flags | O_CLOEXEC, 0600));
    }

    TempBase base_;
    std::string path_;
    ipc::FileDescriptor producer_;
    std::multimap<std::uint64_t, ipc::FileDescriptor> pins_;
};

bool sorted_and_disjoint(std::span<const EpochRange> ranges) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (ranges[i].first > ranges[i].last || (i > 0 && ranges[i - 1].last >= ranges[i].first)) {
            return false;
        }
    }
    return true;
}

std::set<std::uint64_t> epochs_of(std::span<const EpochRange> ranges) {
    std::set<std::uint64_t> epochs;
    for (const EpochRange& range : ranges) {
        for (std::uint64_t epoch = range.first; epoch <= range.last; ++epoch) {
            epochs.insert(epoch);
        }
    }
    return epochs;
}

}  // namespace

TEST_CASE("a look that may ask enough knows every pin exactly") {
    std::mt19937_64 random(11);
    LockFile file;
    PinnedEpochs epochs;
    for (std::uint64_t last = 1; last < 120; ++last) {
        if (random() % 3 != 0) {
            file.pin(last);
            if (random() % 4 == 0) {
                file.pin(last);  // another reader of the same one
            }
        }
        const auto pinned = file.pinned();
        if (!pinned.empty() && random() % 2 == 0) {
            file.unpin(*std::next(pinned.begin(), static_cast<long>(random() % pinned.size())));
        }
        epochs.look(file.producer(), last, PinnedEpochs::many_questions);
        REQUIRE(sorted_and_disjoint(epochs.ranges()));
        REQUIRE(epochs_of(epochs.ranges()) == file.pinned());
        REQUIRE(epochs.empty() == file.pinned().empty());
    }
    for (const std::uint64_t epoch : file.pinned()) {
        while (file.pinned().contains(epoch)) {
            file.unpin(epoch);
        }
    }
    epochs.look(file.producer(), 120, PinnedEpochs::few_questions);
    CHECK(epochs.empty());
}

TEST_CASE("a look that may ask little misses no pin, and knows all of them in the end") {
    for (const unsigned questions : {0U, 1U, 2U, 3U, PinnedEpochs::few_questions}) {
        CAPTURE(questions);
        LockFile file;
        for (std::uint64_t epoch = 3; epoch < 60; epoch += 3) {
            file.pin(epoch);
        }
        PinnedEpochs epochs;
        std::uint64_t last = 60;
        epochs.look(file.producer(), last, questions);
        for (const std::uint64_t epoch : file.pinned()) {
            REQUIRE(contains(epochs.ranges(), epoch));
        }
        for (int look = 0; look < 200; ++look) {
            if (look == 60) {
                file.unpin(30);
                file.unpin(33);
            }
            epochs.look(file.producer(), ++last, questions);
            REQUIRE(sorted_and_disjoint(epochs.ranges()));
            for (const std::uint64_t epoch : file.pinned()) {
                REQUIRE(contains(epochs.ranges(), epoch));
            }
        }
        if (questions > 1) {  // the epoch that just ended takes one of them
            CHECK(epochs_of(epochs.ranges()) == file.pinned());
        }
    }
}

TEST_CASE("a look that may ask little hears of every reader that goes, while others come") {
    LockFile file;
    PinnedEpochs epochs;
    constexpr std::uint64_t readers = PinnedEpochs::few_questions - 4;
    for (std::uint64_t last = 1; last < 100; ++last) {
        file.pin(last);
        if (last > readers) {
            file.unpin(last - readers);
        }
        epochs.look(file.producer(), last, PinnedEpochs::few_questions);
        REQUIRE(epochs_of(epochs.ranges()) == file.pinned());
    }
}

TEST_CASE("a look asks about nothing twice, wherever the one before has stopped") {
    STRATA_SKIP_IF(!strata::test::calls_can_fail, "with this sanitizer no call can be counted");
    LockFile file;
    for (const std::uint64_t epoch : {10U, 11U, 12U}) {
        file.pin(epoch);
    }
    PinnedEpochs epochs;
    epochs.look(file.producer(), 12, PinnedEpochs::many_questions);
    epochs.look(file.producer(), 13, 2);  // about 13 and 10: 11 is next
    file.pin(14);
    const auto calls = [&](std::uint64_t last, unsigned questions) {
        for (std::uint64_t n = 1;; ++n) {
            PinnedEpochs copy = epochs;
            const strata::test::FailingCall failing(n);
            copy.look(file.producer(), last, questions);
            if (!failing.happened()) {
                return n - 1;
            }
        }
    };
    CHECK(calls(14, PinnedEpochs::many_questions) == 5);  // about all, 14, 11, 12 and 10
    CHECK(calls(14, 3) == 4);
    CHECK(calls(14, 0) == 1);
    epochs.look(file.producer(), 14, 3);  // 14, or what comes after it, is next
    file.unpin(14);
    file.pin(15);
    CHECK(calls(15, PinnedEpochs::many_questions) == 6);  // about all, 15, 14, 10, 11 and 12
}

TEST_CASE("more pins than can be told apart are joined where that holds back least") {
    LockFile file;
    PinnedEpochs epochs;
    const std::size_t most = PinnedEpochs::most_ranges;
    for (std::uint64_t i = 0; i < most; ++i) {
        file.pin(10 + 10 * i);
    }
    const std::uint64_t end = 10 + 10 * most;
    epochs.look(file.producer(), end, PinnedEpochs::many_questions);
    CHECK(epochs.ranges().size() == most);
    CHECK(epochs_of(epochs.ranges()) == file.pinned());
    file.pin(1000 + 3);  // beside 1000
    PinnedEpochs afresh;
    afresh.look(file.producer(), end, PinnedEpochs::many_questions);
    CHECK(afresh.ranges().size() == most);
    CHECK(sorted_and_disjoint(afresh.ranges()));
    auto expected = file.pinned();
    expected.insert({1001, 1002});
    CHECK(epochs_of(afresh.ranges()) == expected);
    file.pin(end + 4);
    afresh.look(file.producer(), end + 4, PinnedEpochs::few_questions);
    CHECK(afresh.ranges().size() <= most);
    for (const std::uint64_t epoch : file.pinned()) {
        CHECK(contains(afresh.ranges(), epoch));
    }
}

TEST_CASE("a question that the kernel cannot answer leaves everything pinned") {
    const ipc::FileDescriptor none;
    PinnedEpochs epochs;
    epochs.look(none, 7, PinnedEpochs::many_questions);
    REQUIRE(epochs.ranges().size() == 1);
    CHECK(epochs.ranges()[0] == EpochRange{0, 7});
    epochs.look(none, 8, PinnedEpochs::many_questions);
    CHECK(epochs_of(epochs.ranges()).size() == 9);
    const LockFile file;
    epochs.look(file.producer(), 8, PinnedEpochs::few_questions);
    CHECK(epochs.empty());
}

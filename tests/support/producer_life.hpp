// SPDX-License-Identifier: Apache-2.0
// A producer's life, any step of which may fail, and what has to hold after each.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::test {

/// An error of a call that failed names the call's errno, a code that fits it, and the file.
inline void expect_telling(const Error& error, const std::filesystem::path& base) {
    CAPTURE(std::string(error.what()));
    CAPTURE(FailingCall::name());
    CHECK(FailingCall::happened());
    CHECK(error.errno_value() == FailingCall::error());
    const Errc fitting = FailingCall::error() == ENOSPC  ? Errc::no_space
                         : FailingCall::error() == EPERM ? Errc::permission_denied
                                                         : Errc::system;
    CHECK(std::string(to_string(error.code())) == std::string(to_string(fitting)));
    CHECK_FALSE(error.operation().empty());
    CHECK(error.path().starts_with(base.native()));
    CHECK_FALSE(error.detail().empty());
}

/// What has to be in the store: changed only by what was published.
using Contents = std::map<std::pair<Dimension, std::uint64_t>, std::string>;

inline void expect_contents(const Snapshot& snapshot, const Contents& contents) {
    CHECK(snapshot.layer_count() == contents.size());
    for (const auto& [id, text] : contents) {
        CHECK(snapshot.find({id.first, id.second}).text() == text);
    }
    CHECK(verify(snapshot).ok());
}

/// One life of a producer. Any step may end in a typed error; what the steps promise is kept.
class Life {
public:
    explicit Life(const TempStore& store) : store_(store) {
        options_ = store.producer_options();
        options_.retain = 1;
    }

    void run() {
        begin([&] { return Producer::create(store_.name(), options_); });
        publish(1, 40, 700);
        publish(2, 5, 70'000);  // files grow
        step([&] { producer_->add_dimension(3, {.name = "Third"}); });
        publish(2, 5, 90'000);
        step([&] { producer_->reclaim(); });
        step([&] { producer_->trim(); });
        publish(2, 3, 60'000);  // into holes
        remove(1);
        step([&] { (void)statistics(*producer_); });
        producer_.reset();
        begin([&] { return Producer::open(store_.name(), options_); });
        publish(4, 10, 1'000);
        producer_.reset();
    }

    const Contents& contents() const noexcept { return contents_; }
    bool exists() const noexcept { return generation_ > 0; }
    Generation generation() const noexcept { return generation_; }

private:
    template <class Action>
    bool step(Action action) {
        if (!producer_) return false;
        bool done = false;
        try {
            action();
            generation_ = producer_->generation();
            done = true;
        } catch (const Error& error) {
            expect_telling(error, store_.base());
        }
        compare_memory();
        return done;
    }

    // Now: a successor would find, and mend, what this producer has lost sight of.
    void compare_memory() {
        const OwnCalls own_calls;
        CAPTURE(FailingCall::name());
        const std::uint64_t counted = producer_->stats().committed_bytes;
        if (FailingCall::name() == "fallocate") {
            CHECK(counted >= store_.allocated_bytes());  // no hole, so it counts on
        } else {
            CHECK(counted == store_.allocated_bytes());
        }
    }

    // A failed beginning is repeated, as a user would.
    template <class Make>
    void begin(Make make) {
        for (int attempt = 0; attempt < 2 && !producer_; ++attempt) {
            try {
                producer_.emplace(make());
                generation_ = producer_->generation();
            } catch (const Error& error) {
                expect_telling(error, store_.base());
                REQUIRE(attempt == 0);
            }
        }
    }

    // A refused commit keeps its changes and is repeated.
    void commit(Batch& batch) {
        const std::size_t changes = batch.size();
        if (!step([&] { batch.crystallize(); })) {
            CHECK(batch.size() == changes);
            CHECK(producer_->generation() == generation_);
            REQUIRE(step([&] { batch.crystallize(); }));
        }
    }

    void publish(Dimension dimension, std::uint64_t layers, std::size_t bytes) {
        if (!producer_) return;
        Batch batch = producer_->batch();
        Contents changes;
        ++version_;
        for (std::uint64_t i = 0; i < layers; ++i) {
            const std::string text = payload_of(i, version_, bytes);
            const bool put = step([&] {
                                 batch.put({dimension, i}, text);
                             }) ||
                             step([&] {
                                 batch.put({dimension, i}, text);
                             });
            REQUIRE(put);
            changes[{dimension, i}] = text;
        }
        commit(batch);
        for (auto& [id, text] : changes)
            contents_[id] = std::move(text);
    }

    void remove(Dimension dimension) {
        Batch batch = producer_->batch();
        batch.remove_dimension(dimension);
        commit(batch);
        std::erase_if(contents_, [&](const auto& entry) { return entry.first.first == dimension; });
    }

    const TempStore& store_;
    ProducerOptions options_;
    std::optional<Producer> producer_;
    Contents contents_;
    Generation generation_ = 0;
    std::uint64_t version_ = 0;
};

}  // namespace strata::test

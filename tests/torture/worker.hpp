// SPDX-License-Identifier: Apache-2.0
// What a producer under torture does, step by step, and what it checks of its own store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "tests/support/oracle.hpp"
#include "tests/torture/retention.hpp"
#include "tests/torture/victim.hpp"

namespace strata::test {

/// A producer and the step that comes next.
class Worker {
public:
    Worker(const Orders& orders, Ledger& ledger, Producer producer, std::uint64_t salt,
           const ProducerOptions& options)
        : orders_(orders),
          ledger_(ledger),
          producer_(std::move(producer)),
          world_(salt),
          retention_(options, producer_.generation()) {}

    Producer& producer() noexcept { return producer_; }
    const Retention& retention() const noexcept { return retention_; }

    /// Everything is as the last producer left it, and nothing that was published is lost.
    void take_stock();

    /// Why there was no room the last time.
    const std::string& refusal() const noexcept { return refusal_; }

    /// Publishes the next step. False: there was no room.
    bool step(Batch& batch);

    /// Moves a dimension to a file of its own or back, at most once between two steps: so a clock
    /// says how many generations there are. Nobody sees a difference: `watched` tells whether this
    /// process may have a snapshot to look at that.
    void move(Random& random, bool watched);

    /// What a former producer, or this one, has given a name is what it was.
    void look_at_bookmarks();

    /// Sets a bookmark, moves one, or removes one.
    void mark(Random& random);
    void remove_bookmarks();

    /// What has to be retained is there, and what it was.
    void look_back(Random& random);

private:
    // Without a pin that stays: what is counted at the end is what others hold.
    Consumer attach() const {
        return Consumer::attach(name_of(orders_.place),
                                {.base_path = orders_.base, .keep_idle_pin = false});
    }
    void wrong(std::string text) { judge(ledger_, {std::move(text)}, "producer"); }
    std::size_t index() const noexcept { return static_cast<std::size_t>(orders_.place); }

    const Orders& orders_;
    Ledger& ledger_;
    Producer producer_;
    World world_;
    Retention retention_;
    Step step_ = 0;
    bool moved_ = false;  // since the last step
    std::string refusal_;
};

}  // namespace strata::test

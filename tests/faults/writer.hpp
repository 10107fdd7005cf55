// SPDX-License-Identifier: Apache-2.0
// A producer whose calls are refused, and what has to be in its store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "tests/faults/subject.hpp"

namespace strata::test {

class Writer {
public:
    explicit Writer(Subject& subject);

    ProducerOptions options{};

    bool active() const noexcept { return producer_.has_value(); }
    Producer& producer() noexcept { return *producer_; }

    bool create() {
        const auto& name = self_.store().name();
        // A creation that fails late and cannot undo itself leaves a whole store.
        return begin("create", [&] {
            return std::exchange(created_, true) ? Producer::open_or_create(name, options)
                                                 : Producer::create(name, options);
        });
    }
    bool open() {
        return begin("open", [&] { return Producer::open(self_.store().name(), options); });
    }
    void close() {
        self_.step("close", [&] { producer_.reset(); });
    }

    /// Layers 0 to `layers` - 1 of one dimension, all anew.
    void put(Dimension dimension, std::uint64_t layers, std::size_t bytes);
    /// So many commits that the producer starts the thread that knows who waits.
    void put_often(Dimension dimension) {
        for (int i = 0; i < 20; ++i) {
            put(dimension, 1, 700);
        }
    }
    void erase(Dimension dimension, std::uint64_t layer);
    void remove(Dimension dimension);
    /// Publishes what is in the batch as one generation; repeated once if it fails.
    bool commit(Batch& batch, const std::string& name);
    template <class Action>
    bool step(std::string_view name, Action&& action) {
        return active() && self_.step(name, std::forward<Action>(action));
    }

    /// With nothing refused any more: this producer (or a new one, if it has none) publishes, and
    /// all that was published is there.
    void prove();

private:
    using Contents = std::map<std::pair<Dimension, std::uint64_t>, std::string>;

    template <class Make>
    bool begin(std::string_view name, Make&& make) {
        const bool begun = self_.stubborn_step(name, [&] { producer_.emplace(make()); });
        if (begun) {
            generation_ = producer_->generation();
        }
        return begun;
    }
    void look();
    void published(Generation generation);

    Subject& self_;
    std::optional<Producer> producer_;
    Contents contents_;
    Generation generation_ = 0;
    std::uint64_t version_ = 0;
    bool created_ = false;
};

}  // namespace strata::test

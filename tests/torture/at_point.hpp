// SPDX-License-Identifier: Apache-2.0
// Races made certain: at a crash point that the main thread passes, the other side acts.
#pragma once

#include <functional>
#include <string_view>

#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::test {

/// What the main thread does at each point that it passes; empty: nothing.
extern std::function<void(std::string_view)> visitor;

/// Calls `action` at the next pass of the point.
template <class Action>
void at_point(std::string_view point, Action action) {
    visitor = [point, action](std::string_view name) {
        if (name == point) {
            visitor = nullptr;  // first: the action passes points itself
            action();
        }
    };
}

/// A consumer with these starts no thread, which would pass points, too.
inline ConsumerOptions without_threads(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return options;
}

}  // namespace strata::test

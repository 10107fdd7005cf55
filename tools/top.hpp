// SPDX-License-Identifier: Apache-2.0
// `strata top`: what is measured, apart from how it is drawn.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "console.hpp"
#include "readers.hpp"

namespace strata::tools {

/// One look at a store.
struct Sample {
    std::string trouble{};  ///< why the store could not be read; nothing below is known then
    StoreStatistics numbers{};
    double generations_per_second = 0;
    double commits_per_second = 0;
    std::vector<Reader> readers{};
    std::vector<bool> slow{};  ///< for each reader
};

/// Looks at a store again and again; remembers what rates and ages are made of.
class Sampler {
public:
    Sampler(const Settings& settings, std::string store, std::chrono::duration<double> slow_after)
        : settings_(settings), store_(std::move(store)), slow_after_(slow_after) {}

    Sample take();

private:
    using Clock = std::chrono::steady_clock;

    void measure_rates(Sample& sample);
    void measure_ages(Sample& sample);

    const Settings& settings_;
    const std::string store_;
    const std::chrono::duration<double> slow_after_;
    std::optional<Clock::time_point> taken_at_;
    Generation generation_ = 0;
    std::uint64_t commits_ = 0;
    /// Since when a reader has been seen behind, by process and epoch.
    std::map<std::pair<std::int64_t, std::uint64_t>, Clock::time_point> behind_since_;
};

/// The full screen: draws samples until `q` is pressed.
void run_screen(const Settings& settings, const std::string& store, Sampler& sampler,
                std::chrono::milliseconds interval);

}  // namespace strata::tools

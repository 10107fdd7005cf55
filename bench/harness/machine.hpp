// SPDX-License-Identifier: Apache-2.0
// The machine that the figures come from, and how busy others keep it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace strata::bench {

/// What the report says about the machine and the software: pairs of name and value.
std::vector<std::pair<std::string, std::string>> describe_machine();

/// CPUs that this process may use.
const std::vector<int>& usable_cpus();
/// Pins the calling thread; wraps around if there are fewer CPUs.
void pin_to(std::size_t index);
/// Allows the calling thread all usable CPUs again.
void unpin();

/// Measures which share of all CPUs other processes use (time stolen by the hypervisor included).
class LoadMeter {
public:
    LoadMeter();
    /// Since construction, in [0, 1]. Children that were not waited for yet count as others.
    double others_busy() const;

private:
    double busy_ticks_;
    double own_ticks_;
    std::int64_t start_ns_;
};

/// Above this the figures are marked as taken on a loaded machine.
inline constexpr double loaded_share = 0.10;

}  // namespace strata::bench

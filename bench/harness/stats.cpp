// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/stats.hpp"

#include <algorithm>
#include <cstddef>

namespace strata::bench {

double quantile(std::vector<double> values, double q) {
    if (values.empty()) {
        return 0;
    }
    const double at = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::ptrdiff_t>(at);
    const auto middle = values.begin() + below;
    std::nth_element(values.begin(), middle, values.end());
    if (middle + 1 == values.end()) {
        return *middle;
    }
    const double above = *std::min_element(middle + 1, values.end());
    return *middle + (above - *middle) * (at - static_cast<double>(below));
}

double median(const std::vector<double>& values) { return quantile(values, 0.5); }

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// Medians and quantiles of samples.
#pragma once

#include <vector>

namespace strata::bench {

/// Linear interpolation between the neighbours; 0 for an empty sample. q in [0, 1].
double quantile(std::vector<double> values, double q);
double median(const std::vector<double>& values);

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// The limit for commits: payloads are overwritten where they are, then a number is raised and
// whoever sleeps on it is woken. No snapshot, no checksum, and a death leaves half a payload.
#pragma once

#include <memory>

#include "bench/peers/reader.hpp"
#include "bench/peers/writer.hpp"

namespace strata::bench {

std::unique_ptr<Writer> raw_writer(const Dataset& dataset);

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// The contents of the stores in which calls are refused: a function of one version number, so that
// whoever looks at a snapshot knows what has to be in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <strata/strata.hpp>

namespace strata::test {

/// Puts every layer of that version into the batch.
void put_world(Batch& batch, std::uint64_t version);
/// What is wrong with a snapshot of one version, whichever; empty if nothing is.
std::string world_mismatch(const Snapshot& snapshot);

/// The bytes that a snapshot reaches, copied, to be compared with later.
class Copies {
public:
    explicit Copies(const Snapshot& snapshot);
    /// What differs in the same snapshot now, and what its verification finds.
    std::string mismatch(const Snapshot& snapshot) const;

private:
    std::map<LayerId, std::string> texts_;
};

}  // namespace strata::test

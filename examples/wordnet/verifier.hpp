// SPDX-License-Identifier: Apache-2.0
// Compares snapshots with the WordNet files, layer by layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "wordnet/rhythm.hpp"
#include "wordnet/source.hpp"
#include <strata/changes.hpp>
#include <strata/layer.hpp>
#include <strata/snapshot.hpp>

namespace wordnet {

/// What a comparison of a whole store found.
struct Whole {
    std::uint64_t layers = 0;      ///< synsets that are there
    std::uint64_t erased = 0;      ///< synsets that the rhythm has erased for now
    std::uint64_t dimensions = 0;  ///< lexicographer files that are there
};

/// Knows from the source and from the snapshot's own Rhythm what each layer has to be, and counts
/// every difference: text, keywords, frequency, generation, checksum; a layer that is missing or
/// should not be there; a change that was not reported or did not happen. Prints the first few.
class Verifier {
public:
    explicit Verifier(const Source& source);

    /// Looks at every layer that is there and at every one that is not, by batched find and by
    /// scan.
    Whole whole(const strata::Snapshot& snapshot);

    /// Looks at both versions of every layer in `changes(before, after)`, and that they are all.
    void changed(const strata::Snapshot& before, const strata::Snapshot& after,
                 const std::vector<strata::Change>& changes);

    /// Layers that were compared so far, and differences found.
    std::uint64_t compared() const noexcept { return compared_; }
    std::uint64_t mismatches() const noexcept { return mismatches_; }

private:
    Rhythm read_rhythm(const strata::Snapshot& snapshot);
    void whole_dimension(const strata::Snapshot& snapshot, const Rhythm& rhythm,
                         strata::Dimension dimension, Whole& result);
    void compare(const strata::Layer& layer, std::size_t index, const Rhythm& rhythm);
    void compare_change(const strata::Change& change, const Rhythm& before, const Rhythm& after);
    void mismatch(strata::Generation generation, strata::LayerId id, const std::string& text);

    const Source& source_;
    std::map<strata::Dimension, std::vector<std::size_t>> members_;  // indices, in layer order
    std::uint64_t compared_ = 0;
    std::uint64_t mismatches_ = 0;
};

}  // namespace wordnet

// SPDX-License-Identifier: Apache-2.0
// Questions to one snapshot, answered on std::cout. They need the store only, not the WordNet
// files.
#pragma once

#include <string_view>
#include <vector>

#include <strata/changes.hpp>
#include <strata/snapshot.hpp>

namespace wordnet {

/// One line for each dimension.
void print_overview(const strata::Snapshot& snapshot);

/// All synsets that have the word (in any case), or the one with that number (e.g. 102084071).
void print_lookup(const strata::Snapshot& snapshot, std::string_view word_or_number);

/// A walk through a dimension (e.g. "noun.animal" or "105"), with its most frequent synsets. False
/// if there is no such dimension.
bool print_scan(const strata::Snapshot& snapshot, std::string_view dimension);

/// One line: how many layers changed, and the first of them.
void print_changes(const strata::Snapshot& after, const std::vector<strata::Change>& changes);

}  // namespace wordnet

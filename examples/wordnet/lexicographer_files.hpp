// SPDX-License-Identifier: Apache-2.0
// The 45 lexicographer files of WordNet 3.0, by number: see lexnames(5WN).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include <strata/types.hpp>

namespace wordnet {

inline constexpr std::array<std::string_view, 45> lexicographer_files = {
    "adj.all",          "adj.pert",           "adv.all",
    "noun.Tops",        "noun.act",           "noun.animal",
    "noun.artifact",    "noun.attribute",     "noun.body",
    "noun.cognition",   "noun.communication", "noun.event",
    "noun.feeling",     "noun.food",          "noun.group",
    "noun.location",    "noun.motive",        "noun.object",
    "noun.person",      "noun.phenomenon",    "noun.plant",
    "noun.possession",  "noun.process",       "noun.quantity",
    "noun.relation",    "noun.shape",         "noun.state",
    "noun.substance",   "noun.time",          "verb.body",
    "verb.change",      "verb.cognition",     "verb.communication",
    "verb.competition", "verb.consumption",   "verb.contact",
    "verb.creation",    "verb.emotion",       "verb.motion",
    "verb.perception",  "verb.possession",    "verb.social",
    "verb.stative",     "verb.weather",       "adj.ppl"};

/// File number 5 (noun.animal) is dimension 105: the number stays readable, and the core dimensions
/// 1 to 14 keep their meaning.
inline constexpr strata::Dimension first_dimension = 100;

constexpr strata::Dimension dimension_of(std::size_t file_number) noexcept {
    return first_dimension + static_cast<strata::Dimension>(file_number);
}

constexpr bool is_lexicographer_dimension(strata::Dimension dimension) noexcept {
    return dimension >= first_dimension && dimension < first_dimension + lexicographer_files.size();
}

/// Name of a dimension of ours. Precondition: is_lexicographer_dimension(dimension).
constexpr std::string_view name_of(strata::Dimension dimension) noexcept {
    return lexicographer_files[dimension - first_dimension];
}

/// The dimension called `name`, e.g. "noun.animal".
constexpr std::optional<strata::Dimension> dimension_named(std::string_view name) noexcept {
    for (std::size_t number = 0; number < lexicographer_files.size(); ++number) {
        if (lexicographer_files[number] == name) return dimension_of(number);
    }
    return std::nullopt;
}

}  // namespace wordnet

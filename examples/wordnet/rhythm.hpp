// SPDX-License-Identifier: Apache-2.0
// The rhythm: what every synset's layer looks like after any number of beats. A pure function of
// the source and of one small record that is published in the same generation as the layers, so a
// consumer can check each layer of a snapshot, and would notice a mixture of two generations.
//
//  - While loading, the first `loaded` synsets are there, as the source has them.
//  - Then comes beat after beat, each one generation. Synset i is in group i % 241; beat b rewrites
//    group (b - 1) % 241. A synset that has been rewritten r times has " [revision r]" after its
//    gloss. Keywords and frequency stay those of the source.
//  - An odd beat erases every eighth synset of its group instead; the next beat puts them back,
//  with
//    the revision that they missed. So after an even beat nothing is missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <strata/types.hpp>

namespace wordnet {

/// The published record: the payload of layer {99, 0}.
struct Rhythm {
    static constexpr std::uint64_t strata_type_tag = 0x776E'7268'7974'686D;  // "wnrhythm"

    std::uint64_t source = 0;      ///< Source::fingerprint()
    std::uint64_t generation = 0;  ///< the generation that this record is published in
    std::uint64_t loaded = 0;
    std::uint64_t beat = 0;

    bool nothing_erased() const noexcept { return beat % 2 == 0; }
};

inline constexpr strata::LayerId rhythm_id{99, 0};
inline constexpr std::string_view rhythm_dimension_name = "rhythm";
/// Odd, so that the beats that erase come to a group every second time.
inline constexpr std::uint64_t group_count = 241;

/// What a layer has to be.
struct Expected {
    bool present = false;
    std::uint64_t revision = 0;
    std::uint64_t beat = 0;  ///< that wrote (or erased) it last; 0: as loaded
};

inline Expected expect(const Rhythm& rhythm, std::uint64_t synset) noexcept {
    if (synset >= rhythm.loaded) return {};
    const std::uint64_t group = synset % group_count;
    if (rhythm.beat <= group) return {.present = true};
    const std::uint64_t revision = (rhythm.beat - 1 - group) / group_count + 1;
    const std::uint64_t beat = group + 1 + (revision - 1) * group_count;
    const bool erased = beat % 2 == 1 && synset / group_count % 8 == 0;
    if (!erased) return {.present = true, .revision = revision, .beat = beat};
    if (beat == rhythm.beat) return {.present = false, .revision = revision, .beat = beat};
    return {.present = true, .revision = revision, .beat = beat + 1};
}

/// True if the layer is another one after `after` than it was after the earlier `before`.
inline bool is_touched(const Rhythm& before, const Rhythm& after, std::uint64_t synset) noexcept {
    return synset < after.loaded &&
           (synset >= before.loaded || expect(after, synset).beat > before.beat);
}

inline std::string revision_suffix(std::uint64_t revision) {
    return revision == 0 ? std::string() : " [revision " + std::to_string(revision) + ']';
}

}  // namespace wordnet

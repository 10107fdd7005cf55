// SPDX-License-Identifier: Apache-2.0
#include "wordnet/verifier.hpp"

#include <algorithm>
#include <iostream>
#include <string_view>

#include "wordnet/lexicographer_files.hpp"

namespace wordnet {

namespace {

bool has_text(const strata::Layer& layer, std::string_view gloss, std::uint64_t revision) {
    const std::string_view text = layer.text();
    return text.starts_with(gloss) && text.substr(gloss.size()) == revision_suffix(revision);
}

/// The generation in which the layer must have been published, given that each beat is one.
bool has_generation(const strata::Layer& layer, const Expected& expected, const Rhythm& rhythm) {
    const strata::Generation first_beat = rhythm.generation - rhythm.beat;
    return expected.beat == 0 ? layer.generation() <= first_beat
                              : layer.generation() == first_beat + expected.beat;
}

strata::Change::Kind expected_kind(bool before, bool after) noexcept {
    if (!before) return strata::Change::Kind::added;
    return after ? strata::Change::Kind::updated : strata::Change::Kind::removed;
}

}  // namespace

Verifier::Verifier(const Source& source) : source_(source) {
    for (std::size_t index = 0; index < source.synsets().size(); ++index) {
        members_[source.synsets()[index].id.dimension].push_back(index);
    }
}

Rhythm Verifier::read_rhythm(const strata::Snapshot& snapshot) {
    const strata::Layer record = snapshot.find(rhythm_id);
    if (!record) return {};  // nothing is published yet
    const Rhythm& rhythm = record->as<Rhythm>();
    if (rhythm.source != source_.fingerprint()) {
        mismatch(snapshot.generation(), rhythm_id, "published from other WordNet files");
    }
    if (rhythm.generation != snapshot.generation()) {
        mismatch(snapshot.generation(), rhythm_id,
                 "the record belongs to generation " + std::to_string(rhythm.generation));
    }
    return rhythm;
}

Whole Verifier::whole(const strata::Snapshot& snapshot) {
    const Rhythm rhythm = read_rhythm(snapshot);
    Whole result;
    for (const strata::DimensionInfo& info : snapshot.dimensions()) {
        if (info.dimension == rhythm_id.dimension) continue;
        ++result.dimensions;
        if (!is_lexicographer_dimension(info.dimension) || info.name != name_of(info.dimension)) {
            mismatch(snapshot.generation(), {info.dimension, 0},
                     "no lexicographer file is called \"" + info.name + '"');
            continue;
        }
        whole_dimension(snapshot, rhythm, info.dimension, result);
    }
    const std::uint64_t records = rhythm.loaded != 0 ? 1 : 0;
    if (result.layers + result.erased != rhythm.loaded ||
        result.layers + records != snapshot.layer_count()) {
        mismatch(snapshot.generation(), {},
                 "the store says that it has " + std::to_string(snapshot.layer_count()) +
                     " layers; " + std::to_string(result.layers) + " synsets are there and " +
                     std::to_string(result.erased) + " erased, of " +
                     std::to_string(rhythm.loaded));
    }
    return result;
}

void Verifier::whole_dimension(const strata::Snapshot& snapshot, const Rhythm& rhythm,
                               strata::Dimension dimension, Whole& result) {
    const std::vector<std::size_t>& members = members_[dimension];
    std::vector<strata::LayerId> ids;
    ids.reserve(members.size());
    for (const std::size_t index : members)
        ids.push_back(source_.synsets()[index].id);
    std::vector<strata::Layer> found(ids.size());
    snapshot.find(ids, found);

    const strata::DimensionRange range = snapshot.dimension(dimension);
    auto scan = range.begin();
    for (std::size_t i = 0; i < members.size(); ++i) {
        const std::size_t index = members[i];
        if (!expect(rhythm, index).present) {
            if (found[i]) mismatch(rhythm.generation, ids[i], "there, but should not be");
            if (index < rhythm.loaded) ++result.erased;
            ++compared_;
            continue;
        }
        if (scan == range.end() || scan.number() != ids[i].layer ||
            scan->data() != found[i].data()) {
            mismatch(rhythm.generation, ids[i], "the scan does not come to what find gives");
        }
        if (scan != range.end()) ++scan;
        compare(found[i], index, rhythm);
        ++result.layers;
    }
    if (scan != range.end()) {
        mismatch(rhythm.generation, {dimension, scan.number()}, "the scan finds one too many");
    }
}

void Verifier::compare(const strata::Layer& layer, std::size_t index, const Rhythm& rhythm) {
    const Synset& synset = source_.synsets()[index];
    const Expected expected = expect(rhythm, index);
    ++compared_;
    if (!layer) return mismatch(rhythm.generation, synset.id, "missing");
    if (!layer->verify()) return mismatch(rhythm.generation, synset.id, "checksum is wrong");
    if (layer->id() != synset.id) mismatch(rhythm.generation, synset.id, "says it is another one");
    if (!has_text(layer, synset.gloss, expected.revision)) {
        mismatch(rhythm.generation, synset.id,
                 "text is \"" + std::string(layer->text()) + "\", but should be \"" +
                     std::string(synset.gloss) + revision_suffix(expected.revision) + '"');
    }
    if (!std::ranges::equal(layer->keywords(), source_.words(synset))) {
        mismatch(rhythm.generation, synset.id, "other keywords than in the source");
    }
    if (layer->frequency() != synset.tag_count) {
        mismatch(rhythm.generation, synset.id,
                 "frequency is " + std::to_string(layer->frequency()) + ", but should be " +
                     std::to_string(synset.tag_count));
    }
    if (!has_generation(layer, expected, rhythm)) {
        mismatch(rhythm.generation, synset.id,
                 "was published in generation " + std::to_string(layer->generation()) +
                     ", but its last beat is " + std::to_string(expected.beat) + " of " +
                     std::to_string(rhythm.beat));
    }
}

void Verifier::changed(const strata::Snapshot& before, const strata::Snapshot& after,
                       const std::vector<strata::Change>& changes) {
    const Rhythm old_rhythm = read_rhythm(before);
    const Rhythm new_rhythm = read_rhythm(after);
    std::uint64_t reported = 0;
    for (const strata::Change& change : changes) {
        if (change.id == rhythm_id) continue;
        ++reported;
        compare_change(change, old_rhythm, new_rhythm);
    }
    std::uint64_t expected = 0;
    for (std::size_t index = 0; index < source_.synsets().size(); ++index) {
        if (is_touched(old_rhythm, new_rhythm, index) &&
            (expect(old_rhythm, index).present || expect(new_rhythm, index).present)) {
            ++expected;
        }
    }
    if (reported != expected) {
        mismatch(after.generation(), {},
                 std::to_string(reported) + " changes since generation " +
                     std::to_string(before.generation()) + ", but should be " +
                     std::to_string(expected));
    }
}

void Verifier::compare_change(const strata::Change& change, const Rhythm& before,
                              const Rhythm& after) {
    const std::optional<std::size_t> index = source_.find(change.id);
    if (!index) return mismatch(after.generation, change.id, "there is no such synset");
    const bool was = expect(before, *index).present;
    const bool is = expect(after, *index).present;
    if (!is_touched(before, after, *index) || (!was && !is)) {
        return mismatch(
            after.generation, change.id,
            "said to have changed since generation " + std::to_string(before.generation));
    }
    if (change.kind != expected_kind(was, is)) {
        mismatch(after.generation, change.id, "the change is of another kind");
    }
    // The old version once more: it must not have moved while its snapshot was held.
    if (was) compare(change.before, *index, before);
    if (is) compare(change.after, *index, after);
}

void Verifier::mismatch(strata::Generation generation, strata::LayerId id,
                        const std::string& text) {
    constexpr std::uint64_t most_lines = 20;
    if (++mismatches_ > most_lines) return;
    std::cout << "mismatch: generation " << generation << ", layer " << id.layer << " of dimension "
              << id.dimension << ": " << text << std::endl;
}

}  // namespace wordnet

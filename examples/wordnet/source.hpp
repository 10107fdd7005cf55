// SPDX-License-Identifier: Apache-2.0
// WordNet as its database files tell it: every synset of data.{noun,verb,adj,adv}, see wndb(5WN).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/types.hpp>

namespace wordnet {

/// One synset. The views live as long as their Source.
struct Synset {
    /// dimension: that of its lexicographer file; layer: its identifier as in WordNet's own Prolog
    /// files, i.e. the part of speech (1 noun, 2 verb, 3 adjective, 4 adverb) and 8 digits of
    /// offset: 102084071 is the line at byte 2084071 of data.noun.
    strata::LayerId id;
    std::string_view gloss;
    /// How often its words were tagged with this very sense in the semantic concordances: the sum
    /// of their counts in cntlist.rev. 0 for most synsets: they never occur there.
    double tag_count = 0;
    std::uint32_t first_word = 0;
    std::uint32_t word_count = 0;
};

/// Why a file was refused; what() is `FILE:LINE: reason` (line 0: the file as a whole).
class SourceError : public std::runtime_error {
public:
    enum class Reason : unsigned char {
        unreadable,     ///< cannot be opened or read
        no_synsets,     ///< nothing but the licence in it
        missing_field,  ///< the line ends too early
        bad_field,      ///< not of the form that wndb(5WN) demands
        wrong_offset,   ///< a synset says that it stands elsewhere
        unknown_file,   ///< a lexicographer file number that lexnames(5WN) does not know here
        no_head,        ///< an adjective satellite without its head
    };

    SourceError(Reason reason, std::filesystem::path file, std::size_t line,
                const std::string& text);
    Reason reason() const noexcept { return reason_; }
    const std::filesystem::path& file() const noexcept { return file_; }
    std::size_t line() const noexcept { return line_; }

private:
    Reason reason_;
    std::filesystem::path file_;
    std::size_t line_;
};

/// All synsets, in ascending order of layer number. Immutable once loaded; safe to share.
class Source {
public:
    /// Reads the four data files and cntlist.rev in `directory`. Throws SourceError.
    static Source load(const std::filesystem::path& directory);

    std::span<const Synset> synsets() const noexcept { return synsets_; }
    /// The words of a synset, for people: underscores are spaces ("domestic dog"), and the marker
    /// of an adjective's position, "(a)", "(p)" or "(ip)", is left out.
    std::span<const std::string_view> words(const Synset& synset) const noexcept {
        return std::span(words_).subspan(synset.first_word, synset.word_count);
    }
    std::size_t word_count() const noexcept { return words_.size(); }
    /// Index of a synset in synsets().
    std::optional<std::size_t> find(strata::LayerId id) const noexcept;
    /// A hash of everything that was read, so that two programs can tell whether they speak of the
    /// same files.
    std::uint64_t fingerprint() const noexcept { return fingerprint_; }

    /// Tagged senses in cntlist.rev, and how many of them name a word of a synset. (The rest name
    /// senses of older releases: cntlist.rev is from 2001.)
    std::size_t tagged_senses() const noexcept { return tagged_senses_; }
    std::size_t matched_senses() const noexcept { return matched_senses_; }

private:
    class Loader;

    std::vector<std::vector<char>> texts_;  // what all views point into
    std::vector<Synset> synsets_;
    std::vector<std::string_view> words_;
    std::uint64_t fingerprint_ = 0;
    std::size_t tagged_senses_ = 0;
    std::size_t matched_senses_ = 0;
};

}  // namespace wordnet

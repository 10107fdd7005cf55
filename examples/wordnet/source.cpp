// SPDX-License-Identifier: Apache-2.0
#include "wordnet/source.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "wordnet/lexicographer_files.hpp"
#include "wordnet/line_fields.hpp"
#include <strata/layer.hpp>

namespace wordnet {

namespace {

using Reason = SourceError::Reason;

/// A data file and what may stand in it.
struct DataFile {
    std::string_view name;
    std::string_view category;  // its lexicographer files are called "<category>.something"
    std::string_view types;     // ss_type
    std::uint64_t layer_base;
};

constexpr std::array<DataFile, 4> data_files = {{{"data.noun", "noun", "n", 100'000'000},
                                                 {"data.verb", "verb", "v", 200'000'000},
                                                 {"data.adj", "adj", "as", 300'000'000},
                                                 {"data.adv", "adv", "r", 400'000'000}}};
constexpr std::uint64_t adjective_base = data_files[2].layer_base;

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::string_view without_marker(std::string_view word) {
    for (const std::string_view marker : {"(a)", "(p)", "(ip)"}) {
        if (word.ends_with(marker)) return word.substr(0, word.size() - marker.size());
    }
    return word;
}

std::string two_digits(std::uint32_t number) {
    return {static_cast<char>('0' + number / 10 % 10), static_cast<char>('0' + number % 10)};
}

/// Calls `action(line, number, offset)` for every line.
template <class Action>
void for_each_line(std::string_view text, Action action) {
    std::size_t number = 0;
    for (std::size_t offset = 0; offset < text.size();) {
        const std::size_t end = std::min(text.find('\n', offset), text.size());
        action(text.substr(offset, end - offset), ++number, offset);
        offset = end + 1;
    }
}

}  // namespace

SourceError::SourceError(Reason reason, std::filesystem::path file, std::size_t line,
                         const std::string& text)
    : std::runtime_error(file.string() + ':' + (line != 0 ? std::to_string(line) + ": " : " ") +
                         text),
      reason_(reason),
      file_(std::move(file)),
      line_(line) {}

/// What is needed while loading only: the parts of the sense keys by which cntlist.rev counts.
class Source::Loader {
public:
    Loader(Source& source, const std::filesystem::path& directory)
        : source_(source), directory_(directory) {}

    void load() {
        for (const DataFile& file : data_files)
            read_data(file);
        read_tag_counts();
        make_words_readable();
    }

private:
    struct SenseKeyParts {
        char type = 0;
        std::uint32_t file_number = 0;
        std::uint64_t head = 0;  // layer number of a satellite's head
        std::size_t line = 0;
    };

    std::string_view read_file(const std::filesystem::path& path) {
        errno = 0;
        std::ifstream stream(path, std::ios::binary);
        std::vector<char>& text = source_.texts_.emplace_back();
        std::error_code error;
        const std::uintmax_t size = std::filesystem::file_size(path, error);
        if (!error) text.resize(static_cast<std::size_t>(size));
        if (!stream || error || !stream.read(text.data(), static_cast<std::streamsize>(size))) {
            throw SourceError(Reason::unreadable, path, 0,
                              "cannot be read: " +
                                  std::generic_category().message(error ? error.value() : errno) +
                                  " (Debian has it in the package wordnet-base)");
        }
        // layer_number is XXH3-64 of any bytes.
        const std::string_view view(text.data(), text.size());
        source_.fingerprint_ = source_.fingerprint_ * 31 + strata::layer_number(view);
        return view;
    }

    void read_data(const DataFile& file) {
        const std::filesystem::path path = directory_ / file.name;
        const std::size_t before = source_.synsets_.size();
        for_each_line(read_file(path),
                      [&](std::string_view line, std::size_t number, std::size_t offset) {
                          if (line.starts_with("  ")) return;  // the licence
                          LineFields fields(line, path, number);
                          read_synset(file, fields, number, offset);
                      });
        if (source_.synsets_.size() == before) {
            throw SourceError(Reason::no_synsets, path, 0, "there is no synset in it");
        }
    }

    void read_synset(const DataFile& file, LineFields& fields, std::size_t line,
                     std::size_t offset) {
        SenseKeyParts parts;
        parts.line = line;
        const std::uint32_t said_offset = fields.number("synset_offset", 8);
        if (said_offset != offset) {
            fields.fail(Reason::wrong_offset, "the synset says that it stands at byte " +
                                                  std::to_string(said_offset) +
                                                  ", but it stands at " + std::to_string(offset));
        }
        parts.file_number = fields.number("lex_filenum", 2);
        if (parts.file_number >= lexicographer_files.size() ||
            !lexicographer_files[parts.file_number].starts_with(file.category)) {
            fields.fail(Reason::unknown_file, "lex_filenum " + std::to_string(parts.file_number) +
                                                  " is no file of category " +
                                                  std::string(file.category));
        }
        parts.type = fields.letter("ss_type", file.types);

        Synset synset;
        synset.id = {dimension_of(parts.file_number), file.layer_base + offset};
        synset.first_word = static_cast<std::uint32_t>(source_.words_.size());
        synset.word_count = fields.number("w_cnt", 2, 16);
        if (synset.word_count == 0) fields.fail(Reason::bad_field, "w_cnt is 0");
        for (std::uint32_t i = 0; i < synset.word_count; ++i) {
            source_.words_.push_back(fields.text("word"));
            lex_ids_.push_back(fields.number("lex_id", 1, 16));
        }
        read_pointers(fields, parts);
        if (parts.type == 'v') read_frames(fields);
        if (fields.text("gloss") != "|") {
            fields.fail(Reason::bad_field, "the gloss does not begin with \"| \"");
        }
        const std::size_t last = fields.rest().find_last_not_of(' ');
        if (last == std::string_view::npos) fields.fail(Reason::missing_field, "there is no gloss");
        synset.gloss = fields.rest().substr(0, last + 1);
        source_.synsets_.push_back(synset);
        key_parts_.push_back(parts);
    }

    static void read_pointers(LineFields& fields, SenseKeyParts& parts) {
        const std::uint32_t count = fields.number("p_cnt", 3);
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::string_view symbol = fields.text("pointer_symbol");
            const std::uint32_t target = fields.number("pointer's synset_offset", 8);
            fields.letter("pointer's pos", "nvasr");
            fields.number("source/target", 4, 16);
            if (symbol == "&" && parts.head == 0) parts.head = adjective_base + target;
        }
        if (parts.type == 's' && parts.head == 0) {
            fields.fail(Reason::no_head, "an adjective satellite without a pointer to its head");
        }
    }

    static void read_frames(LineFields& fields) {
        const std::uint32_t count = fields.number("f_cnt", 2);
        for (std::uint32_t i = 0; i < count; ++i) {
            fields.letter("mark before f_num", "+");
            fields.number("f_num", 2);
            fields.number("w_num", 2, 16);
        }
    }

    /// cntlist.rev counts by sense key: lemma%type:file:lex_id:head:head_id, see senseidx(5WN).
    void read_tag_counts() {
        const std::filesystem::path path = directory_ / "cntlist.rev";
        std::unordered_map<std::string_view, std::uint32_t> counts;
        for_each_line(read_file(path), [&](std::string_view line, std::size_t number, std::size_t) {
            LineFields fields(line, path, number);
            const std::string_view key = fields.text("sense_key");
            fields.number("sense_number", 0);
            counts.emplace(key, fields.number("tag_cnt", 0));
        });
        source_.tagged_senses_ = counts.size();
        for (std::size_t i = 0; i < source_.synsets_.size(); ++i) {
            Synset& synset = source_.synsets_[i];
            const std::string head = head_of(i);
            for (std::uint32_t word = 0; word < synset.word_count; ++word) {
                // Each sense counts once, though 29 of them are listed in two synsets.
                auto node = counts.extract(std::string_view(sense_key(i, word, head)));
                if (node.empty()) continue;
                synset.tag_count += node.mapped();
                ++source_.matched_senses_;
            }
        }
    }

    std::string sense_key(std::size_t synset, std::uint32_t word, const std::string& head) const {
        const SenseKeyParts& parts = key_parts_[synset];
        const std::size_t index = source_.synsets_[synset].first_word + word;
        const auto type = std::string_view("nvars").find(parts.type) + 1;
        return lower(without_marker(source_.words_[index])) + '%' + std::to_string(type) + ':' +
               two_digits(parts.file_number) + ':' + two_digits(lex_ids_[index]) + ':' + head;
    }

    /// The last two fields of the sense keys of a synset: the head's first word, if it is a
    /// satellite.
    std::string head_of(std::size_t synset) const {
        const SenseKeyParts& parts = key_parts_[synset];
        if (parts.type != 's') return ":";
        const auto head =
            std::lower_bound(source_.synsets_.begin(), source_.synsets_.end(), parts.head,
                             [](const Synset& candidate, std::uint64_t layer) {
                                 return candidate.id.layer < layer;
                             });
        if (head == source_.synsets_.end() || head->id.layer != parts.head) {
            throw SourceError(Reason::no_head, directory_ / data_files[2].name, parts.line,
                              "there is no synset at the head's offset, " +
                                  std::to_string(parts.head - adjective_base));
        }
        return lower(source_.words_[head->first_word]) + ':' +
               two_digits(lex_ids_[head->first_word]);
    }

    void make_words_readable() {
        for (std::string_view& word : source_.words_) {
            // Safe: every word lies in a text of ours, which nobody else sees yet.
            char* const begin = const_cast<char*>(word.data());
            std::replace(begin, begin + word.size(), '_', ' ');
            word = without_marker(word);
        }
    }

    Source& source_;
    const std::filesystem::path& directory_;
    std::vector<SenseKeyParts> key_parts_;  // by synset
    std::vector<std::uint32_t> lex_ids_;    // by word
};

Source Source::load(const std::filesystem::path& directory) {
    Source source;
    Loader(source, directory).load();
    return source;
}

std::optional<std::size_t> Source::find(strata::LayerId id) const noexcept {
    const auto found = std::lower_bound(
        synsets_.begin(), synsets_.end(), id.layer,
        [](const Synset& synset, std::uint64_t layer) { return synset.id.layer < layer; });
    if (found == synsets_.end() || found->id != id) return std::nullopt;
    return static_cast<std::size_t>(std::distance(synsets_.begin(), found));
}

}  // namespace wordnet

// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/wordnet_target.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "examples/wordnet/source.hpp"
#include "tests/fuzz/require.hpp"

namespace strata::fuzz {

namespace {

class Folder {
public:
    Folder() {
        const char* const parent = std::getenv("STRATA_FUZZ_BASE");
        std::string pattern =
            std::string(parent != nullptr ? parent : "/dev/shm") + "/strata-fuzz.XXXXXX";
        require(::mkdtemp(pattern.data()) != nullptr, "a temporary folder can be made");
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

void check(const wordnet::Source& source) {
    std::size_t words = 0;
    const wordnet::Synset* before = nullptr;
    for (const wordnet::Synset& synset : source.synsets()) {
        require(before == nullptr || before->id.layer < synset.id.layer, "synsets are in order");
        before = &synset;
        require(synset.gloss.size() < (1U << 20), "a gloss is inside its file");
        for (const std::string_view word : source.words(synset)) {
            words += word.empty() ? 0 : 1;
        }
        require(source.find(synset.id).has_value(), "a synset is found");
    }
    require(words <= source.word_count(), "words belong to synsets");
}

}  // namespace

RunInput wordnet_target() {
    return [folder = std::make_shared<Folder>()](std::span<const std::uint8_t> input) {
        constexpr std::array<const char*, 5> names = {"data.noun", "data.verb", "data.adj",
                                                      "data.adv", "cntlist.rev"};
        std::string_view rest(reinterpret_cast<const char*>(input.data()), input.size());
        for (const char* const name : names) {
            const std::size_t end = std::min(rest.find('\x1F'), rest.size());
            std::ofstream file(folder->path() / name, std::ios::binary | std::ios::trunc);
            file << rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        try {
            check(wordnet::Source::load(folder->path()));
        } catch (const wordnet::SourceError& error) {
            require(error.what()[0] != '\0', "an error says what happened");
        }
    };
}

}  // namespace strata::fuzz

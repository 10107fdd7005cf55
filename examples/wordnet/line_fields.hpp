// SPDX-License-Identifier: Apache-2.0
// The fields of one line of a WordNet file: separated by one space, numbers of fixed width.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "wordnet/source.hpp"

namespace wordnet {

/// A piece of the file for an error message: short, and fit to be printed.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 40;
    std::string result = "\"";
    for (const char c : text.substr(0, longest))
        result += c >= ' ' && c <= '~' ? c : '?';
    return result + (text.size() > longest ? "...\"" : "\"");
}

/// Reads a line from left to right; every complaint names file and line.
class LineFields {
public:
    LineFields(std::string_view line, const std::filesystem::path& file, std::size_t number)
        : rest_(line), file_(file), number_(number) {}

    /// The next field, never empty.
    std::string_view text(std::string_view what) {
        const std::size_t end = rest_.find(' ');
        const std::string_view field = rest_.substr(0, end);
        if (field.empty()) {
            fail(SourceError::Reason::missing_field, "there is no " + std::string(what));
        }
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        return field;
    }

    /// A number of exactly `width` digits; width 0: of any.
    std::uint32_t number(std::string_view what, std::size_t width, int base = 10) {
        const std::string_view field = text(what);
        std::uint32_t value = 0;
        const char* const end = field.data() + field.size();
        const auto [stop, error] = std::from_chars(field.data(), end, value, base);
        if (error != std::errc() || stop != end || (width != 0 && field.size() != width)) {
            fail(SourceError::Reason::bad_field,
                 std::string(what) + " " + quoted(field) + " is no " +
                     (width != 0 ? std::to_string(width) + "-digit " : std::string()) +
                     (base == 16 ? "hexadecimal number" : "decimal number"));
        }
        return value;
    }

    /// One of the characters in `choices`.
    char letter(std::string_view what, std::string_view choices) {
        const std::string_view field = text(what);
        if (field.size() != 1 || choices.find(field[0]) == std::string_view::npos) {
            fail(SourceError::Reason::bad_field,
                 std::string(what) + " " + quoted(field) + " is none of " + quoted(choices));
        }
        return field[0];
    }

    std::string_view rest() const noexcept { return rest_; }

    [[noreturn]] void fail(SourceError::Reason reason, const std::string& text) const {
        throw SourceError(reason, file_, number_, text);
    }

private:
    std::string_view rest_;
    const std::filesystem::path& file_;
    std::size_t number_;
};

}  // namespace wordnet

// SPDX-License-Identifier: Apache-2.0
#include "strata/printable.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

constexpr char32_t no_character = 0xFFFF'FFFF;

struct Character {
    char32_t code = no_character;
    std::size_t bytes = 1;  // of no character: one, to be skipped

    bool valid() const noexcept { return code != no_character; }
};

// The character that `text`, which is not empty, starts with.
Character first_of(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) {
        return {first, 1};
    }
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) {
        return {};
    }
    char32_t code = first & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) {
            return {};
        }
        code = (code << 6) | (byte(i) & 0x3FU);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least[size] || code > 0x10FFFF || surrogate ? Character{} : Character{code, size};
}

// Unicode 15.1: general categories Cc, Cf, Zl and Zp, the property Default_Ignorable_Code_Point,
// and the noncharacters of the first plane. Ascending.
struct Range {
    char32_t first;
    char32_t last;
};
constexpr Range hidden_ranges[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F},   {0x00AD, 0x00AD},   {0x034F, 0x034F},
    {0x0600, 0x0605},   {0x061C, 0x061C},   {0x06DD, 0x06DD},   {0x070F, 0x070F},
    {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x115F, 0x1160},   {0x17B4, 0x17B5},
    {0x180B, 0x180F},   {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},
    {0x3164, 0x3164},   {0xFDD0, 0xFDEF},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD},
    {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
    {0xE0000, 0xE0FFF},
};

bool hidden(char32_t code) noexcept {
    if (code < 0x7F) {
        return code < 0x20;
    }
    const auto* const found =
        std::lower_bound(std::begin(hidden_ranges), std::end(hidden_ranges), code,
                         [](const Range& range, char32_t wanted) { return range.last < wanted; });
    return found != std::end(hidden_ranges) && found->first <= code;
}

void append_bytes(std::string& out, std::string_view bytes) {
    for (const char c : bytes) {
        char hex[8];
        std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned char>(c));
        out += hex;
    }
}

// Calls show(character, its bytes) for each; what is no character comes byte by byte.
template <class Show>
void for_each_character(std::string_view text, Show show) {
    while (!text.empty()) {
        const Character character = first_of(text);
        show(character, text.substr(0, character.bytes));
        text.remove_prefix(character.bytes);
    }
}

}  // namespace

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for_each_character(text, [&](const Character& character, std::string_view bytes) {
        if (!character.valid() || hidden(character.code)) {
            append_bytes(result, bytes);
        } else {
            result += bytes;
        }
    });
    return result;
}

std::string printable_json(std::string_view document) {
    std::string result;
    result.reserve(document.size());
    const auto append_unit = [&](unsigned unit) {
        char hex[16];
        std::snprintf(hex, sizeof(hex), "\\u%04x", unit);
        result += hex;
    };
    for_each_character(document, [&](const Character& character, std::string_view bytes) {
        const char32_t code = character.code;
        if (!character.valid()) {
            result += "\xEF\xBF\xBD";  // U+FFFD
        } else if (!hidden(code) || code == U'\n' || code == U'\r' || code == U'\t') {
            result += bytes;
        } else if (code < 0x10000) {
            append_unit(static_cast<unsigned>(code));
        } else {
            append_unit(0xD800U + static_cast<unsigned>((code - 0x10000) >> 10));
            append_unit(0xDC00U + static_cast<unsigned>((code - 0x10000) & 0x3FF));
        }
    });
    return result;
}

std::string printable_label(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    const auto append_escaped = [&](std::string_view shown) {
        for (const char c : shown) {
            if (c == '\\' || c == '"') {
                result += '\\';
            }
            result += c;
        }
    };
    while (!text.empty()) {
        const Character character = first_of(text);
        const std::string_view bytes = text.substr(0, character.bytes);
        // A backslash that would look like the beginning of an escape is escaped itself.
        if (text.starts_with("\\x") || !character.valid() || hidden(character.code)) {
            std::string escape;
            append_bytes(escape, bytes);
            append_escaped(escape);
        } else {
            append_escaped(bytes);
        }
        text.remove_prefix(character.bytes);
    }
    return result;
}

bool valid_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const Character character = first_of(text);
        if (!character.valid()) {
            return false;
        }
        text.remove_prefix(character.bytes);
    }
    return true;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "console.hpp"

namespace strata::tools {

namespace {

using std::chrono::system_clock;

std::string format(const char* pattern, double value) {
    char text[64];
    std::snprintf(text, sizeof(text), pattern, value);
    return text;
}

std::tm broken_down(system_clock::time_point time, std::int64_t& fraction_ns) {
    const auto ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    fraction_ns = ((ns % 1'000'000'000) + 1'000'000'000) % 1'000'000'000;
    const auto seconds = static_cast<std::time_t>((ns - fraction_ns) / 1'000'000'000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return parts;
}

// Length of the UTF-8 character that `text` starts with; 0 if there is none.
std::size_t utf8_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) {
        return 0;
    }
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
    const bool beyond = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
    return overlong || beyond ? 0 : size;
}

// Columns on the terminal, one per character: close enough for names.
std::size_t columns_of(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80;
    }));
}

}  // namespace

std::string size_text(std::uint64_t bytes, bool exact) {
    if (exact) {
        return std::to_string(bytes);
    }
    constexpr std::array<const char*, 6> units = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    const bool whole = unit == 0 || value >= 100 || value == std::floor(value);
    return format(whole ? "%.0f" : "%.1f", value) + units[unit];
}

std::string time_text(system_clock::time_point time) {
    std::int64_t ns = 0;
    const std::tm parts = broken_down(time, ns);
    char text[64];
    const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
    return std::string(text, size) +
           format(".%03.0f UTC", std::floor(static_cast<double>(ns) / 1e6));
}

std::string rfc3339(system_clock::time_point time) {
    std::int64_t ns = 0;
    const std::tm parts = broken_down(time, ns);
    char text[64];
    const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    return std::string(text, size) + format(".%09.0fZ", static_cast<double>(ns));
}

std::string duration_text(std::chrono::nanoseconds duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    const auto with_unit = [](double value, const char* unit) {
        return format(std::abs(value) < 9.95 ? "%.1f" : "%.0f", value) + unit;
    };
    if (std::abs(seconds) < 1e-3) return with_unit(seconds * 1e6, " us");
    if (std::abs(seconds) < 1) return with_unit(seconds * 1e3, " ms");
    if (std::abs(seconds) < 120) return with_unit(seconds, " s");
    if (std::abs(seconds) < 7200) return with_unit(seconds / 60, " min");
    if (std::abs(seconds) < 172'800) return with_unit(seconds / 3600, " h");
    return with_unit(seconds / 86'400, " d");
}

std::string number_text(double value) {
    char text[64];
    const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
    return error == std::errc{} ? std::string(text, end) : format("%g", value);
}

std::string percent_text(double part, double whole) {
    return whole > 0 ? format("%.1f", 100 * part / whole) + " %" : "-";
}

std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto byte = static_cast<unsigned char>(text.front());
        // C1 controls (U+0080 to U+009F) are C2 80 to C2 9F; some terminals obey them.
        const bool control =
            byte < 0x20 || byte == 0x7F ||
            (byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0);
        if (length == 0 || control) {
            const std::size_t bytes = length == 0 ? 1 : length;
            for (std::size_t i = 0; i < bytes; ++i) {
                char hex[8];
                std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned char>(text[i]));
                result += hex;
            }
            text.remove_prefix(bytes);
        } else {
            result += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return result;
}

std::string shortened(std::string text, std::size_t width) {
    if (text.size() <= width) {
        return text;
    }
    std::size_t end = width > 3 ? width - 3 : 0;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) {
        --end;
    }
    text.resize(end);
    return text + "...";
}

bool valid_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

std::vector<std::string> Table::lines() const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_of(columns_[i].heading);
        for (const auto& row : rows_) {
            width = std::max(width, columns_of(row[i]));
        }
        widths.push_back(width);
    }
    const auto line_of = [&](auto cell) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string& text = cell(i);
            const std::string padding(widths[i] - columns_of(text), ' ');
            line += i == 0 ? "" : "  ";
            line += columns_[i].align == Align::right ? padding + text : text + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        return line;
    };
    std::vector<std::string> result;
    result.push_back(
        line_of([&](std::size_t i) -> const std::string& { return columns_[i].heading; }));
    for (const auto& row : rows_) {
        result.push_back(line_of([&](std::size_t i) -> const std::string& { return row[i]; }));
    }
    return result;
}

void Table::print() const {
    for (const std::string& line : lines()) {
        write_line(line);
    }
}

void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::size_t width = 0;
    for (const auto& [name, value] : pairs) {
        width = std::max(width, name.size());
    }
    for (const auto& [name, value] : pairs) {
        write_line(name + std::string(width + 2 - name.size(), ' ') + value);
    }
}

}  // namespace strata::tools

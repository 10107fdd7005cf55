// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "console.hpp"
#include "terminal.hpp"

namespace strata::tools {

namespace {

using std::chrono::system_clock;

std::string format(const char* pattern, double value) {
    char text[64];
    std::snprintf(text, sizeof(text), pattern, value);
    return text;
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
    constexpr unsigned milliseconds = 3;
    std::string text = rfc3339(time, milliseconds);
    text[text.find('T')] = ' ';
    return text.replace(text.size() - 1, 1, " UTC");
}

std::string rfc3339_ns(system_clock::time_point time) {
    constexpr unsigned nanoseconds = 9;
    return rfc3339(time, nanoseconds);
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

namespace {

template <class Number>
std::string shortest(Number value) {
    char text[64];
    const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
    return error == std::errc{} ? std::string(text, end) : format("%g", static_cast<double>(value));
}

}  // namespace

std::string number_text(double value) { return shortest(value); }
std::string number_text(float value) { return shortest(value); }

std::string percent_text(double part, double whole) {
    return whole > 0 ? format("%.1f", 100 * part / whole) + " %" : "-";
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

bool colour_unwanted() {
    const char* const value = std::getenv("NO_COLOR");
    return value != nullptr && *value != '\0';
}

bool use_colour() {
    const char* const terminal = std::getenv("TERM");
    return output_is_terminal() && !colour_unwanted() && terminal != nullptr &&
           std::string_view(terminal) != "dumb" && *terminal != '\0';
}

namespace {

std::string in_colour(const std::string& text, Colour colour) {
    constexpr std::array<const char*, 5> starts = {"", "\033[32m", "\033[33m", "\033[31m",
                                                   "\033[2m"};
    return colour == Colour::none || text.empty()
               ? text
               : starts[static_cast<std::size_t>(colour)] + text + "\033[0m";
}

}  // namespace

std::string painted(const std::string& text, Colour colour) {
    return use_colour() ? in_colour(text, colour) : text;
}

std::vector<std::string> Table::lines(bool coloured) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_of(columns_[i].heading);
        for (const auto& row : rows_) {
            width = std::max(width, columns_of(row[i].text));
        }
        widths.push_back(width);
    }
    const auto line_of = [&](auto cell_at) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const Cell cell = cell_at(i);
            const std::string padding(widths[i] - columns_of(cell.text), ' ');
            const std::string text = coloured ? in_colour(cell.text, cell.colour) : cell.text;
            line += i == 0 ? "" : "  ";
            line += columns_[i].align == Align::right ? padding + text : text + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        return line;
    };
    std::vector<std::string> result;
    result.push_back(line_of([&](std::size_t i) { return Cell(columns_[i].heading); }));
    for (const auto& row : rows_) {
        result.push_back(line_of([&](std::size_t i) { return row[i]; }));
    }
    return result;
}

void Table::print() const {
    for (const std::string& line : lines(use_colour())) {
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

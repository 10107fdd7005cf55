// SPDX-License-Identifier: Apache-2.0
// Text for people: sizes, times, tables. Names come out of shared memory: they go through
// strata::printable before they are given to any of these.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strata::tools {

/// `280 MiB`, `1.4 KiB`, `17 B`; with `exact` the plain number.
std::string size_text(std::uint64_t bytes, bool exact = false);
/// `2025-01-31 12:00:05.123 UTC`.
std::string time_text(std::chrono::system_clock::time_point time);
/// The same for machines: `2025-01-31T12:00:05.123456789Z`.
std::string rfc3339_ns(std::chrono::system_clock::time_point time);
/// `12 ms`, `3.4 s`, `5 min`, `2.1 h`, `8 d`.
std::string duration_text(std::chrono::nanoseconds duration);
/// `1.5`, `440`: as short as it can be without loss.
std::string number_text(double value);
std::string number_text(float value);
std::string percent_text(double part, double whole);

/// Cut to at most `width` bytes at a character's end, with `...`.
std::string shortened(std::string text, std::size_t width);

enum class Colour : unsigned char { none, good, warning, bad, faint };

/// Whether standard output is a terminal that shows colours: not with NO_COLOR set
/// (https://no-color.org) or TERM=dumb.
bool use_colour();
/// NO_COLOR is set and not empty.
bool colour_unwanted();
/// `text` in that colour where colours are shown, else as it is.
std::string painted(const std::string& text, Colour colour);

/// Columns under a heading; numbers are right-aligned.
class Table {
public:
    enum class Align : unsigned char { left, right };
    struct Column {
        std::string heading;
        Align align = Align::left;
    };

    struct Cell {
        std::string text;
        Colour colour;
        template <class Text>
        requires std::convertible_to<Text&&, std::string> Cell(
            Text&& shown, Colour its_colour = Colour::none)  // NOLINT: a cell is its text
            : text(std::forward<Text>(shown)), colour(its_colour) {}
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    /// Writes it to standard output, in colours where that shows them.
    void print() const;
    /// Without colours.
    std::vector<std::string> lines() const { return lines(false); }

private:
    std::vector<std::string> lines(bool coloured) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

/// `name   value` lines, the values in one column.
void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace strata::tools

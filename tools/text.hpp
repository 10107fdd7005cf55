// SPDX-License-Identifier: Apache-2.0
// Text for people: sizes, times, tables. Names come out of shared memory, so what a terminal would
// obey is made visible first.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strata::tools {

/// `280 MiB`, `1.4 KiB`, `17 B`; with `exact` the plain number.
std::string size_text(std::uint64_t bytes, bool exact = false);
/// `2025-01-31 12:00:05.123 UTC`.
std::string time_text(std::chrono::system_clock::time_point time);
/// `2025-01-31T12:00:05.123456789Z` (RFC 3339).
std::string rfc3339(std::chrono::system_clock::time_point time);
/// `12 ms`, `3.4 s`, `5 min`, `2.1 h`, `8 d`.
std::string duration_text(std::chrono::nanoseconds duration);
/// `1.5`, `440`: as short as it can be without loss.
std::string number_text(double value);
std::string percent_text(double part, double whole);

/// Control characters and bytes that are no UTF-8 become `\xNN`.
std::string printable(std::string_view text);
/// Cut to at most `width` bytes at a character's end, with `...`.
std::string shortened(std::string text, std::size_t width);
bool valid_utf8(std::string_view text) noexcept;

/// Columns under a heading; numbers are right-aligned.
class Table {
public:
    enum class Align : unsigned char { left, right };
    struct Column {
        std::string heading;
        Align align = Align::left;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    /// Writes it to standard output.
    void print() const;
    std::vector<std::string> lines() const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// `name   value` lines, the values in one column.
void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace strata::tools

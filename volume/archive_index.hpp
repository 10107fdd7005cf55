// SPDX-License-Identifier: Apache-2.0
// index.json as text, both ways. What is read was written by anybody: its nesting is bounded, no
// number is cut short, and a field that is there twice is an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "strata/volume_archive.hpp"

namespace strata::volume_impl {

/// Larger ones are refused: an index is read into memory as a whole.
inline constexpr std::uint64_t max_index_bytes = std::uint64_t{2} << 30;

/// The index, and the count that it states, which the caller compares with `layers`.
struct ParsedIndex {
    ArchiveIndex index{};
    std::uint64_t layer_count = 0;
};

/// Layers are sorted by offset (by number where offsets are equal). `path` is for errors: corrupt,
/// format_version.
ParsedIndex parse_index(std::string_view text, const std::filesystem::path& path);

std::string index_text(const ArchiveIndex& index);

/// `0x` and 16 hexadecimal digits.
std::string bits_text(std::uint64_t bits);
/// nullopt unless the text is of that form.
std::optional<std::uint64_t> parse_bits(std::string_view text) noexcept;

/// The name of a dimension that was given none.
std::string default_dimension_name(Dimension dimension);

}  // namespace strata::volume_impl

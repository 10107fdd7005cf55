// SPDX-License-Identifier: Apache-2.0
// Values as text and back: bytes as base64, sizes with units, times.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Base64 (RFC 4648, with padding).
[[nodiscard]] std::string base64(std::string_view bytes);
/// nullopt unless the text is what base64() makes of some bytes.
[[nodiscard]] std::optional<std::string> parse_base64(std::string_view text);

/// Bytes: a whole decimal number, alone or with B, KiB, MiB, GiB, TiB, or K, M, G, T for the same,
/// directly or one blank behind it. nullopt if it is anything else, or 2^64 or more.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// `2025-01-31T12:00:05Z` (RFC 3339, UTC), with up to nine digits of the second's fraction, cut off
/// and not rounded.
[[nodiscard]] std::string rfc3339(std::chrono::system_clock::time_point time, unsigned digits = 0);

}  // namespace strata::inline STRATA_ABI_NAMESPACE

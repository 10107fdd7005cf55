// SPDX-License-Identifier: Apache-2.0
// Options whose value is a quantity: read whole and exactly, or refused with the option, the text
// and what is allowed. (A parser that takes what it can makes of `-1` the largest number and of
// `1e3` a one.)
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "console.hpp"

namespace strata::tools {

template <class T>
struct Bounds {
    T least;
    T most = std::numeric_limits<T>::max();
};

/// A whole number, decimal or, with 0x, hexadecimal.
template <class T>
CLI::Option* add_number(CLI::App* command, const std::string& name, T& value,
                        const std::string& what, const Bounds<T>& bounds);

/// Bytes, `least` or more: a whole number, alone or with B, KiB, MiB, GiB, TiB or K, M, G, T for
/// the same.
CLI::Option* add_size(CLI::App* command, const std::string& name, std::uint64_t& bytes,
                      const std::string& what, std::uint64_t least);

/// The same, where not giving it means something.
CLI::Option* add_optional_size(CLI::App* command, const std::string& name,
                               std::optional<std::uint64_t>& bytes, const std::string& what,
                               std::uint64_t least);
/// What a store with one dimension takes.
inline constexpr std::uint64_t least_limit = 128 << 10;

/// Seconds: a decimal number, alone or with ms, s, min, h or d.
CLI::Option* add_duration(CLI::App* command, const std::string& name, double& seconds,
                          const std::string& what, const Bounds<double>& bounds);

/// The same, where not giving it means something.
CLI::Option* add_optional_duration(CLI::App* command, const std::string& name,
                                   std::optional<double>& seconds, const std::string& what,
                                   const Bounds<double>& bounds);

/// Any finite decimal number, also with an exponent.
CLI::Option* add_decimal(CLI::App* command, const std::string& name, double& value,
                         const std::string& what);

/// --generation and --bookmark, at most one of them.
void add_generation(CLI::App* command, WhichGeneration& which);

std::optional<double> parse_seconds(std::string_view text) noexcept;
std::optional<double> parse_decimal(std::string_view text) noexcept;

/// Usage: `--limit: "1e3" is not a size in bytes ...`.
[[noreturn]] void refuse(const std::string& option, std::string_view text,
                         const std::string& allowed);

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
#include "strata/text_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>
#include <system_error>
#include <utility>

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}  // namespace

std::string base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            const auto byte = i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U;
            group = (group << 8) | byte;
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text += i + j > bytes.size() ? '=' : base64_digits[(group >> (18 - 6 * j)) & 63];
        }
    }
    return text;
}

std::optional<std::string> parse_base64(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t group = 0;
    std::size_t known = 0;
    for (const char digit : text.substr(0, text.find('='))) {
        const std::size_t value = base64_digits.find(digit);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        group = (group << 6) | static_cast<std::uint32_t>(value);
        known += 6;
        if (known >= 8) {
            known -= 8;
            bytes += static_cast<char>((group >> known) & 0xFF);
        }
    }
    // One text for each content: no stray bits, no wrong padding.
    return base64(bytes) == text ? std::optional(std::move(bytes)) : std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    std::string_view unit(at, static_cast<std::size_t>(end - at));
    if (error != std::errc{}) {
        return std::nullopt;
    }
    unit.remove_prefix(unit.starts_with(' ') ? 1 : 0);
    constexpr std::array<std::pair<std::string_view, unsigned>, 10> units = {{{"", 0},
                                                                              {"B", 0},
                                                                              {"K", 10},
                                                                              {"KiB", 10},
                                                                              {"M", 20},
                                                                              {"MiB", 20},
                                                                              {"G", 30},
                                                                              {"GiB", 30},
                                                                              {"T", 40},
                                                                              {"TiB", 40}}};
    for (const auto& [name, shift] : units) {
        if (name == unit) {
            return number > std::numeric_limits<std::uint64_t>::max() >> shift
                       ? std::nullopt
                       : std::optional(number << shift);
        }
    }
    return std::nullopt;
}

std::string rfc3339(std::chrono::system_clock::time_point time, unsigned digits) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const auto fraction = std::chrono::duration_cast<std::chrono::nanoseconds>(time - whole);
    const std::time_t seconds = std::chrono::system_clock::to_time_t(whole);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[48];
    std::string result(text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc));
    if (digits != 0) {
        std::snprintf(text, sizeof(text), ".%09d", static_cast<int>(fraction.count()));
        result.append(text, std::min(digits, 9U) + 1);
    }
    return result + "Z";
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
#include "quantities.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "text.hpp"

namespace strata::tools {

namespace {

template <class Number>
struct Unit {
    std::string_view name;
    Number value;
};

// Digits at the beginning of `text`, and what stands behind them.
std::pair<std::string_view, std::string_view> split_digits(std::string_view text,
                                                           std::string_view digits) noexcept {
    const std::size_t end = std::min(text.find_first_not_of(digits), text.size());
    return {text.substr(0, end), text.substr(end)};
}

// Calls accept(text) for what the user wrote; false: it is not allowed.
template <class Accept>
CLI::Option* add_checked(CLI::App* command, const std::string& name, const std::string& what,
                         const std::string& type, std::string allowed, Accept accept) {
    // The name by which messages call it: the long one.
    const std::string shown = name.substr(name.find(',') + 1);
    return command
        ->add_option_function<std::string>(
            name,
            [shown, allowed = std::move(allowed), accept](const std::string& text) {
                if (!accept(text)) {
                    refuse(shown, text, allowed);
                }
            },
            what)
        ->type_name(type);
}

template <class T>
std::string range_text(const Bounds<T>& bounds, const std::string& unit) {
    const auto text = [&](T value) {
        return number_text(static_cast<double>(value)) + (unit.empty() ? "" : " " + unit);
    };
    return bounds.most == std::numeric_limits<T>::max()
               ? " from " + text(bounds.least) + " on"
               : " from " + text(bounds.least) + " to " + text(bounds.most);
}

std::string duration_range(const Bounds<double>& bounds) {
    return "a time" + range_text(bounds, "s") +
           ": seconds, or a number with ms, s, min, h or d behind it";
}

// One word, as all options are.
std::optional<std::uint64_t> size_in_one_word(std::string_view text) noexcept {
    return text.find(' ') == std::string_view::npos ? parse_size(text) : std::nullopt;
}

template <class T>
bool within(const Bounds<T>& bounds, T value) noexcept {
    return value >= bounds.least && value <= bounds.most;
}

}  // namespace

void refuse(const std::string& option, std::string_view text, const std::string& allowed) {
    throw Complaint{Exit::usage, "usage",
                    option + ": \"" + printable(text) + "\" is not " + allowed};
}

std::optional<double> parse_seconds(std::string_view text) noexcept {
    constexpr std::array<Unit<double>, 6> units{
        {{"", 1}, {"s", 1}, {"ms", 0.001}, {"min", 60}, {"h", 3600}, {"d", 86'400}}};
    const auto [digits, unit_name] = split_digits(text, "0123456789.");
    const auto count = parse_decimal(digits);
    for (const auto& unit : units) {
        if (count && unit.name == unit_name) {
            return *count * unit.value;
        }
    }
    return std::nullopt;
}

std::optional<double> parse_decimal(std::string_view text) noexcept {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

template <class T>
CLI::Option* add_number(CLI::App* command, const std::string& name, T& value,
                        const std::string& what, const Bounds<T>& bounds) {
    return add_checked(command, name, what, "N", "a whole number" + range_text(bounds, ""),
                       [&value, bounds](std::string_view text) {
                           const auto number = parse_number(text);
                           if (!number || *number > std::numeric_limits<T>::max() ||
                               !within(bounds, static_cast<T>(*number))) {
                               return false;
                           }
                           value = static_cast<T>(*number);
                           return true;
                       });
}
template CLI::Option* add_number(CLI::App*, const std::string&, std::uint32_t&, const std::string&,
                                 const Bounds<std::uint32_t>&);
template CLI::Option* add_number(CLI::App*, const std::string&, std::uint64_t&, const std::string&,
                                 const Bounds<std::uint64_t>&);

namespace {

std::string size_range(std::uint64_t least) {
    return "a size of " + size_text(least) +
           " or more: a whole number of bytes, below 2^64, or of KiB, MiB, GiB or TiB with that "
           "unit behind it";
}

}  // namespace

CLI::Option* add_size(CLI::App* command, const std::string& name, std::uint64_t& bytes,
                      const std::string& what, std::uint64_t least) {
    return add_checked(command, name, what, "BYTES", size_range(least),
                       [&bytes, least](std::string_view text) {
                           const auto size = size_in_one_word(text);
                           bytes = size.value_or(bytes);
                           return size && *size >= least;
                       });
}

CLI::Option* add_optional_size(CLI::App* command, const std::string& name,
                               std::optional<std::uint64_t>& bytes, const std::string& what,
                               std::uint64_t least) {
    return add_checked(command, name, what, "BYTES", size_range(least),
                       [&bytes, least](std::string_view text) {
                           bytes = size_in_one_word(text);
                           return bytes && *bytes >= least;
                       });
}

CLI::Option* add_duration(CLI::App* command, const std::string& name, double& seconds,
                          const std::string& what, const Bounds<double>& bounds) {
    return add_checked(command, name, what, "TIME", duration_range(bounds),
                       [&seconds, bounds](std::string_view text) {
                           const auto time = parse_seconds(text);
                           seconds = time.value_or(seconds);
                           return time && within(bounds, *time);
                       });
}

CLI::Option* add_optional_duration(CLI::App* command, const std::string& name,
                                   std::optional<double>& seconds, const std::string& what,
                                   const Bounds<double>& bounds) {
    return add_checked(command, name, what, "TIME", duration_range(bounds),
                       [&seconds, bounds](std::string_view text) {
                           seconds = parse_seconds(text);
                           return seconds && within(bounds, *seconds);
                       });
}

CLI::Option* add_decimal(CLI::App* command, const std::string& name, double& value,
                         const std::string& what) {
    return add_checked(command, name, what, "NUMBER", "a finite decimal number",
                       [&value](std::string_view text) {
                           const auto number = parse_decimal(text);
                           value = number.value_or(value);
                           return number.has_value();
                       });
}

void add_generation(CLI::App* command, WhichGeneration& which) {
    CLI::Option* const number = add_number<Generation>(command, "-g,--generation", which.number,
                                                       "A retained generation", {.least = 1})
                                    ->type_name("GEN");
    command
        ->add_option("--bookmark", which.bookmark,
                     "The generation that has this bookmark (see `strata bookmark`)")
        ->type_name("NAME")
        ->excludes(number);
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// Reads the command line: options with values, and nothing else.
#pragma once

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>

namespace wordnet {

/// Exit code 2: the command line makes no sense.
class UsageError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Arguments {
public:
    Arguments(int count, char** values) : end_(values + count), next_(values + 1) {}

    /// Goes to the next option, if there is one; option() is its name.
    bool next() {
        if (next_ >= end_) return false;
        option_ = *next_++;
        return true;
    }
    std::string_view option() const noexcept { return option_; }

    /// The option's value.
    std::string text() {
        if (next_ >= end_) throw UsageError(std::string(option_) + " needs a value");
        return *next_++;
    }

    /// The option's value as a number from `least` to `most`.
    template <class Number>
    Number number(Number least, Number most) {
        const std::string value = text();
        Number result{};
        const char* const end = value.data() + value.size();
        const auto [stop, error] = std::from_chars(value.data(), end, result);
        if (error != std::errc() || stop != end || !(result >= least && result <= most)) {
            throw UsageError(std::string(option_) + ": \"" + value + "\" is no number from " +
                             std::to_string(least) + " to " + std::to_string(most));
        }
        return result;
    }

    [[noreturn]] void refuse() const {
        throw UsageError("there is no option " + std::string(option_) + "; --help lists them");
    }

private:
    char** end_;
    char** next_;
    std::string_view option_;
};

}  // namespace wordnet

// SPDX-License-Identifier: Apache-2.0
#include "question.hpp"

#include <cstdio>
#include <iostream>

#include "console.hpp"
#include "terminal.hpp"

namespace strata::tools {

bool can_ask() noexcept { return input_is_terminal() && errors_are_terminal(); }

bool confirmed(const std::string& question) {
    finish_output();  // what the question is about stands above it
    std::fprintf(stderr, "%s [y/N] ", question.c_str());
    std::fflush(stderr);
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace strata::tools

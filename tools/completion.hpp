// SPDX-License-Identifier: Apache-2.0
// completion: what the scripts of all shells are made of, and one function for each shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console.hpp"

namespace strata::tools {

std::string bash_script(const CLI::App& app);
std::string zsh_script(const CLI::App& app);
std::string fish_script(const CLI::App& app);

/// With their dashes, short ones first.
std::vector<std::string> names_of(const CLI::Option& option);
bool has_actions(const CLI::App& command);
/// Those of a command and of all its actions, each once. What actions take as arguments is not
/// among them: they are completed as paths.
std::vector<const CLI::Option*> options_of(const CLI::App& command);
/// The names of a command's actions, separated by spaces.
std::string actions_of(const CLI::App& command);

/// What stands for an argument, in the words of its shell.
enum class Argument : unsigned char { none, store, dimension, command, file, directory, shell };
Argument argument_of(const CLI::Option& option);

/// Within single quotes of a shell.
std::string quoted(const std::string& text);
/// Puts `with` in all places that are called `place`.
void fill_in(std::string& text, std::string_view place, const std::string& with);

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// completion: a script made from the very definitions of the commands
#include "completion.hpp"

#include <algorithm>
#include <memory>

namespace strata::tools {

std::vector<std::string> names_of(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames()) {
        names.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        names.push_back("--" + name);
    }
    return names;
}

bool has_actions(const CLI::App& command) {
    return command.get_parent() != nullptr && !command.get_subcommands({}).empty();
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
    std::vector<const CLI::Option*> options = command.get_options();
    if (!has_actions(command)) {
        return options;
    }
    for (const CLI::App* action : command.get_subcommands({})) {
        for (const CLI::Option* option : action->get_options()) {
            const bool known = std::any_of(
                options.begin(), options.end(),
                [&](const CLI::Option* other) { return names_of(*other) == names_of(*option); });
            if (!known && !option->get_positional()) {
                options.push_back(option);
            }
        }
    }
    return options;
}

std::string actions_of(const CLI::App& command) {
    std::string actions;
    for (const CLI::App* action : command.get_subcommands({})) {
        actions += (actions.empty() ? "" : " ") + action->get_name();
    }
    return actions;
}

Argument argument_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    return type == "STORE"             ? Argument::store
           : type == "DIMENSION"       ? Argument::dimension
           : type == "COMMAND"         ? Argument::command
           : type == "FILE"            ? Argument::file
           : type == "DIR"             ? Argument::directory
           : type.starts_with("SHELL") ? Argument::shell
                                       : Argument::none;
}

std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) {
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return result + "'";
}

void fill_in(std::string& text, std::string_view place, const std::string& with) {
    for (std::size_t at = text.find(place); at != std::string::npos;
         at = text.find(place, at + with.size())) {
        text.replace(at, place.size(), with);
    }
}

void add_completion_command(CLI::App& app) {
    auto shell = std::make_shared<std::string>();
    CLI::App* const command =
        add_command(app, "completion", "Print the completion script of a shell",
                    "  source <(strata completion bash)\n"
                    "  strata completion bash > /etc/bash_completion.d/strata\n"
                    "  source <(strata completion zsh)\n"
                    "  strata completion fish > ~/.config/fish/completions/strata.fish",
                    [&app, shell] {
                        write_out(*shell == "bash"  ? bash_script(app)
                                  : *shell == "zsh" ? zsh_script(app)
                                                    : fish_script(app));
                    });
    command->add_option("shell", *shell, "bash, zsh or fish")
        ->required()
        ->type_name("SHELL")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace strata::tools

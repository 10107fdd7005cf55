// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

namespace strata::tools {

namespace {

std::string fish_values(const CLI::Option& option) {
    switch (argument_of(option)) {
        case Argument::store: return "'(strata ls --names 2>/dev/null)'";
        case Argument::dimension: return "'(__strata_dimensions)'";
        case Argument::command: return "'(__strata_commands)'";
        case Argument::directory: return "'(__fish_complete_directories)'";
        case Argument::shell: return "'bash zsh fish'";
        case Argument::file:
        case Argument::none: break;
    }
    return "";
}

std::string fish_option(const CLI::Option& option, const std::string& condition) {
    std::string line = "complete -c strata" + condition;
    for (const std::string& name : option.get_snames()) {
        line += " -s " + name;
    }
    for (const std::string& name : option.get_lnames()) {
        line += " -l " + name;
    }
    if (option.get_items_expected_min() > 0) {
        const std::string values = fish_values(option);
        line += " -x" + (values.empty() ? "" : " -a " + values);
    }
    return line + " -d " + quoted(option.get_description()) + "\n";
}

std::string fish_command(const CLI::App& command) {
    const std::string condition = " -n '__fish_seen_subcommand_from " + command.get_name() + "'";
    std::string lines = "complete -c strata -n __fish_use_subcommand -a " + command.get_name() +
                        " -d " + quoted(command.get_description()) + "\n";
    for (const CLI::App* action : command.get_subcommands({})) {
        lines += "complete -c strata" + condition + " -a " + action->get_name() + " -d " +
                 quoted(action->get_description()) + "\n";
    }
    if (has_actions(command)) {
        lines += "complete -c strata" + condition + " -F\n";
    }
    for (const CLI::Option* option : options_of(command)) {
        if (!option->get_positional()) {
            lines += fish_option(*option, condition);
        } else if (argument_of(*option) == Argument::file) {
            lines += "complete -c strata" + condition + " -F\n";
        } else if (const std::string values = fish_values(*option); !values.empty()) {
            lines += "complete -c strata" + condition + " -a " + values + "\n";
        }
    }
    return lines;
}

constexpr std::string_view fish_head =
    R"~~~(# fish completion of strata, made by the command itself.
# Of the store behind the command on the line.
function __strata_dimensions
    set -l words (commandline -opc | string match -v -- '-*')
    test (count $words) -ge 3; and strata dims $words[3] --names 2>/dev/null
end
function __strata_commands
    printf '%s\n' @COMMANDS@
end
complete -c strata -f
)~~~";

}  // namespace

std::string fish_script(const CLI::App& app) {
    std::string commands;
    std::string lines;
    for (const CLI::Option* option : app.get_options()) {
        lines += fish_option(*option, "");
    }
    for (const CLI::App* command : app.get_subcommands({})) {
        commands += (commands.empty() ? "" : " ") + command->get_name();
        lines += fish_command(*command);
    }
    std::string head(fish_head);
    fill_in(head, "@COMMANDS@", commands);
    return head + lines;
}

}  // namespace strata::tools

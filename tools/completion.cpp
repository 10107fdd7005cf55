// SPDX-License-Identifier: Apache-2.0
// completion: a script made from the very definitions of the commands
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "console.hpp"

namespace strata::tools {

namespace {

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

// Those of a command and of all its actions, each once. What actions take as arguments is not among
// them: they are completed as paths.
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

std::string words_of(const CLI::App& command) {
    std::string words;
    for (const CLI::Option* option : options_of(command)) {
        for (const std::string& name : option->get_lnames()) {
            words += (words.empty() ? "--" : " --") + name;
        }
    }
    return words;
}

// Patterns for "COMMAND OPTION" where the option takes a value: the word behind it is no argument.
std::string valued_options(const CLI::App& app) {
    std::string patterns;
    for (const CLI::App* command : app.get_subcommands({})) {
        for (const CLI::Option* option : options_of(*command)) {
            // Flags expect nothing; a positional argument has no name to stand behind.
            if (option->get_items_expected_min() == 0 || option->get_positional()) {
                continue;
            }
            for (const std::string& name : names_of(*option)) {
                patterns +=
                    (patterns.empty() ? "'" : " | '") + command->get_name() + " " + name + "'";
            }
        }
    }
    return patterns;
}

// @COMMANDS@ and the like are filled in. Names come from the stores themselves, one per line.
constexpr std::string_view bash_template = R"~~~(# bash completion of strata; load it with:
#   source <(strata completion bash)
_strata() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' store='' options='' actions='' base=() place=0 i
    for ((i = 1; i < COMP_CWORD; ++i)); do
        case "$command ${COMP_WORDS[i]}" in
            *' -b' | *' --base') base=(--base "${COMP_WORDS[i + 1]}") && ((++i)) ;;
            @VALUED@) ((++i)) ;;
            *' -'*) ;;
            *)
                if [[ -z $command ]]; then
                    command=${COMP_WORDS[i]}
                else
                    ((place++ == 0)) && store=${COMP_WORDS[i]}
                fi
                ;;
        esac
    done
    COMPREPLY=()
    case "$command $previous" in
        *' -b' | *' --base') mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
        @VALUED@) return ;;
    esac
    case $command in
        '') options="@GLOBAL@ @COMMANDS@" ;;
@OPTIONS@    esac
    case $command in
@ACTIONS@    esac
    local names='' program=${COMP_WORDS[0]}
    if [[ $word == -* || -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ $command == completion ]]; then
        mapfile -t COMPREPLY < <(compgen -W "bash zsh fish" -- "$word")
    elif [[ $command == @(help|man) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "@COMMANDS@" -- "$word")
    elif [[ $command == version ]]; then
        return
    elif [[ -n $actions ]]; then
        if ((place == 0)); then
            mapfile -t COMPREPLY < <(compgen -W "$actions" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
    elif ((place == 0)) || [[ $command == @(gc|metrics) ]]; then
        names=$("$program" "${base[@]}" ls --names 2>/dev/null)
    elif ((place == 1)) && [[ $command == @(layers|get|put|rm|rename|verify) ]]; then
        names=$("$program" "${base[@]}" dims "$store" --names 2>/dev/null)
    elif [[ $command == @(put|dump) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
    if [[ -n $names ]]; then
        local name quoted
        while IFS= read -r name; do
            # As a word of the shell: a name must not become a command.
            printf -v quoted %q "$name"
            [[ $name != "$word"* && $quoted != "$word"* ]] || COMPREPLY+=("$quoted")
        done <<<"$names"
    fi
}
complete -F _strata strata
)~~~";

void fill_in(std::string& text, std::string_view place, const std::string& with) {
    for (std::size_t at = text.find(place); at != std::string::npos;
         at = text.find(place, at + with.size())) {
        text.replace(at, place.size(), with);
    }
}

std::string bash_script(const CLI::App& app) {
    std::string commands;
    std::string options;
    std::string actions;
    for (const CLI::App* command : app.get_subcommands({})) {
        if (has_actions(*command)) {
            actions += "        " + command->get_name() + ") actions=\"" + actions_of(*command) +
                       "\" ;;\n";
        }
        commands += (commands.empty() ? "" : " ") + command->get_name();
        options += "        " + command->get_name() + ") options=\"" + words_of(*command) +
                   " --base --json --bytes\" ;;\n";
    }
    std::string script(bash_template);
    fill_in(script, "@COMMANDS@", commands);
    fill_in(script, "@ACTIONS@", actions);
    fill_in(script, "@OPTIONS@", options);
    fill_in(script, "@GLOBAL@", words_of(app));
    fill_in(script, "@VALUED@", valued_options(app));
    return script;
}

// What stands for an argument, in the words of its shell.
enum class Argument : unsigned char { none, store, dimension, command, file, directory, shell };

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

// Within single quotes of a shell.
std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) {
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return result + "'";
}

// In a description of zsh's _arguments, ] and : end it.
std::string for_zsh(const std::string& text) {
    std::string result;
    for (const char c : text) {
        result += c == '[' || c == ']' || c == ':' || c == '\\' ? std::string("\\") + c
                                                                : std::string(1, c);
    }
    return result;
}

std::string zsh_action(const CLI::Option& option) {
    switch (argument_of(option)) {
        case Argument::store: return "_strata_stores";
        case Argument::dimension: return "_strata_dimensions";
        case Argument::command: return "_strata_commands";
        case Argument::file: return "_files";
        case Argument::directory: return "_files -/";
        case Argument::shell: return "(bash zsh fish)";
        case Argument::none: break;
    }
    return " ";
}

std::string zsh_specs(const CLI::App& command, const std::string& indent) {
    std::string specs;
    const auto add = [&](const std::string& spec) { specs += " \\\n" + indent + quoted(spec); };
    if (has_actions(command)) {
        add("1:action:(" + actions_of(command) + ")");
        add("*:argument:_files");
    }
    for (const CLI::Option* option : options_of(command)) {
        if (option->get_positional()) {
            const bool many = option->get_items_expected_max() > 1;
            add((many ? "*:" : ":") + for_zsh(option->get_type_name()) + ":" + zsh_action(*option));
            continue;
        }
        const bool valued = option->get_items_expected_min() > 0;
        for (const std::string& name : names_of(*option)) {
            // `*`: it may be given again.
            add("*" + name + "[" + for_zsh(option->get_description()) + "]" +
                (valued ? ":" + for_zsh(option->get_type_name()) + ":" + zsh_action(*option) : ""));
        }
    }
    return specs;
}

constexpr std::string_view zsh_head = R"~~~(#compdef strata
# zsh completion of strata, made by the command itself.
_strata_stores() {
    local -a stores
    stores=(${(f)"$(_call_program stores strata ls --names 2>/dev/null)"})
    compadd -a stores
}
_strata_dimensions() {
    local -a dimensions
    dimensions=(${(f)"$(_call_program dimensions strata dims ${(q)words[2]} --names 2>/dev/null)"})
    compadd -a dimensions
}
)~~~";

std::string zsh_script(const CLI::App& app) {
    std::string commands;
    std::string cases;
    const std::string global = zsh_specs(app, "        ");
    for (const CLI::App* command : app.get_subcommands({})) {
        commands += "        " +
                    quoted(command->get_name() + ":" + for_zsh(command->get_description())) + "\n";
        cases += "        " + command->get_name() + ") _arguments -s" +
                 zsh_specs(*command, "            ") + global + " ;;\n";
    }
    return std::string(zsh_head) + "_strata_commands() {\n    local -a commands=(\n" + commands +
           "    )\n    _describe -t commands command commands\n}\n"
           "_strata() {\n"
           "    local curcontext=$curcontext state\n"
           "    _arguments -C" +
           global +
           " \\\n        ':command:_strata_commands' '*::argument:->arguments'\n"
           "    [[ $state == arguments ]] || return\n"
           "    case $words[1] in\n" +
           cases +
           "    esac\n}\n"
           "# Read as a function of $fpath, or by source.\n"
           "if [[ $funcstack[1] == _strata ]]; then _strata \"$@\"; else compdef _strata strata; "
           "fi\n";
}

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

}  // namespace

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

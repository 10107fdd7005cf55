// SPDX-License-Identifier: Apache-2.0
// completion: a script made from the very definitions of the commands
#include <memory>

#include "console.hpp"

namespace strata::tools {

namespace {

std::string words_of(const CLI::App& command) {
    std::string words;
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            words += (words.empty() ? "--" : " --") + name;
        }
    }
    return words;
}

// Patterns for "COMMAND OPTION" where the option takes a value: the word behind it is no argument.
std::string valued_options(const CLI::App& app) {
    std::string patterns;
    const auto add = [&](const std::string& prefix, const CLI::App& command) {
        for (const CLI::Option* option : command.get_options()) {
            // Flags expect nothing; a positional argument has no name to stand behind.
            if (option->get_items_expected_min() == 0 || option->get_positional()) {
                continue;
            }
            for (const std::string& name : option->get_lnames()) {
                patterns += (patterns.empty() ? "" : " | ") + prefix + "--" + name + "'";
            }
            for (const std::string& name : option->get_snames()) {
                patterns += " | " + prefix + "-" + name + "'";
            }
        }
    };
    for (const CLI::App* command : app.get_subcommands({})) {
        add("'" + command->get_name() + " ", *command);
    }
    return patterns;
}

// @COMMANDS@ and the like are filled in. Names come from the stores themselves, one per line.
constexpr std::string_view bash_template = R"~~~(# bash completion of strata; load it with:
#   source <(strata completion bash)
_strata() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' store='' options='' base=() place=0 i
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
    local names='' program=${COMP_WORDS[0]}
    if [[ $word == -* || -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ $command == completion ]]; then
        mapfile -t COMPREPLY < <(compgen -W "bash zsh" -- "$word")
    elif ((place == 0)) || [[ $command == @(gc|metrics) ]]; then
        names=$("$program" "${base[@]}" ls --names 2>/dev/null)
    elif ((place == 1)) && [[ $command == @(layers|get|put|rm|verify) ]]; then
        names=$("$program" "${base[@]}" dims "$store" --names 2>/dev/null)
    elif [[ $command == @(put|dump) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
    if [[ -n $names ]]; then
        local name
        while IFS= read -r name; do
            [[ $name != "$word"* ]] || COMPREPLY+=("$name")
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
    for (const CLI::App* command : app.get_subcommands({})) {
        commands += (commands.empty() ? "" : " ") + command->get_name();
        options += "        " + command->get_name() + ") options=\"" + words_of(*command) +
                   " --base --json --bytes\" ;;\n";
    }
    std::string script(bash_template);
    fill_in(script, "@COMMANDS@", commands);
    fill_in(script, "@OPTIONS@", options);
    fill_in(script, "@GLOBAL@", words_of(app));
    fill_in(script, "@VALUED@", valued_options(app));
    return script;
}

}  // namespace

void add_completion_command(CLI::App& app) {
    auto shell = std::make_shared<std::string>();
    CLI::App* const command =
        add_command(app, "completion", "Print the completion script of a shell",
                    "  source <(strata completion bash)\n"
                    "  strata completion bash > /etc/bash_completion.d/strata\n"
                    "  source <(strata completion zsh)",
                    [&app, shell] {
                        if (*shell == "zsh") {
                            write_line("autoload -Uz bashcompinit && bashcompinit");
                        }
                        write_out(bash_script(app));
                    });
    command->add_option("shell", *shell, "bash or zsh")
        ->required()
        ->type_name("SHELL")
        ->check(CLI::IsMember({"bash", "zsh"}));
}

}  // namespace strata::tools

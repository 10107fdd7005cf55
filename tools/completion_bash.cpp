// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

namespace strata::tools {

namespace {

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

}  // namespace

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

}  // namespace strata::tools

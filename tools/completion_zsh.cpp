// SPDX-License-Identifier: Apache-2.0
#include "completion.hpp"

namespace strata::tools {

namespace {

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

}  // namespace

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

}  // namespace strata::tools

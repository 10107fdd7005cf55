// SPDX-License-Identifier: Apache-2.0
// help and version, and what to say of a command line that cannot be read
#include <memory>

#include "console.hpp"
#include "guess.hpp"
#include "json.hpp"

namespace strata::tools {

namespace {

std::vector<std::string> command_names(CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) {
        names.push_back(command->get_name());
    }
    return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
    std::vector<std::string> names;
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            names.push_back("--" + name);
        }
    }
    return names;
}

std::string unknown(const std::string& kind, const std::string& word,
                    const std::vector<std::string>& known) {
    std::string text = "there is no " + kind + " \"" + printable(word) + "\"";
    const std::string guess = did_you_mean(word, known);
    return guess.empty() ? text : text + "; " + guess.substr(0, guess.size() - 1);
}

CLI::App& command_called(CLI::App& app, const std::string& name) {
    CLI::App* const command = find_command(app, name);
    if (command == nullptr) {
        throw Complaint{Exit::usage, "usage",
                        unknown("command", name, command_names(app)) + " (strata help)"};
    }
    return *command;
}

void show_help(CLI::App& app, const std::vector<std::string>& words) {
    CLI::App* command = &app;
    std::string path = "strata";
    for (const std::string& word : words) {
        command = &command_called(*command, word);
        path += " " + word;
    }
    // Not help(): that of an application shows the command that was parsed, which is `help`.
    write_out(command->get_formatter()->make_help(command, path, CLI::AppFormatMode::Normal));
}

}  // namespace

CLI::App* find_command(CLI::App& app, const std::string& name) {
    for (CLI::App* const command : app.get_subcommands({})) {
        if (command->get_name() == name) {
            return command;
        }
    }
    return nullptr;
}

std::string usage_text(CLI::App& app, int argc, const char* const* argv, const std::string& what) {
    CLI::App* command = &app;
    std::string path = "strata";
    const auto with_help = [&](const std::string& text) { return text + " (" + path + " --help)"; };
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--") {
            break;
        }
        if (word.size() > 1 && word.starts_with('-')) {
            const std::string name = word.substr(0, word.find('='));
            const auto knows = [&](CLI::App& at) {
                // A letter with its value behind it, or several flags: known by the first letter.
                return at.get_option_no_throw(name) != nullptr ||
                       (!name.starts_with("--") &&
                        at.get_option_no_throw(name.substr(0, 2)) != nullptr);
            };
            if (!knows(*command) && !knows(app)) {
                std::vector<std::string> names = option_names(*command);
                const std::vector<std::string> global = option_names(app);
                names.insert(names.end(), global.begin(), global.end());
                return with_help(unknown("option", name, names));
            }
            const CLI::Option* option = command->get_option_no_throw(name);
            option = option != nullptr ? option : app.get_option_no_throw(name);
            const bool valued = option != nullptr && option->get_items_expected_min() > 0;
            i += valued && word.find('=') == std::string::npos ? 1 : 0;
        } else if (!command->get_subcommands({}).empty()) {
            CLI::App* const next = find_command(*command, word);
            if (next == nullptr) {
                return with_help(unknown("command", word, command_names(*command)));
            }
            command = next;
            path += " " + word;
        }
    }
    return with_help(what);
}

void add_help_commands(CLI::App& app, Settings& settings) {
    auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* const help = add_command(app, "help", "Explain strata, or one of its commands",
                                       "  strata help\n"
                                       "  strata help get",
                                       [&app, words] { show_help(app, *words); });
    help->add_option("command", *words, "All of them if none is given")->type_name("COMMAND");
    add_command(app, "version", "Say which version this is",
                "  strata version\n"
                "  strata version --json",
                [&settings] {
                    if (settings.json) {
                        print_json({{"version", version_string}});
                    } else {
                        write_line(std::string("strata ") + version_string);
                    }
                });
}

}  // namespace strata::tools

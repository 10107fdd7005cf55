// SPDX-License-Identifier: Apache-2.0
// man: manual pages, made from the very definitions of the commands
#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "console.hpp"

namespace strata::tools {

namespace {

// Text as roff takes it: nothing in it is a request or an escape.
std::string roff(std::string_view text) {
    std::string result;
    bool at_start = true;
    for (const char c : text) {
        if (at_start && (c == '.' || c == '\'')) {
            result += "\\&";
        }
        result += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
        at_start = c == '\n';
    }
    return result;
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fP"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fP"; }

std::string section(const std::string& name) { return ".SH " + name + "\n"; }

// Lines that stay as they are.
std::string verbatim(std::string_view text) {
    return ".nf\n" + roff(text) + (text.ends_with('\n') ? "" : "\n") + ".fi\n";
}

// "-m, --meta", "--limit BYTES" or "STORE".
std::string heading_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    if (option.get_positional()) {
        return italic(type);
    }
    std::string text;
    for (const std::string& name : option.get_snames()) {
        text += (text.empty() ? "" : ", ") + bold("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        text += (text.empty() ? "" : ", ") + bold("--" + name);
    }
    const bool valued = option.get_items_expected_min() > 0;
    return text + (valued ? " " + italic(type) : "");
}

std::string options_of(const CLI::App& command) {
    std::string text;
    for (const CLI::Option* option : command.get_options()) {
        text += ".TP\n" + heading_of(*option) + "\n" + roff(option->get_description());
        if (const std::string value = option->get_default_str(); !value.empty()) {
            text += roff(" (" + value + ")");
        }
        text += "\n";
    }
    return text;
}

std::string synopsis_of(const CLI::App& command, const std::string& path) {
    std::string text = bold(path) + " [" + italic("OPTION") + "]...";
    for (const CLI::Option* option : command.get_options()) {
        if (option->get_positional()) {
            const std::string name = italic(option->get_type_name());
            const bool many = option->get_items_expected_max() > 1;
            text += option->get_required() ? " " + name : " [" + name + "]";
            text += many ? "..." : "";
        }
    }
    if (!command.get_subcommands({}).empty()) {
        text += " " + italic("COMMAND") + " ...";
    }
    return text + "\n";
}

// "Examples:\n ..." becomes a section of that name.
std::string footer_of(const CLI::App& command) {
    std::string text;
    std::string body;
    std::istringstream lines(command.get_footer());
    const auto end_section = [&] {
        text += body.empty() ? "" : verbatim(body);
        body.clear();
    };
    for (std::string line; std::getline(lines, line);) {
        if (line.ends_with(':') && !line.starts_with(' ')) {
            end_section();
            line.pop_back();
            std::transform(line.begin(), line.end(), line.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
            text += section(line == "EXIT CODES" ? "\"EXIT STATUS\"" : line);
        } else if (!line.empty()) {
            body += line + "\n";
        }
    }
    end_section();
    return text;
}

std::string page_of(const CLI::App& command, const std::string& path, const std::string& name) {
    std::string what = command.get_description();
    std::string line = what.substr(0, what.find('.'));
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::string page = ".TH \"" + name + "\" 1 \"\" \"strata " + version_string + "\"\n" +
                       section("NAME") + roff(name + " - " + line) + "\n" + section("SYNOPSIS") +
                       synopsis_of(command, path) + section("DESCRIPTION") + roff(what) + "\n";
    const bool top = path == "strata";
    const auto parts = command.get_subcommands({});
    if (!parts.empty()) {
        page += section("COMMANDS");
        for (const CLI::App* part : parts) {
            page += ".TP\n" + bold(part->get_name()) + "\n" + roff(part->get_description()) + "\n";
        }
    }
    page += section("OPTIONS") + options_of(command);
    for (const CLI::App* part : parts) {
        if (!top) {  // actions of a command have no page of their own
            page += ".SS " + roff(path + " " + part->get_name()) + "\n" + options_of(*part);
        }
    }
    page += footer_of(command) + section("\"SEE ALSO\"");
    if (!top) {
        return page + bold("strata") + "(1): global options, exit codes\n";
    }
    std::string others;
    for (const CLI::App* part : parts) {
        others += (others.empty() ? "" : ",\n") + bold("strata-" + part->get_name()) + "(1)";
    }
    return page + others + "\n";
}

std::string page_called(CLI::App& app, const std::string& name) {
    return name.empty() ? page_of(app, "strata", "strata")
                        : page_of(*app.get_subcommand(name), "strata " + name, "strata-" + name);
}

void write_all(CLI::App& app, const std::filesystem::path& directory) {
    std::vector<std::string> names{""};
    for (const CLI::App* command : app.get_subcommands({})) {
        names.push_back(command->get_name());
    }
    for (const std::string& name : names) {
        const auto path = directory / (name.empty() ? "strata.1" : "strata-" + name + ".1");
        std::ofstream file(path);
        file << page_called(app, name);
        if (!file.flush()) {
            throw Complaint{Exit::failed, "system", path.string() + ": cannot write it"};
        }
    }
}

}  // namespace

void add_man_command(CLI::App& app) {
    struct Arguments {
        std::string command;
        std::string directory;
    };
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "man", "Print a manual page",
        "  strata man get | man -l -\n"
        "  strata man --output /usr/local/share/man/man1",
        [&app, arguments] {
            if (!arguments->directory.empty()) {
                write_all(app, arguments->directory);
            } else if (arguments->command.empty() ||
                       find_command(app, arguments->command) != nullptr) {
                write_out(page_called(app, arguments->command));
            } else {
                throw Complaint{Exit::usage, "usage",
                                "there is no command \"" + printable(arguments->command) + "\""};
            }
        });
    command->add_option("command", arguments->command, "strata itself if none is given")
        ->type_name("COMMAND");
    command->add_option("-o,--output", arguments->directory, "Write all pages into this directory")
        ->type_name("DIR");
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
#include "console.hpp"

#include <charconv>
#include <cstdio>
#include <utility>

namespace strata::tools {

Exit exit_of(Errc code) noexcept {
    switch (code) {
        case Errc::store_not_found:
        case Errc::dimension_not_found:
        case Errc::layer_not_found:
        case Errc::generation_not_retained: return Exit::not_found;
        case Errc::not_a_store:
        case Errc::format_version:
        case Errc::byte_order:
        case Errc::corrupt:
        case Errc::truncated: return Exit::damaged;
        case Errc::permission_denied:
        case Errc::not_trusted: return Exit::no_permission;
        case Errc::layer_too_large:
        case Errc::limit_exceeded:
        case Errc::no_space: return Exit::no_room;
        case Errc::producer_active: return Exit::busy;
        case Errc::invalid_name:
        case Errc::invalid_argument: return Exit::usage;
        default: return Exit::failed;
    }
}

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& what,
                      const std::string& examples, std::function<void()> run) {
    CLI::App* const command = app.add_subcommand(name, what);
    command->footer("Examples:\n" + examples);
    command->callback(std::move(run));
    command->fallthrough();  // global options may stand behind the command
    return command;
}

void add_store(CLI::App* command, std::string& store) {
    command->add_option("store", store, "Name of the store")->required()->type_name("STORE");
}

Consumer attach(const Settings& settings, const std::string& store) {
    ConsumerOptions options;
    options.base_path = settings.base;
    options.trusted_owner = TrustedOwner::anybody;
    options.keep_idle_pin = false;  // hold nothing back between two looks
    return Consumer::attach(store, options);
}

Snapshot snapshot_of(Consumer& consumer, Generation generation) {
    return generation == 0 ? consumer.snapshot() : consumer.snapshot(generation);
}

Dimension find_dimension(const Snapshot& snapshot, const std::string& text) {
    // By the directory alone: a dimension whose region is damaged is there nevertheless.
    const auto number = parse_number(text);
    for (const DimensionInfo& info : snapshot.dimensions()) {
        if (number ? info.dimension == *number : info.name == text) {
            return info.dimension;
        }
    }
    throw Error({.code = Errc::dimension_not_found,
                 .operation = "look up dimension",
                 .detail = "generation " + std::to_string(snapshot.generation()) +
                           " has no dimension \"" + text + "\"",
                 .hint = "`strata dims` lists them"});
}

LayerArgument parse_layer(const std::string& text) {
    if (const auto number = parse_number(text)) {
        return {number, {}};
    }
    return {std::nullopt, text.starts_with('@') ? text.substr(1) : text};
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
    int base = 10;
    if (text.starts_with("0x")) {
        base = 16;
        text.remove_prefix(2);
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

void write_out(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void write_line(std::string_view text) {
    write_out(text);
    std::fputc('\n', stdout);
}

void finish_output() {
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        throw Complaint{Exit::failed, "system", "cannot write to standard output"};
    }
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
#include "console.hpp"

#include <charconv>
#include <cstdio>
#include <utility>

#include "audit.hpp"
#include "guess.hpp"
#include "json.hpp"

namespace strata::tools {

Exit exit_of(Errc code) noexcept {
    switch (code) {
        case Errc::store_not_found:
        case Errc::dimension_not_found:
        case Errc::layer_not_found:
        case Errc::file_not_found:
        case Errc::bookmark_not_found:
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
        case Errc::end_of_file:
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

void require_base(const Settings& settings) {
    constexpr const char* made_by_the_first_store = "/dev/shm/strata";
    std::error_code error;
    if (settings.base == made_by_the_first_store ||
        std::filesystem::is_directory(settings.base, error)) {
        return;
    }
    const bool missing = !error || error == std::errc::no_such_file_or_directory;
    throw Error({.code = missing                                 ? Errc::store_not_found
                         : error == std::errc::permission_denied ? Errc::permission_denied
                                                                 : Errc::system,
                 .operation = "look into the base directory",
                 .path = settings.base.string(),
                 .detail = missing ? "there is no such directory" : error.message(),
                 .hint = "see --base and STRATA_BASE_PATH",
                 .errno_value = error.value()});
}

Consumer attach(const Settings& settings, const std::string& store) {
    ConsumerOptions options;
    options.base_path = settings.base;
    options.trusted_owner = TrustedOwner::anybody;
    options.keep_idle_pin = false;  // hold nothing back between two looks
    return Consumer::attach(store, options);
}

Producer open_producer(const Settings& settings, const std::string& store) {
    // Opening it must not change its limit.
    const StoreInfo info = inspect(store, settings.base);
    ProducerOptions options;
    options.base_path = settings.base;
    options.memory_limit = info.memory_limit;
    options.region_max_bytes = info.region_max_bytes;
    options.audit = audit_log(settings);
    return Producer::open(store, options);
}

void tell_generation(const Settings& settings, Generation generation, const std::string& text) {
    if (settings.json) {
        print_json({{"generation", generation}});
    } else {
        write_line(text + ": generation " + std::to_string(generation));
    }
}

Snapshot snapshot_of(Consumer& consumer, const WhichGeneration& which) {
    if (which.bookmark) {
        return consumer.snapshot_at(*which.bookmark);
    }
    return which.number == 0 ? consumer.snapshot() : consumer.snapshot(which.number);
}

Dimension find_dimension(const Snapshot& snapshot, const std::string& text) {
    // By the directory alone: a dimension whose region is damaged is there nevertheless.
    const auto number = parse_number(text);
    std::vector<std::string> names;
    for (const DimensionInfo& info : snapshot.dimensions()) {
        if (number ? info.dimension == *number : info.name == text) {
            return info.dimension;
        }
        names.push_back(info.name);
    }
    throw Error({.code = Errc::dimension_not_found,
                 .operation = "look up dimension",
                 .detail = "generation " + std::to_string(snapshot.generation()) +
                           " has no dimension \"" + text + "\"",
                 .hint = did_you_mean(text, names) + "`strata dims` lists them"});
}

namespace {

// Meant as a number, it seems: to take it for a name would be a surprise.
bool looks_like_number(std::string_view text) noexcept {
    const std::size_t start = text.find_first_not_of(" +-");
    if (start == std::string_view::npos) {
        return false;
    }
    text.remove_prefix(start);
    return text.starts_with("0x") || text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

LayerArgument parse_layer(const std::string& text) {
    if (const auto number = parse_number(text)) {
        return {number, {}};
    }
    if (looks_like_number(text)) {
        throw Complaint{Exit::usage, "usage",
                        "LAYER: \"" + printable(text) +
                            "\" is neither a number from 0 to 18446744073709551615 nor a name: a "
                            "name that looks like a number is written with a leading @"};
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

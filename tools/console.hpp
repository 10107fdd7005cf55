// SPDX-License-Identifier: Apache-2.0
// What every command has in common: global options, exit codes, standard output and the way in.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <strata/strata.hpp>

namespace strata::tools {

/// Exit codes; `strata --help` and docs/cli.md explain them.
enum class Exit : int {
    ok = 0,
    failed = 1,     ///< any failure that has no code of its own
    usage = 2,      ///< wrong command line
    not_found = 3,  ///< no such store, dimension, layer, retained generation or bookmark
    damaged = 4,    ///< verify found damage, or damage was in the way
    no_permission = 5,
    no_room = 6,  ///< the store's memory limit, or a full file system
    busy = 7,     ///< another producer has the store
};

Exit exit_of(Errc code) noexcept;

/// The global options.
struct Settings {
    std::filesystem::path base = default_base_path();
    bool json = false;
    bool bytes = false;                             ///< sizes as plain numbers
    std::filesystem::path audit{};                  ///< --audit; see audit.hpp
    mutable std::shared_ptr<AuditLog> audit_log{};  ///< once it is open
};

/// A command ends early with this exit code; everything was said already.
struct Ended {
    Exit code;
};

/// A command's own failure: one line on standard error.
struct Complaint {
    Exit code;
    std::string code_name;  ///< for --json, like the names of Errc
    std::string text;
};

/// The options that stand behind any command as well as before it.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& what,
                      const std::string& examples, std::function<void()> run);

/// The argument STORE.
void add_store(CLI::App* command, std::string& store);

/// For commands that look at all stores: throws Error{store_not_found} if the base directory was
/// named and is not there. (The default one appears with the first store.)
void require_base(const Settings& settings);

/// Attaches read-only. Whoever owns it: a person who looks decides for himself.
Consumer attach(const Settings& settings, const std::string& store);

/// Of the options --generation and --bookmark.
struct WhichGeneration {
    Generation number = 0;  ///< 0: the newest
    std::optional<std::string> bookmark{};
};
Snapshot snapshot_of(Consumer& consumer, const WhichGeneration& which);

/// A dimension by number or by name, as `dims` shows them. Throws Error{dimension_not_found}.
Dimension find_dimension(const Snapshot& snapshot, const std::string& text);

/// LAYER: a number (decimal, or hexadecimal with 0x), else a name; `@` before a name that looks
/// like a number.
struct LayerArgument {
    std::optional<std::uint64_t> number;
    std::string name;
};
LayerArgument parse_layer(const std::string& text);

/// A whole number in decimal or, with 0x, in hexadecimal; nothing else.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// Standard output. All commands write through these, so that a full disk or a closed pipe is not
/// missed: `finish_output` throws Complaint.
void write_out(std::string_view text);
void write_line(std::string_view text);
void finish_output();

// Each file's commands.
void add_store_commands(CLI::App& app, Settings& settings);  // ls, info, dims
void add_layer_commands(CLI::App& app, Settings& settings);  // layers
void add_get_command(CLI::App& app, Settings& settings);
void add_create_commands(CLI::App& app, Settings& settings);  // create, rename
void add_put_commands(CLI::App& app, Settings& settings);     // put
void add_remove_command(CLI::App& app, Settings& settings);   // rm
void add_bookmark_command(CLI::App& app, Settings& settings);
void add_watch_commands(CLI::App& app, Settings& settings);  // watch, diff
void add_dump_commands(CLI::App& app, Settings& settings);   // stat, dump
void add_readers_command(CLI::App& app, Settings& settings);
void add_verify_command(CLI::App& app, Settings& settings);
void add_file_command(CLI::App& app, Settings& settings);
void add_gc_command(CLI::App& app, Settings& settings);
void add_doctor_command(CLI::App& app, Settings& settings);
void add_metrics_command(CLI::App& app, Settings& settings);
void add_top_command(CLI::App& app, Settings& settings);
void add_completion_command(CLI::App& app);
void add_man_command(CLI::App& app);
void add_help_commands(CLI::App& app, Settings& settings);  // help, version

/// A command of `app`; null: it has none of that name.
CLI::App* find_command(CLI::App& app, const std::string& name);

/// What is wrong with a command line that CLI11 refused, in the user's words: "there is no command
/// ..., did you mean ...".
std::string usage_text(CLI::App& app, int argc, const char* const* argv, const std::string& what);

/// `text: generation 7`, or the generation as JSON.
void tell_generation(const Settings& settings, Generation generation, const std::string& text);

/// The producer for one batch, of a store that is there and keeps its own settings.
Producer open_producer(const Settings& settings, const std::string& store);

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// file: cat, checksum, preload, residency of files that need not belong to a store
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "console.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    std::vector<std::filesystem::path> files;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> size;
    unsigned chunk_power = default_chunk_power;
    bool buffered = false;
};

MappedInput open(const std::filesystem::path& file, const Arguments& arguments,
                 ReadContext context) {
    const std::filesystem::path directory = file.has_parent_path() ? file.parent_path() : ".";
    const std::string name = file.filename().string();
    if (arguments.buffered) {
        return BufferedDirectory(directory).open(name, {.context = context});
    }
    // Small files are mapped, too: copying them would bring them into memory.
    return MappedDirectory(directory,
                           {.chunk_power = arguments.chunk_power, .group_files_up_to = 0})
        .open(name, {.context = context});
}

/// What --offset and --size leave of a file.
MappedInput part_of(const MappedInput& input, const Arguments& arguments) {
    const std::uint64_t rest = input.size() - std::min(arguments.offset, input.size());
    return arguments.offset == 0 && !arguments.size
               ? input
               : input.slice("part", arguments.offset, arguments.size.value_or(rest));
}

void cat(const Arguments& arguments) {
    for (const auto& file : arguments.files) {
        MappedInput part = part_of(open(file, arguments, ReadContext::read_once), arguments);
        const bool terminal = output_is_terminal();
        ProgressBar bar(!terminal);
        constexpr std::size_t step = 1 << 20;
        std::vector<std::byte> bytes(
            static_cast<std::size_t>(std::min<std::uint64_t>(step, part.size())));
        while (part.remaining() > 0) {
            // Copied, so that bytes which are lost are an error and not zeros.
            const std::size_t got = part.read_some(bytes);
            const std::string_view text(reinterpret_cast<const char*>(bytes.data()), got);
            write_out(terminal ? printable(text) : std::string(text));
            bar.show(part.position(), part.size(), size_text(part.position()));
        }
    }
}

std::string hex(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
    return text;
}

void checksum(const Settings& settings, const Arguments& arguments) {
    Json all = Json::array();
    for (const auto& file : arguments.files) {
        const MappedInput part = part_of(open(file, arguments, ReadContext::read_once), arguments);
        const std::string sum = hex(part.checksum());
        if (settings.json) {
            all.push_back({{"file", file.string()}, {"size", part.size()}, {"xxh3_64", sum}});
        } else {
            write_line(sum + "  " + printable(file.string()));
        }
    }
    if (settings.json) {
        print_json(all);
    }
}

void preload(const Settings& settings, const Arguments& arguments) {
    Json all = Json::array();
    for (const auto& file : arguments.files) {
        const auto started = std::chrono::steady_clock::now();
        const MappedInput part = part_of(open(file, arguments, ReadContext::normal), arguments);
        part.preload();
        const Residency after = part.residency();
        const auto took = std::chrono::steady_clock::now() - started;
        if (settings.json) {
            all.push_back({{"file", file.string()},
                           {"bytes", after.bytes},
                           {"resident_bytes", after.resident_bytes},
                           {"seconds", std::chrono::duration<double>(took).count()}});
        } else {
            write_line(printable(file.string()) + ": " +
                       size_text(after.resident_bytes, settings.bytes) + " of " +
                       size_text(after.bytes, settings.bytes) + " in memory after " +
                       duration_text(took));
        }
    }
    if (settings.json) {
        print_json(all);
    }
}

void residency(const Settings& settings, const Arguments& arguments) {
    using Align = Table::Align;
    Table table({{"FILE"},
                 {"SIZE", Align::right},
                 {"IN MEMORY", Align::right},
                 {"", Align::right},
                 {"DIRTY", Align::right},
                 {"EVICTED", Align::right}});
    Json all = Json::array();
    for (const auto& file : arguments.files) {
        const Residency found =
            part_of(open(file, arguments, ReadContext::normal), arguments).residency();
        const auto size = [&](std::uint64_t bytes) { return size_text(bytes, settings.bytes); };
        const auto known = [&](std::uint64_t bytes) {
            return found.exact ? size(bytes) : std::string("?");
        };
        const std::uint64_t inside = std::min(found.resident_bytes, found.bytes);
        table.add({printable(file.string()), size(found.bytes), size(found.resident_bytes),
                   percent_text(static_cast<double>(inside), static_cast<double>(found.bytes)),
                   known(found.dirty_bytes), known(found.evicted_bytes)});
        const auto exact = [&](std::uint64_t bytes) {
            return found.exact ? Json(bytes) : Json(nullptr);
        };
        all.push_back({{"file", file.string()},
                       {"bytes", found.bytes},
                       {"resident_bytes", found.resident_bytes},
                       {"dirty_bytes", exact(found.dirty_bytes)},
                       {"evicted_bytes", exact(found.evicted_bytes)}});
    }
    if (settings.json) {
        print_json(all);
    } else {
        table.print();
    }
}

void parse(const std::string& text, std::uint64_t& number) {
    const auto value = parse_number(text);
    if (!value) {
        throw CLI::ValidationError("\"" + text + "\" is no number of bytes");
    }
    number = *value;
}

}  // namespace

void add_file_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "file", "Look at big files through mappings: cat, checksum, preload, residency",
        "  strata file cat index.bin --offset 0x1000 --size 64 | xxd\n"
        "  strata file checksum *.bin       (XXH3-64, as xxhsum -H3 prints it)\n"
        "  strata file residency index.bin  (what the page cache has of it)\n"
        "  strata file preload index.bin    (brings it there)",
        [] {});
    command->require_subcommand(1);
    const auto add = [&](const char* name, const char* what, bool may_be_buffered, auto run) {
        CLI::App* const action = command->add_subcommand(name, what);
        action->fallthrough();
        action->add_option("file", arguments->files, "Paths of files")
            ->required()
            ->type_name("FILE");
        action
            ->add_option_function<std::string>(
                "-o,--offset",
                [arguments](const std::string& text) { parse(text, arguments->offset); },
                "First byte; decimal, or hexadecimal with 0x")
            ->type_name("BYTES");
        action
            ->add_option_function<std::string>(
                "-s,--size",
                [arguments](const std::string& text) { parse(text, arguments->size.emplace()); },
                "So many bytes; up to the end if not given")
            ->type_name("BYTES");
        action
            ->add_option("--chunk-power", arguments->chunk_power,
                         "Map in chunks of 2^N bytes, 20 to 40")
            ->capture_default_str()
            ->type_name("N");
        if (may_be_buffered) {
            action->add_flag("--buffered", arguments->buffered,
                             "Read by system calls, map nothing");
        }
        action->callback(run);
    };
    add("cat", "Write a file, or a part of it, to standard output", true,
        [arguments] { cat(*arguments); });
    add("checksum", "XXH3-64 of files", true,
        [&settings, arguments] { checksum(settings, *arguments); });
    add("preload", "Bring files into memory", false,
        [&settings, arguments] { preload(settings, *arguments); });
    add("residency", "How much of files is in memory", false,
        [&settings, arguments] { residency(settings, *arguments); });
}

}  // namespace strata::tools

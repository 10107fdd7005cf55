// SPDX-License-Identifier: Apache-2.0
// volume: backup, backups, restore
#include <chrono>
#include <memory>

#include "audit.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"
#include "volume.hpp"
#include "volume_stream.hpp"
#include <strata/volume_backup.hpp>

namespace strata::tools {

namespace {

using std::chrono::steady_clock;

struct Arguments {
    std::string directory;
    bool full = false;
    bool verify = false;
    bool replace = false;
    Generation generation = 0;
    std::uint64_t number = 0;
    std::optional<std::uint64_t> limit;
    StreamArguments stream;
};

std::string dimensions_text(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " dimension" : " dimensions");
}

/// Where the backups are: the directory that was given, or what the stream was that was given
/// instead.
class Backups {
public:
    Backups(const Settings& settings, const VolumeArguments& volume, const Arguments& arguments)
        : directory_(arguments.directory) {
        if (is_stream(arguments.directory)) {
            unpacked_.emplace(
                unpack(settings, arguments.directory, arguments.stream, volume.threads));
            directory_ = unpacked_->directory();
        }
    }
    const std::filesystem::path& directory() const noexcept { return directory_; }

private:
    std::filesystem::path directory_;
    std::optional<UnpackedBackup> unpacked_;
};

void run_stream(const Settings& settings, const VolumeArguments& volume,
                const Arguments& arguments) {
    if (arguments.full) {
        throw Complaint{Exit::usage, "usage", "a stream is full unless --since is given"};
    }
    VolumeArguments all = volume;
    if (!arguments.directory.empty()) {  // there is none: it is the first dimension
        all.dimensions.insert(all.dimensions.begin(), arguments.directory);
    }
    run_send(settings, all, arguments.stream);
}

void run_backup(const Settings& settings, const VolumeArguments& volume,
                const Arguments& arguments) {
    if (!arguments.stream.output.empty()) {
        run_stream(settings, volume, arguments);
        return;
    }
    if (arguments.directory.empty()) {
        throw Complaint{Exit::usage, "usage", "where to? a directory of backups, or --output FILE"};
    }
    const auto started = steady_clock::now();
    const StorePlace place = store_place(settings, volume);
    Consumer consumer = attach(settings, place);
    BackupOptions options{.dimensions = parse_dimensions(volume.dimensions),
                          .full = arguments.full,
                          .threads = volume.threads,
                          .audit = audit_log(settings)};
    BackupReport report;
    {
        TransferBar bar(settings);
        options.progress = bar.progress();
        report = backup_store(consumer, arguments.directory, options);
    }
    if (settings.json) {
        print_json({{"number", report.number},
                    {"made", report.made},
                    {"path", report.path.string()},
                    {"generation", report.generation},
                    {"dimensions", report.dimensions},
                    {"written", report.written},
                    {"layers", report.layers},
                    {"removed", report.removed},
                    {"content_bytes", report.content_bytes},
                    {"region_bytes", report.region_bytes}});
        return;
    }
    const std::string which = "backup " + std::to_string(report.number);
    if (!report.made) {
        write_line(which + " has generation " + std::to_string(report.generation) +
                   " already: nothing to do");
        return;
    }
    write_line(which + ", generation " + std::to_string(report.generation) + ": " +
               std::to_string(report.written) + " of " + dimensions_text(report.dimensions) +
               " changed, " + std::to_string(report.layers) + " layers, " +
               std::to_string(report.removed) + " removed, " +
               size_text(report.content_bytes, settings.bytes) + " in " +
               duration_text(steady_clock::now() - started));
}

void run_verify(const Settings& settings, const VolumeArguments& volume,
                const Arguments& arguments) {
    const auto started = steady_clock::now();
    const Backups backups(settings, volume, arguments);
    VolumeReport report;
    {
        TransferBar bar(settings);
        report = verify_backups(backups.directory(),
                                {.dimensions = parse_dimensions(volume.dimensions),
                                 .threads = volume.threads,
                                 .progress = bar.progress()},
                                arguments.number);
    }
    tell_volume_report(settings, report, steady_clock::now() - started);
}

void run_backups(const Settings& settings, const VolumeArguments& volume,
                 const Arguments& arguments) {
    if (arguments.verify) {
        run_verify(settings, volume, arguments);
        return;
    }
    const Backups place(settings, volume, arguments);
    const std::vector<BackupInfo> backups = list_backups(place.directory());
    if (settings.json) {
        JsonList list;
        for (const BackupInfo& info : backups) {
            list.add({{"number", info.number},
                      {"path", info.path.string()},
                      {"store", info.store},
                      {"store_id", info.store_id},
                      {"generation", info.generation},
                      {"published_at", info.published_at},
                      {"made_at", info.made_at},
                      {"complete", info.complete},
                      {"dimensions", info.dimensions},
                      {"layers", info.layers},
                      {"archive_bytes", info.archive_bytes},
                      {"builds_on", info.builds_on}});
        }
        list.end();
        return;
    }
    constexpr auto right = Table::Align::right;
    Table table({{"NUMBER", right},
                 {"STORE"},
                 {"GENERATION", right},
                 {"DIMENSIONS", right},
                 {"LAYERS", right},
                 {"BYTES", right},
                 {"BUILDS ON"},
                 {"MADE"}});
    for (const BackupInfo& info : backups) {
        std::string bases;
        for (const std::uint64_t number : info.builds_on) {
            bases += (bases.empty() ? "" : ",") + std::to_string(number);
        }
        table.add({std::to_string(info.number), printable(info.store),
                   std::to_string(info.generation),
                   std::to_string(info.dimensions) + (info.complete ? "" : " of more"),
                   std::to_string(info.layers), size_text(info.archive_bytes, settings.bytes),
                   bases.empty() ? "-" : bases, printable(info.made_at)});
    }
    table.print();
}

bool is_there(const StorePlace& place) {
    try {
        static_cast<void>(inspect(place.name, place.base));
        return true;
    } catch (const Error& error) {
        if (error.code() == Errc::store_not_found) {
            return false;
        }
        throw;
    }
}

void run_restore(const Settings& settings, const VolumeArguments& volume,
                 const Arguments& arguments) {
    const auto started = steady_clock::now();
    const StorePlace place = store_place(settings, volume);
    const Backups backups(settings, volume, arguments);
    RestoreOptions options{.number = arguments.number,
                           .generation = arguments.generation,
                           .dimensions = parse_dimensions(volume.dimensions),
                           .replace = arguments.replace,
                           .memory_limit = arguments.limit.value_or(0),
                           .threads = volume.threads,
                           .audit = audit_log(settings)};
    RestoreReport report;
    {
        TransferBar bar(settings);
        options.progress = bar.progress();
        if (!options.dimensions.empty() && !arguments.replace && is_there(place)) {
            Producer producer = producer_of(settings, place, volume);
            report = restore_dimensions(backups.directory(), producer, options);
        } else {
            report = restore_store(backups.directory(), place.name, place.base, options);
        }
    }
    if (settings.json) {
        print_json({{"number", report.number},
                    {"backed_up_generation", report.backed_up_generation},
                    {"generation", report.generation},
                    {"dimensions", report.dimensions},
                    {"layers", report.layers},
                    {"content_bytes", report.content_bytes}});
        return;
    }
    write_line("restored backup " + std::to_string(report.number) + ", generation " +
               std::to_string(report.backed_up_generation) + ", as generation " +
               std::to_string(report.generation) + " of " +
               printable((place.base / place.name).string()) + ": " +
               dimensions_text(report.dimensions) + ", " + std::to_string(report.layers) +
               " layers, " + size_text(report.content_bytes, settings.bytes) + " in " +
               duration_text(steady_clock::now() - started));
}

CLI::Option* add_directory(CLI::App* command, Arguments& arguments, VolumeArguments& volume,
                           const char* what) {
    CLI::Option* const directory =
        command->add_option("directory", arguments.directory, what)->type_name("DIR");
    command
        ->add_option("dimension", volume.dimensions,
                     "Numbers, D01, or names of core dimensions; all if none is given")
        ->type_name("DIMENSION");
    add_number<unsigned>(command, "--threads", volume.threads,
                         "At most so many; one for each processor if not given",
                         {.least = 1, .most = 1024});
    return directory;
}

constexpr const char* backups_or_stream =
    "Directory of the backups, or a whole backup's stream: a file, or - for standard input";

void add_which(CLI::App* command, Arguments& arguments) {
    add_number<std::uint64_t>(command, "--number", arguments.number, "The backup of this number",
                              {.least = 1});
}

}  // namespace

void add_volume_backup_commands(CLI::App* volume, Settings& settings,
                                VolumeArguments& volume_arguments) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const backup = add_volume_command(
        volume, "backup", "Back up a live store: what has changed since the backup before",
        [&settings, &volume_arguments, arguments] {
            run_backup(settings, volume_arguments, *arguments);
        });
    add_directory(backup, *arguments, volume_arguments,
                  "Directory of the backups; not with --output");
    add_output_options(backup, arguments->stream);
    backup->add_flag("--full", arguments->full, "Everything, so that no older one is needed");

    CLI::App* const backups = add_volume_command(
        volume, "backups", "List backups, or check every file of them; exit code 4 if damaged",
        [&settings, &volume_arguments, arguments] {
            run_backups(settings, volume_arguments, *arguments);
        });
    add_directory(backups, *arguments, volume_arguments, backups_or_stream)->required();
    add_unpack_options(backups, arguments->stream);
    add_which(backups, *arguments);
    backups->add_flag("--verify", arguments->verify, "Read everything and compare all checksums");

    CLI::App* const restore = add_volume_command(
        volume, "restore",
        "Make a store out of a backup; or put dimensions of it back into one that is there",
        [&settings, &volume_arguments, arguments] {
            run_restore(settings, volume_arguments, *arguments);
        });
    add_directory(restore, *arguments, volume_arguments, backups_or_stream)->required();
    add_unpack_options(restore, arguments->stream);
    add_which(restore, *arguments);
    add_number<Generation>(restore, "--generation", arguments->generation,
                           "The newest backup of this generation", {.least = 1});
    restore->add_flag("--replace", arguments->replace,
                      "Take the place of a store of that name, at once");
    add_optional_size(restore, "--limit", arguments->limit,
                      "Memory limit of the store that is made; as it was if not given", 128_KiB);
}

}  // namespace strata::tools

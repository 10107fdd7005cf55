// SPDX-License-Identifier: Apache-2.0
// volume: backups as streams, out of a live store and into a directory
#include "volume_stream.hpp"

#include <chrono>
#include <cstdio>
#include <memory>

#include "audit.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "terminal.hpp"
#include "text.hpp"
#include "volume.hpp"

namespace strata::tools {

namespace {

using std::chrono::steady_clock;

constexpr const char* standard_stream = "-";
constexpr const char* format_names[] = {"tar", "tar.gz", "tar.zst"};

StreamFormat format_of(const StreamArguments& arguments) {
    const auto called = [&](std::string_view end) {
        return arguments.format.empty() ? arguments.output.ends_with(end)
                                        : "." + arguments.format == end;
    };
    return called(".tar.gz") || called(".tgz")     ? StreamFormat::tar_gz
           : called(".tar.zst") || called(".tzst") ? StreamFormat::tar_zst
                                                   : StreamFormat::tar;
}

// Where standard output has the stream, as other tools do it: beside the stream.
void write_note(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fputc('\n', stderr);
}

// Standard input and output have these numbers, whatever is behind them.
constexpr int input_descriptor = 0;
constexpr int output_descriptor = 1;

BackupReport send(Consumer& consumer, const StreamArguments& arguments,
                  const SendOptions& options) {
    return arguments.output == standard_stream
               ? send_backup(consumer, output_descriptor, options)
               : send_backup(consumer, std::filesystem::path(arguments.output), options);
}

BackupReport receive(const std::string& from, const std::string& directory,
                     const ReceiveOptions& options) {
    return from == standard_stream
               ? receive_backup(input_descriptor, directory, options)
               : receive_backup(std::filesystem::path(from), directory, options);
}

void refuse_terminal(bool terminal, const char* what) {
    if (terminal) {
        throw Complaint{Exit::usage, "usage",
                        std::string("a backup is nothing for a terminal: ") + what};
    }
}

}  // namespace

bool is_stream(const std::string& place) {
    std::error_code error;
    return place == standard_stream || std::filesystem::is_regular_file(place, error);
}

UnpackedBackup unpack(const Settings& settings, const std::string& stream,
                      const StreamArguments& arguments, unsigned threads) {
    TransferBar bar(settings);
    const ReceiveOptions options{
        .max_bytes = arguments.most, .threads = threads, .progress = bar.progress()};
    if (stream != standard_stream) {
        return UnpackedBackup(std::filesystem::path(stream), arguments.scratch, options);
    }
    refuse_terminal(input_is_terminal(), "standard input has to be a stream");
    return UnpackedBackup(input_descriptor, arguments.scratch, options);
}

void run_send(const Settings& settings, const VolumeArguments& volume,
              const StreamArguments& arguments) {
    const auto started = steady_clock::now();
    const bool to_output = arguments.output == standard_stream;
    if (to_output) {
        refuse_terminal(output_is_terminal(), "redirect standard output, or --output FILE");
    }
    const StorePlace place = store_place(settings, volume);
    Consumer consumer = attach(settings, place);
    SendOptions options{.dimensions = parse_dimensions(volume.dimensions),
                        .since = arguments.since,
                        .format = format_of(arguments),
                        .threads = volume.threads,
                        .audit = audit_log(settings)};
    BackupReport report;
    {
        TransferBar bar(settings);
        options.progress = bar.progress();
        report = send(consumer, arguments, options);
    }
    const auto tell = to_output ? write_note : write_line;
    if (settings.json) {
        const Json json = {
            {"number", report.number},         {"path", report.path.string()},
            {"generation", report.generation}, {"dimensions", report.dimensions},
            {"written", report.written},       {"layers", report.layers},
            {"removed", report.removed},       {"content_bytes", report.content_bytes}};
        tell(json_text(json, !to_output));
        return;
    }
    tell("backup " + std::to_string(report.number) + ", generation " +
         std::to_string(report.generation) + ", " +
         (to_output ? "written" : "in " + printable(arguments.output)) + ": " +
         std::to_string(report.layers) + " layers, " +
         size_text(report.content_bytes, settings.bytes) + " in " +
         duration_text(steady_clock::now() - started));
}

namespace {

void run_receive(const Settings& settings, const VolumeArguments& volume,
                 const StreamArguments& arguments, const std::string& directory) {
    const auto started = steady_clock::now();
    if (arguments.input == standard_stream) {
        refuse_terminal(input_is_terminal(), "standard input has to be a stream, or --input FILE");
    }
    BackupReport report;
    {
        TransferBar bar(settings);
        report = receive(arguments.input, directory,
                         {.max_bytes = arguments.most,
                          .threads = volume.threads,
                          .progress = bar.progress(),
                          .audit = audit_log(settings)});
    }
    if (settings.json) {
        print_json({{"number", report.number},
                    {"made", report.made},
                    {"path", report.path.string()},
                    {"generation", report.generation},
                    {"dimensions", report.dimensions},
                    {"layers", report.layers},
                    {"content_bytes", report.content_bytes}});
        return;
    }
    const std::string which = "backup " + std::to_string(report.number) + ", generation " +
                              std::to_string(report.generation);
    write_line(report.made ? which + ": " + std::to_string(report.layers) + " layers, " +
                                 size_text(report.content_bytes, settings.bytes) +
                                 ", verified, in " + duration_text(steady_clock::now() - started)
                           : which + ", is there already: nothing to do");
}

}  // namespace

void add_output_options(CLI::App* command, StreamArguments& arguments) {
    CLI::Option* const output = command->add_option(
        "--output", arguments.output,
        "No directory: one stream, to this file or to standard output (-), of everything");
    output->type_name("FILE");
    command
        ->add_option("--since", arguments.since,
                     "In the stream only what has changed since the newest backup in DIR")
        ->type_name("DIR")
        ->needs(output);
    command
        ->add_option("--format", arguments.format,
                     "Of the stream: tar, tar.gz, tar.zst; as the file's name says if not given")
        ->type_name("FORMAT")
        ->check(CLI::IsMember(
            std::vector<std::string>(std::begin(format_names), std::end(format_names))))
        ->needs(output);
}

void add_unpack_options(CLI::App* command, StreamArguments& arguments) {
    command
        ->add_option("--scratch", arguments.scratch,
                     "Where a stream is unpacked meanwhile; TMPDIR if not given")
        ->type_name("DIR");
    add_size(command, "--most", arguments.most,
             "Refuse a stream that unpacks to more; what is free if not given", 1);
}

void add_volume_stream_commands(CLI::App* volume, Settings& settings,
                                VolumeArguments& volume_arguments) {
    auto arguments = std::make_shared<StreamArguments>();
    auto directory = std::make_shared<std::string>();
    arguments->input = standard_stream;
    CLI::App* const receive = add_volume_command(
        volume, "receive", "Put a backup that comes as a stream into a directory, verified",
        [&settings, &volume_arguments, arguments, directory] {
            run_receive(settings, volume_arguments, *arguments, *directory);
        });
    receive->add_option("directory", *directory, "Directory of the backups")
        ->required()
        ->type_name("DIR");
    receive->add_option("--input", arguments->input, "The stream; standard input (-) if not given")
        ->type_name("FILE");
    add_size(receive, "--most", arguments->most,
             "Refuse a stream that unpacks to more; what is free if not given", 1);
    add_number<unsigned>(receive, "--threads", volume_arguments.threads,
                         "At most so many; one for each processor if not given",
                         {.least = 1, .most = 1024});
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// volume: init, clean
#include "volume.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>

#include "audit.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

volatile std::sig_atomic_t cancelled = 0;
constexpr std::array<int, 3> signals = {SIGINT, SIGTERM, SIGHUP};
std::array<struct sigaction, signals.size()> actions_before{};
struct sigaction pipe_action_before {};

void init(const Settings& settings, const VolumeArguments& arguments) {
    InitReport report;
    VolumeOptions options = volume_options(arguments);
    options.audit = audit_log(settings);
    const Volume volume = Volume::init(options, {.populate = arguments.flag}, &report);
    if (settings.json) {
        print_json({{"volume", volume.path().string()},
                    {"created", report.created},
                    {"populated_bytes", report.populated_bytes}});
        return;
    }
    for (const std::string& name : report.created) {
        write_line("made " + printable(name));
    }
    write_line(printable(volume.path().string()) +
               (report.created.empty() ? ": nothing was missing" : ": ready"));
}

void clean(const Settings& settings, const VolumeArguments& arguments) {
    const Volume volume =
        arguments.flag ? open_volume(arguments) : open_volume(settings, arguments);
    const CleanReport report = volume.clean(arguments.flag);
    if (settings.json) {
        print_json({{"dry_run", arguments.flag},
                    {"removed", report.removed},
                    {"freed_bytes", report.freed_bytes}});
        return;
    }
    const std::string verb = arguments.flag ? "would remove " : "removed ";
    for (const std::string& name : report.removed) {
        write_line(verb + printable(name));
    }
    write_line((arguments.flag ? "would free " : "freed ") +
               size_text(report.freed_bytes, settings.bytes));
}

}  // namespace

Cancellation::Cancellation() {
    cancelled = 0;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        struct sigaction action {};
        action.sa_handler = [](int signal) { cancelled = signal; };
        ::sigaction(signals[i], &action, &actions_before[i]);
    }
    struct sigaction ignored {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignored, &pipe_action_before);
}

Cancellation::~Cancellation() {
    for (std::size_t i = 0; i < signals.size(); ++i) {
        ::sigaction(signals[i], &actions_before[i], nullptr);
    }
    ::sigaction(SIGPIPE, &pipe_action_before, nullptr);
}

void Cancellation::check() {
    if (cancelled != 0) {
        throw Complaint{Exit::failed, "cancelled", "cancelled; nothing half-made stays"};
    }
}

VolumeOptions volume_options(const VolumeArguments& arguments) {
    VolumeOptions options = VolumeOptions::from_environment();
    if (!arguments.path.empty()) {
        options.base_path = arguments.path;
    }
    if (arguments.max_size != 0) {
        options.max_size = arguments.max_size;
        options.initial_size = std::min(options.initial_size, options.max_size);
    }
    if (options.base_path.empty()) {
        throw Complaint{Exit::usage, "usage", "which volume? --volume DIR, or MMAP_BASE_PATH"};
    }
    return options;
}

Volume open_volume(const VolumeArguments& arguments) {
    return Volume::open(volume_options(arguments));
}

Volume open_volume(const Settings& settings, const VolumeArguments& arguments) {
    VolumeOptions options = volume_options(arguments);
    options.audit = audit_log(settings);
    return Volume::open(options);
}

std::vector<Dimension> parse_dimensions(const std::vector<std::string>& texts) {
    std::vector<Dimension> dimensions;
    for (const std::string& text : texts) {
        const auto core = std::ranges::find(core_dimension_names, text);
        const bool folder = text.size() > 1 && text.starts_with('D');
        const auto number =
            core != core_dimension_names.end()
                ? std::optional(static_cast<std::uint64_t>(core - core_dimension_names.begin()) + 1)
                : parse_number(folder ? text.substr(1) : text);
        if (!number || *number > std::numeric_limits<Dimension>::max()) {
            throw Complaint{
                Exit::usage, "usage",
                "\"" + printable(text) +
                    "\" is no dimension: a number, D01, or the name of a core dimension"};
        }
        dimensions.push_back(static_cast<Dimension>(*number));
    }
    return dimensions;
}

StorePlace store_place(const Settings& settings, const VolumeArguments& arguments,
                       const Volume& volume) {
    if (arguments.store.empty()) {
        return {std::string(volume_store_name), volume.live_path()};
    }
    return {arguments.store, settings.base};
}

StorePlace store_place(const Settings& settings, const VolumeArguments& arguments) {
    return arguments.store.empty() ? store_place(settings, arguments, open_volume(arguments))
                                   : StorePlace{arguments.store, settings.base};
}

Consumer attach(const Settings& settings, const StorePlace& place) {
    Settings there = settings;
    there.base = place.base;
    return attach(there, place.name);
}

CLI::App* add_volume_command(CLI::App* volume, const std::string& name, const std::string& what,
                             std::function<void()> run) {
    CLI::App* const command = volume->add_subcommand(name, what);
    command->callback(std::move(run));
    command->fallthrough();
    return command;
}

void add_volume_layout_commands(CLI::App* volume, Settings& settings, VolumeArguments& arguments) {
    add_volume_command(volume, "init", "Make a volume, or what is missing of one", [&] {
        init(settings, arguments);
    })->add_flag("--populate", arguments.flag, "Read all archives into memory");
    add_volume_command(volume, "clean", "Empty temp/ and remove what crashes left half made", [&] {
        clean(settings, arguments);
    })->add_flag("-n,--dry-run", arguments.flag, "Only say what would go");
}

void add_volume_commands(CLI::App& app, Settings& settings) {
    // Lives as long as the parser, in the callbacks' captures.
    auto arguments = std::make_shared<VolumeArguments>();
    CLI::App* const volume = add_command(
        app, "volume", "Archives of dimensions on disk, and their way into a live store and back",
        "  strata volume init --volume /srv/volume\n"
        "  strata volume export --store market Emotion Social --max-size 1GiB\n"
        "  strata volume load D05\n"
        "  strata volume backup /srv/backups --store market\n"
        "  strata volume restore /srv/backups --store market --generation 42 --replace\n"
        "  strata volume backup --store market --output - | ssh there strata volume receive DIR\n"
        "MMAP_BASE_PATH, MMAP_INITIAL_SIZE and MMAP_MAX_SIZE in the environment are its defaults.\n"
        "Without --store the volume's own live store is meant, live/consciousness in it.",
        [arguments] {});
    volume->require_subcommand(1);
    volume->add_option("-V,--volume", arguments->path, "Directory of the volume; MMAP_BASE_PATH")
        ->type_name("DIR");
    volume->add_option("--store", arguments->store, "A live store under the base directory")
        ->type_name("STORE");
    add_size(volume, "--max-size", arguments->max_size,
             "Largest region of a dimension; MMAP_MAX_SIZE, else 10 MiB", 64_KiB);
    add_volume_layout_commands(volume, settings, *arguments);
    add_volume_transfer_commands(volume, settings, *arguments);
    add_volume_backup_commands(volume, settings, *arguments);
    add_volume_info_command(volume, settings, *arguments);
    add_volume_access_command(volume, settings, *arguments);
    add_volume_proto_command(volume, settings, *arguments);
    add_volume_rollback_command(volume, settings, *arguments);
    add_volume_stream_commands(volume, settings, *arguments);
    add_volume_verify_command(volume, settings, *arguments);
}

}  // namespace strata::tools

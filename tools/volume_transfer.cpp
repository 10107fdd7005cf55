// SPDX-License-Identifier: Apache-2.0
// volume: export, import, load
#include <chrono>

#include "audit.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"
#include "volume.hpp"
#include <strata/volume_transfer.hpp>

namespace strata::tools {

namespace {

using std::chrono::steady_clock;

/// `12 MiB, 480 MiB/s, 2.1 s left`.
std::string rate_text(const TransferProgress& progress, steady_clock::duration took) {
    const double seconds = std::chrono::duration<double>(took).count();
    std::string text = size_text(progress.bytes);
    if (seconds > 0) {
        text +=
            ", " +
            size_text(static_cast<std::uint64_t>(static_cast<double>(progress.bytes) / seconds)) +
            "/s";
    }
    if (progress.layers > 0 && progress.layers_total > progress.layers) {
        const double rest = static_cast<double>(progress.layers_total - progress.layers) /
                            static_cast<double>(progress.layers);
        text += ", " +
                duration_text(std::chrono::duration_cast<std::chrono::nanoseconds>(took * rest)) +
                " left";
    }
    return text;
}

template <class Transfer>
void transfer(const Settings& settings, const VolumeArguments& arguments, const char* verb,
              Transfer run) {
    const auto started = steady_clock::now();
    TransferReport report;
    {
        TransferBar bar(settings);
        report = run({.dimensions = parse_dimensions(arguments.dimensions),
                      .threads = arguments.threads,
                      .progress = bar.progress()});
    }
    if (settings.json) {
        print_json({{"generation", report.generation},
                    {"dimensions", report.dimensions},
                    {"layers", report.layers},
                    {"content_bytes", report.content_bytes},
                    {"region_bytes", report.region_bytes}});
        return;
    }
    const auto took = steady_clock::now() - started;
    write_line(std::string(verb) + " generation " + std::to_string(report.generation) + ": " +
               std::to_string(report.dimensions) + " dimensions, " + std::to_string(report.layers) +
               " layers, " + size_text(report.content_bytes, settings.bytes) + " in " +
               duration_text(took));
}

void run_export(const Settings& settings, const VolumeArguments& arguments) {
    const Volume volume = open_volume(settings, arguments);
    const StorePlace place = store_place(settings, arguments, volume);
    Consumer consumer = attach(settings, place);
    const Snapshot snapshot = consumer.snapshot();
    transfer(settings, arguments, "exported", [&](const TransferOptions& options) {
        return export_dimensions(snapshot, volume, options);
    });
}

void run_import(const Settings& settings, const VolumeArguments& arguments) {
    const Volume volume = open_volume(settings, arguments);
    Producer producer = producer_of(settings, store_place(settings, arguments, volume), arguments);
    transfer(settings, arguments, "imported as", [&](const TransferOptions& options) {
        return import_dimensions(producer, volume, options);
    });
}

void add_dimensions(CLI::App* command, VolumeArguments& arguments, bool required) {
    CLI::Option* const option =
        command->add_option("dimension", arguments.dimensions,
                            "Numbers, D01, or names of core dimensions" +
                                std::string(required ? "" : "; all if none is given"));
    option->type_name("DIMENSION");
    option->required(required);
    add_number<unsigned>(command, "--threads", arguments.threads,
                         "At most so many; one for each processor if not given",
                         {.least = 1, .most = 1024});
}

}  // namespace

std::function<void(const TransferProgress&)> TransferBar::progress() {
    return [this](const TransferProgress& progress) {
        Cancellation::check();
        bar_.show(progress.layers, progress.layers_total,
                  rate_text(progress, steady_clock::now() - started_));
    };
}

Producer producer_of(const Settings& settings, const StorePlace& place,
                     const VolumeArguments& arguments) {
    ProducerOptions options;
    options.audit = audit_log(settings);
    options.base_path = place.base;
    options.memory_limit = arguments.limit;
    try {
        const StoreInfo info = inspect(place.name, place.base);
        options.memory_limit = info.memory_limit;  // opening it must not change its limit
        options.region_max_bytes = info.region_max_bytes;
    } catch (const Error& error) {
        if (error.code() != Errc::store_not_found) {
            throw;
        }
    }
    return Producer::open_or_create(place.name, options);
}

void add_volume_transfer_commands(CLI::App* volume, Settings& settings,
                                  VolumeArguments& arguments) {
    add_dimensions(
        add_volume_command(volume, "export", "Write archives of a live store's newest generation",
                           [&] { run_export(settings, arguments); }),
        arguments, false);
    for (const bool one : {false, true}) {
        CLI::App* const command = add_volume_command(
            volume, one ? "load" : "import",
            one ? "Bring dimensions from their archives into a live store"
                : "The same for all archives, or some: one generation, made if need be",
            [&] { run_import(settings, arguments); });
        add_dimensions(command, arguments, one);
        add_size(command, "--limit", arguments.limit,
                 "Memory limit of a store that is made; 280 MiB if not given", 128_KiB);
    }
}

}  // namespace strata::tools

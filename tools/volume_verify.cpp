// SPDX-License-Identifier: Apache-2.0
// volume: verify, also --salvage
#include <chrono>
#include <memory>

#include "audit.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"
#include "volume.hpp"
#include <strata/volume_verify.hpp>

namespace strata::tools {

namespace {

struct Arguments {
    std::string salvage;
    std::uint64_t max_failures = 100;
};

Json to_json(const VolumeReport& report) {
    Json failures = Json::array();
    for (const VolumeFailure& failure : report.failures) {
        failures.push_back(
            {{"path", failure.path.string()},
             {"dimension", failure.dimension ? Json(*failure.dimension) : Json(nullptr)},
             {"layer", failure.layer ? Json(*failure.layer) : Json(nullptr)},
             {"what", failure.what}});
    }
    return {{"ok", report.ok()},
            {"dimensions", report.dimensions},
            {"layers", report.layers},
            {"content_bytes", report.content_bytes},
            {"live_stores", report.live_stores},
            {"live_layers", report.live_layers},
            {"failure_count", report.failure_count},
            {"failures", std::move(failures)}};
}

std::string failure_text(const VolumeFailure& failure) {
    std::string text = printable(failure.path.string());
    if (failure.dimension) {
        text += ", dimension " + std::to_string(*failure.dimension);
    }
    if (failure.layer && !failure.what.starts_with("layer ")) {
        text += ", layer " + std::to_string(*failure.layer);
    }
    return text + ": " + printable(failure.what);
}

void run(const Settings& settings, const VolumeArguments& volume_arguments,
         const Arguments& arguments) {
    const auto started = std::chrono::steady_clock::now();
    const Volume volume = open_volume(volume_arguments);
    VolumeReport report;
    {
        TransferBar bar(settings);
        const VolumeVerifyOptions options{
            .dimensions = parse_dimensions(volume_arguments.dimensions),
            .threads = volume_arguments.threads,
            .max_failures = arguments.max_failures,
            .progress = bar.progress()};
        if (arguments.salvage.empty()) {
            report = verify_volume(volume, options);
        } else {
            VolumeOptions target = volume.options();
            target.base_path = arguments.salvage;
            target.audit = audit_log(settings);
            report = salvage_volume(volume, Volume::init(target), options);
        }
    }
    tell_volume_report(settings, report, std::chrono::steady_clock::now() - started);
}

}  // namespace

void tell_volume_report(const Settings& settings, const VolumeReport& report,
                        std::chrono::steady_clock::duration took) {
    if (settings.json) {
        print_json(to_json(report));
    } else {
        for (const VolumeFailure& failure : report.failures) {
            write_line(failure_text(failure));
        }
        if (report.failure_count > report.failures.size()) {
            write_line("... and " + std::to_string(report.failure_count - report.failures.size()) +
                       " more");
        }
        write_line(
            std::to_string(report.dimensions) + " archives, " + std::to_string(report.layers) +
            " layers, " + size_text(report.content_bytes, settings.bytes) + " sound, " +
            std::to_string(report.live_stores) + " live stores, in " + duration_text(took) + ": " +
            (report.ok() ? "no damage" : std::to_string(report.failure_count) + " failures"));
    }
    if (!report.ok()) {
        throw Ended{Exit::damaged};
    }
}

void add_volume_verify_command(CLI::App* volume, Settings& settings,
                               VolumeArguments& volume_arguments) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_volume_command(
        volume, "verify",
        "Check layout, modes, every archive and live store; exit code 4 if damaged",
        [&settings, &volume_arguments, arguments] { run(settings, volume_arguments, *arguments); });
    command
        ->add_option("dimension", volume_arguments.dimensions,
                     "Numbers, D01, or names of core dimensions; all if none is given")
        ->type_name("DIMENSION");
    command
        ->add_option("--salvage", arguments->salvage,
                     "Write what is sound of the archives into this other volume, made if need be")
        ->type_name("DIR");
    add_number<std::uint64_t>(command, "--max-failures", arguments->max_failures,
                              "Name so many; all are counted", {.least = 0})
        ->default_str("100");
    add_number<unsigned>(command, "--threads", volume_arguments.threads,
                         "At most so many; one for each processor if not given",
                         {.least = 1, .most = 1024});
}

}  // namespace strata::tools

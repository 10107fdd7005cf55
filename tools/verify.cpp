// SPDX-License-Identifier: Apache-2.0
// verify
#include <chrono>
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    std::string store;
    std::vector<std::string> dimensions;
    WhichGeneration generation;
    std::uint64_t max_failures = 100;
};

void merge(VerifyReport& sum, VerifyReport part, std::size_t max_failures) {
    sum.dimensions += part.dimensions;
    sum.layers += part.layers;
    sum.payload_bytes += part.payload_bytes;
    sum.failure_count += part.failure_count;
    for (VerifyFailure& failure : part.failures) {
        if (sum.failures.size() < max_failures) {
            sum.failures.push_back(std::move(failure));
        }
    }
}

Json to_json(const VerifyReport& report, const std::string& store) {
    Json failures = Json::array();
    for (const VerifyFailure& failure : report.failures) {
        failures.push_back(
            {{"file", failure.file},
             {"dimension", failure.dimension ? Json(*failure.dimension) : Json(nullptr)},
             {"layer", failure.layer ? Json(*failure.layer) : Json(nullptr)},
             {"offset", failure.offset},
             {"what", failure.what}});
    }
    return {{"store", store},
            {"generation", report.generation},
            {"ok", report.ok()},
            {"dimensions", report.dimensions},
            {"layers", report.layers},
            {"payload_bytes", report.payload_bytes},
            {"failure_count", report.failure_count},
            {"failures", std::move(failures)}};
}

std::string failure_text(const VerifyFailure& failure) {
    std::string text = printable(failure.file);
    if (failure.offset != 0) {
        text += " at " + std::to_string(failure.offset);
    }
    if (failure.dimension) {
        text += ", dimension " + std::to_string(*failure.dimension);
    }
    if (failure.layer) {
        text += ", layer " + std::to_string(*failure.layer);
    }
    return text + ": " + printable(failure.what);
}

void run(const Settings& settings, const Arguments& arguments) {
    const auto started = std::chrono::steady_clock::now();
    Consumer consumer = attach(settings, arguments.store);
    const Snapshot snapshot = snapshot_of(consumer, arguments.generation);
    VerifyReport report{.generation = snapshot.generation()};
    {
        ProgressBar bar(!settings.json);
        const VerifyOptions options{.max_failures = arguments.max_failures,
                                    .progress = [&](const VerifyProgress& progress) {
                                        bar.show(progress.layers, progress.layers_total,
                                                 size_text(progress.payload_bytes));
                                    }};
        if (arguments.dimensions.empty()) {
            report = verify(snapshot, options);
        }
        for (const std::string& text : arguments.dimensions) {
            merge(report, verify(snapshot, find_dimension(snapshot, text), options),
                  arguments.max_failures);
        }
    }
    const auto took = std::chrono::steady_clock::now() - started;
    if (settings.json) {
        print_json(to_json(report, arguments.store));
    } else {
        for (const VerifyFailure& failure : report.failures) {
            write_line(failure_text(failure));
        }
        if (report.failure_count > report.failures.size()) {
            write_line("... and " + std::to_string(report.failure_count - report.failures.size()) +
                       " more");
        }
        write_line(
            "generation " + std::to_string(report.generation) + ": " +
            std::to_string(report.dimensions) + " dimensions, " + std::to_string(report.layers) +
            " layers, " + size_text(report.payload_bytes, settings.bytes) + " in " +
            duration_text(took) + ": " +
            (report.ok() ? "no damage" : std::to_string(report.failure_count) + " failures"));
    }
    if (!report.ok()) {
        throw Ended{Exit::damaged};
    }
}

}  // namespace

void add_verify_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "verify", "Check every record, index and layer; exit code 4 if something is damaged",
        "  strata verify market\n"
        "  strata verify market Emotion Social --json",
        [&settings, arguments] { run(settings, *arguments); });
    add_store(command, arguments->store);
    command
        ->add_option("dimension", arguments->dimensions, "Numbers or names; all if none is given")
        ->type_name("DIMENSION");
    add_generation(command, arguments->generation);
    add_number<std::uint64_t>(command, "--max-failures", arguments->max_failures,
                              "Name so many; all are counted", {.least = 0})
        ->default_str("100");
}

}  // namespace strata::tools

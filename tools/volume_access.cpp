// SPDX-License-Identifier: Apache-2.0
// volume: access
#include <cstdio>
#include <memory>

#include "json.hpp"
#include "text.hpp"
#include "volume.hpp"
#include <strata/volume_access.hpp>

namespace strata::tools {

namespace {

const char* role_name(VolumeRole role) {
    return role == VolumeRole::producer ? "producer" : "consumer";
}

std::string mode_text(std::uint32_t mode) {
    char text[16];
    std::snprintf(text, sizeof(text), "%04o", mode);
    return text;
}

Json to_json(const AccessReport& report) {
    Json places = Json::array();
    for (const VolumePlace& place : report.places) {
        Json json = {{"path", place.path.string()}, {"found", place.found}};
        if (place.found) {
            json["owner"] = place.owner;
            json["group"] = place.group;
            json["mode"] = mode_text(place.mode);
            json["file_system"] = place.file_system;
            json["mount_point"] = place.mount_point;
            json["mount_options"] = place.mount_options;
            json["read_only"] = place.read_only;
            json["no_exec"] = place.no_exec;
        }
        places.push_back(std::move(json));
    }
    Json steps = Json::array();
    for (const AccessStep& step : report.steps) {
        steps.push_back({{"role", role_name(step.role)},
                         {"what", step.what},
                         {"path", step.path.string()},
                         {"ok", !step.error.has_value()},
                         {"error", step.error ? tools::to_json(*step.error) : Json(nullptr)}});
    }
    return {{"ok", report.ok()},
            {"user", report.user},
            {"consumer_could_write", report.consumer_could_write},
            {"places", std::move(places)},
            {"steps", std::move(steps)}};
}

void print(const AccessReport& report) {
    Table places({{"DIRECTORY"}, {"MODE"}, {"OWNER"}, {"FILE SYSTEM"}, {"MOUNTED WITH"}});
    for (const VolumePlace& place : report.places) {
        if (!place.found) {
            places.add(
                {printable(place.path.string()), {"cannot be opened", Colour::bad}, "-", "-", "-"});
            continue;
        }
        places.add({printable(place.path.string()), mode_text(place.mode),
                    std::to_string(place.owner) + ":" + std::to_string(place.group),
                    printable(place.file_system), printable(place.mount_options)});
    }
    places.print();
    std::size_t failed = 0;
    for (const AccessStep& step : report.steps) {
        failed += step.error ? 1 : 0;
        write_line(
            std::string(role_name(step.role)) + ", " + printable(step.path.string()) + ": " +
            step.what + ": " +
            (step.error ? painted(step.error->what(), Colour::bad) : painted("ok", Colour::good)));
    }
    if (report.consumer_could_write) {
        write_line(
            "user " + std::to_string(report.user) +
            " may write here: give consumers a read-only mount, or another user, to be certain");
    }
    write_line("user " + std::to_string(report.user) + ": " +
               std::to_string(report.steps.size() - failed) + " of " +
               std::to_string(report.steps.size()) + " can be done");
}

void run(const Settings& settings, const VolumeArguments& volume_arguments,
         const std::string& role) {
    const AccessReport report =
        check_access(open_volume(volume_arguments),
                     {.producer = role != "consumer", .consumer = role != "producer"});
    if (settings.json) {
        print_json(to_json(report));
    } else {
        print(report);
    }
    for (const AccessStep& step : report.steps) {
        if (step.error) {
            throw Ended{exit_of(step.error->code())};
        }
    }
}

}  // namespace

void add_volume_access_command(CLI::App* volume, Settings& settings,
                               VolumeArguments& volume_arguments) {
    auto role = std::make_shared<std::string>("both");
    CLI::App* const command = add_volume_command(
        volume, "access",
        "Try what producers and consumers do; exit code 5 if something is not permitted",
        [&settings, &volume_arguments, role] { run(settings, volume_arguments, *role); });
    command->add_option("--as", *role, "Role to try: producer, consumer or both")
        ->type_name("ROLE")
        ->check(CLI::IsMember({"producer", "consumer", "both"}))
        ->default_str("both");
}

}  // namespace strata::tools

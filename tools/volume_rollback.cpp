// SPDX-License-Identifier: Apache-2.0
// volume: rollback
#include <memory>

#include "audit.hpp"
#include "json.hpp"
#include "question.hpp"
#include "text.hpp"
#include "volume.hpp"
#include <strata/rollback.hpp>

namespace strata::tools {

namespace {

// What was published since would be gone for those who come later.
void ask(const Settings& settings, const StorePlace& place) {
    const std::string name = printable((place.base / place.name).string());
    if (!can_ask()) {
        throw Complaint{Exit::usage, "usage",
                        "to take " + name + " back without a terminal to ask on, use --force"};
    }
    const Consumer consumer = attach(settings, place);
    const std::string durable = std::to_string(consumer.durable_generation());
    if (!confirmed("strata: take " + name + " back to its durable generation " + durable +
                   ", from generation " + std::to_string(consumer.generation()) + "?")) {
        throw Complaint{Exit::failed, "refused", "nothing was changed"};
    }
}

void run(const Settings& settings, const VolumeArguments& arguments, bool force) {
    const StorePlace place = store_place(settings, arguments);
    const StoreInfo info = inspect(place.name, place.base);
    if (!force) {
        ask(settings, place);
    }
    ProducerOptions options;
    options.base_path = place.base;
    options.memory_limit = info.memory_limit;
    options.region_max_bytes = info.region_max_bytes;
    options.audit = audit_log(settings);
    const RollbackReport report = roll_back(place.name, options);
    if (settings.json) {
        print_json({{"durable", report.durable},
                    {"abandoned", report.abandoned},
                    {"generation", report.generation},
                    {"dimensions", report.dimensions},
                    {"put", report.put},
                    {"erased", report.erased},
                    {"made_durable", report.made_durable}});
        return;
    }
    if (report.generation == report.abandoned) {
        write_line("generation " + std::to_string(report.generation) +
                   " is what was durable: nothing to do");
        return;
    }
    write_line("generation " + std::to_string(report.generation) + " is as generation " +
               std::to_string(report.durable) + " was: " + std::to_string(report.dimensions) +
               " dimensions changed, " + std::to_string(report.put) + " layers put back, " +
               std::to_string(report.erased) + " erased" +
               (report.made_durable ? "" : "; a flush has failed before, so it is not durable"));
}

}  // namespace

void add_volume_rollback_command(CLI::App* volume, Settings& settings, VolumeArguments& arguments) {
    auto force = std::make_shared<bool>(false);
    add_volume_command(volume, "rollback",
                       "Publish a live store's durable generation again, as the next one",
                       [&settings, &arguments, force] { run(settings, arguments, *force); })
        ->add_flag("-f,--force", *force, "Do not ask");
}

}  // namespace strata::tools

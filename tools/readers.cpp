// SPDX-License-Identifier: Apache-2.0
// readers
#include "readers.hpp"

#include <algorithm>
#include <memory>

#include "console.hpp"
#include "processes.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

void show(const Settings& settings, const std::string& store) {
    const StoreInfo info = inspect(store, settings.base);
    const StoreStatistics numbers = statistics(store, settings.base);
    const std::vector<Reader> list = readers_of(settings, info, numbers);
    if (settings.json) {
        Json json = Json::array();
        for (const Reader& reader : list) {
            json.push_back(to_json(reader));
        }
        print_json({{"store", store},
                    {"generation", info.generation},
                    {"epoch", info.epoch},
                    {"held_bytes", numbers.limbo_held_bytes},
                    {"sampled_peak_readers", numbers.sampled_peak_readers},
                    {"readers", std::move(json)}});
        return;
    }
    using enum Table::Align;
    Table table({{"PID", right},
                 {"COMMAND"},
                 {"EPOCH", right},
                 {"BEHIND", right},
                 {"GENERATION"},
                 {"FOR", right},
                 {"HOLDS BACK", right}});
    for (const Reader& reader : list) {
        table.add({pid_text(reader), command_text(reader), std::to_string(reader.epoch),
                   std::to_string(reader.behind), reader.old ? "older" : "recent",
                   reader.age ? duration_text(*reader.age) : "-",
                   reader.held_bytes ? size_text(*reader.held_bytes, settings.bytes) : "-"});
    }
    if (!list.empty()) {
        table.print();
    }
    write_line(std::to_string(list.size()) + (list.size() == 1 ? " reader" : " readers") +
               " at epoch " + std::to_string(info.epoch) + ", generation " +
               std::to_string(info.generation) + "; " +
               size_text(numbers.limbo_held_bytes, settings.bytes) + " held back");
}

}  // namespace

std::vector<Reader> readers_of(const Settings& settings, StoreInfo info,
                               const StoreStatistics& statistics) {
    find_reader_processes(info.readers, info.name, settings.base);
    std::vector<Reader> readers;
    const auto behind =
        std::count_if(info.readers.begin(), info.readers.end(),
                      [&](const ReaderInfo& reader) { return reader.epoch < info.epoch; });
    for (const ReaderInfo& pin : info.readers) {
        Reader reader{.pid = pin.pid,
                      .process = pin.process,
                      .command = pin.process ? command_of(*pin.process) : "",
                      .epoch = pin.epoch,
                      .behind = info.epoch > pin.epoch ? info.epoch - pin.epoch : 0,
                      .old = pin.epoch < info.published_epoch};
        if (reader.behind > 0) {
            if (statistics.oldest_pinned_epoch == pin.epoch) {
                reader.age = statistics.oldest_pin_age;
            }
            if (behind == 1) {
                reader.held_bytes = statistics.limbo_held_bytes;
            }
        }
        readers.push_back(std::move(reader));
    }
    std::stable_sort(readers.begin(), readers.end(),
                     [](const Reader& a, const Reader& b) { return a.epoch < b.epoch; });
    return readers;
}

std::string pid_text(const Reader& reader) {
    return reader.process ? std::to_string(*reader.process) : std::to_string(reader.pid) + "?";
}

std::string command_text(const Reader& reader) {
    return reader.command.empty() ? "?" : reader.command;
}

Json to_json(const Reader& reader) {
    Json json = {{"pid", reader.pid},
                 {"process", reader.process ? Json(*reader.process) : Json(nullptr)},
                 {"command", reader.command.empty() ? Json(nullptr) : Json(reader.command)},
                 {"epoch", reader.epoch},
                 {"epochs_behind", reader.behind},
                 {"older_generation", reader.old}};
    json["pin_age_seconds"] =
        reader.age ? Json(std::chrono::duration<double>(*reader.age).count()) : Json(nullptr);
    json["held_bytes"] = reader.held_bytes ? Json(*reader.held_bytes) : Json(nullptr);
    return json;
}

void add_readers_command(CLI::App& app, Settings& settings) {
    auto store = std::make_shared<std::string>();
    CLI::App* const command = add_command(
        app, "readers", "Which processes hold snapshots, how old, and what they hold back",
        "  strata readers market\n"
        "  strata readers market --json\n"
        "One line for each consumer and epoch that it holds. `N?`: the process was not found, in\n"
        "another pid namespace or of another user; N is what it calls itself. `recent`: no newer\n"
        "generation is known to be out of its reach; `older`: it keeps memory of an older one.",
        [&settings, store] { show(settings, *store); });
    add_store(command, *store);
}

}  // namespace strata::tools

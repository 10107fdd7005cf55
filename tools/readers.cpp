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
    const StoreStatistics numbers = read_statistics(settings, store);
    const std::vector<Reader> list = readers_of(info, numbers);
    if (settings.json) {
        Json json = Json::array();
        for (const Reader& reader : list) {
            json.push_back(to_json(reader));
        }
        print_json({{"store", store},
                    {"generation", info.generation},
                    {"epoch", info.epoch},
                    {"held_bytes", numbers.limbo_parked_bytes},
                    {"peak_readers", numbers.peak_readers},
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
        table.add({std::to_string(reader.pid), reader.command, std::to_string(reader.epoch),
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
               size_text(numbers.limbo_parked_bytes, settings.bytes) + " held back");
}

}  // namespace

StoreStatistics read_statistics(const Settings& settings, const std::string& store) {
    const std::uint64_t count = readers(store, settings.base).size();
    StoreStatistics result = statistics(store, settings.base);
    result.readers = count;
    return result;
}

std::vector<Reader> readers_of(const StoreInfo& info, const StoreStatistics& statistics) {
    std::vector<Reader> readers;
    const auto behind =
        std::count_if(info.readers.begin(), info.readers.end(),
                      [&](const ReaderInfo& reader) { return reader.epoch < info.epoch; });
    for (const ReaderInfo& pin : info.readers) {
        Reader reader{.pid = pin.pid,
                      .command = command_of(pin.pid),
                      .epoch = pin.epoch,
                      .behind = info.epoch > pin.epoch ? info.epoch - pin.epoch : 0,
                      .old = pin.epoch < info.published_epoch};
        if (reader.behind > 0) {
            if (statistics.oldest_pinned_epoch == pin.epoch) {
                reader.age = statistics.oldest_pin_age;
            }
            if (behind == 1) {
                reader.held_bytes = statistics.limbo_parked_bytes;
            }
        }
        readers.push_back(std::move(reader));
    }
    std::stable_sort(readers.begin(), readers.end(),
                     [](const Reader& a, const Reader& b) { return a.epoch < b.epoch; });
    return readers;
}

Json to_json(const Reader& reader) {
    Json json = {{"pid", reader.pid},
                 {"command", reader.command},
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
        "Process numbers are those of the reader's own pid namespace. `recent`: no newer\n"
        "generation is known to be out of its reach; `older`: it keeps memory of an older one.",
        [&settings, store] { show(settings, *store); });
    add_store(command, *store);
}

}  // namespace strata::tools

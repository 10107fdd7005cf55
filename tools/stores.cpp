// SPDX-License-Identifier: Apache-2.0
// ls, info, dims
#include <cstdio>
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "own_words.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

using std::chrono::system_clock;

std::string pid_text(const std::optional<std::int64_t>& pid) {
    return pid ? std::to_string(*pid) : "gone";
}

void list(const Settings& settings, bool names_only) {
    require_base(settings);
    const std::vector<std::string> names = list_stores(settings.base);
    if (names_only) {
        for (const std::string& name : names) {
            write_line(printable(name));
        }
        return;
    }
    using enum Table::Align;
    Table table({{"STORE"},
                 {"GENERATION", right},
                 {"DIMENSIONS", right},
                 {"LAYERS", right},
                 {"MEMORY", right},
                 {"LIMIT", right},
                 {"PRODUCER", right},
                 {"READERS", right},
                 {"PUBLISHED"}});
    Json stores = Json::array();
    for (const std::string& name : names) {
        try {
            const StoreInfo info = inspect(name, settings.base);
            stores.push_back(to_json(info));
            table.add(
                {printable(name),
                 std::to_string(info.generation),
                 std::to_string(info.dimensions),
                 std::to_string(info.layers),
                 {size_text(info.committed_bytes, settings.bytes),
                  info.committed_bytes * 4 >= info.memory_limit * 3 ? Colour::warning
                                                                    : Colour::none},
                 size_text(info.memory_limit, settings.bytes),
                 {pid_text(info.producer_pid), info.producer_pid ? Colour::good : Colour::faint},
                 std::to_string(info.readers.size()),
                 duration_text(system_clock::now() - info.published_at) + " ago"});
        } catch (const Error& error) {  // one bad store must not hide the others
            stores.push_back({{"store", name}, {"error", to_json(in_own_words(error))}});
            table.add({printable(name),
                       "-",
                       "-",
                       "-",
                       "-",
                       "-",
                       "-",
                       "-",
                       {std::string(to_string(error.code())) + ": " + printable(error.detail()),
                        Colour::bad}});
        }
    }
    if (settings.json) {
        print_json(stores);
    } else if (names.empty()) {
        std::fprintf(stderr, "no stores under %s\n", printable(settings.base.native()).c_str());
    } else {
        table.print();
    }
}

std::string bookmarks_text(const StoreInfo& info) {
    std::string text;
    for (const Bookmark& bookmark : info.bookmarks) {
        text += (text.empty() ? "" : ", ") + printable(bookmark.name) + " (" +
                std::to_string(bookmark.generation) + ")";
    }
    return text.empty() ? "none" : text;
}

void show_info(const Settings& settings, const std::string& store) {
    const StoreInfo info = inspect(store, settings.base);
    const std::optional<bool> used = store_in_use(store, settings.base);
    if (settings.json) {
        Json json = to_json(info);
        json["in_use"] = used ? Json(*used) : Json(nullptr);
        print_json(json);
        return;
    }
    const auto size = [&](std::uint64_t bytes) { return size_text(bytes, settings.bytes); };
    const auto now = system_clock::now();
    std::uint64_t unused = 0;
    for (const StoreFile& file : info.files) {
        unused += file.kind == StoreFile::Kind::unused ? 1 : 0;
    }
    char mode[32];
    std::snprintf(mode, sizeof(mode), "%04o, user %u", info.mode, info.owner);
    print_pairs({
        {"store", printable(info.name)},
        {"path", printable(info.path.string())},
        {"id", info.id},
        {"format version", std::to_string(info.format_version)},
        {"mode, owner", mode},
        {"created",
         time_text(info.created_at) + ", " + duration_text(now - info.created_at) + " ago"},
        {"producer", info.producer_pid ? "process " + std::to_string(*info.producer_pid) : "gone"},
        {"readers", std::to_string(info.readers.size()) + " hold a pin" +
                        (used ? *used ? "; the store is open in some process"
                                      : "; no process has the store open"
                              : "")},
        {"generation", std::to_string(info.generation) + ", published " +
                           time_text(info.published_at) + ", " +
                           duration_text(now - info.published_at) + " ago"},
        {"retained from", std::to_string(info.oldest_retained)},
        {"bookmarks", bookmarks_text(info)},
        {"epoch", std::to_string(info.epoch)},
        {"dimensions", std::to_string(info.dimensions)},
        {"layers", std::to_string(info.layers)},
        {"memory limit", size(info.memory_limit)},
        {"memory", size(info.committed_bytes) + ", " +
                       percent_text(static_cast<double>(info.committed_bytes),
                                    static_cast<double>(info.memory_limit)) +
                       " of the limit"},
        {"live", size(info.live_bytes) + ", " +
                     percent_text(static_cast<double>(info.live_bytes),
                                  static_cast<double>(info.committed_bytes)) +
                     " of the memory"},
        {"region maximum", size(info.region_max_bytes)},
        {"files", std::to_string(info.files.size()) +
                      (unused > 0 ? ", " + std::to_string(unused) + " of removed dimensions" : "")},
    });
}

struct DimensionArguments {
    std::string store;
    WhichGeneration generation;
    bool names_only = false;
};

void show_dimensions(const Settings& settings, const DimensionArguments& arguments) {
    Consumer consumer = attach(settings, arguments.store);
    const Snapshot snapshot = snapshot_of(consumer, arguments.generation);
    const std::vector<DimensionInfo> dimensions = snapshot.dimensions();
    if (arguments.names_only) {
        for (const DimensionInfo& info : dimensions) {
            write_line(std::to_string(info.dimension));
            write_line(printable(info.name));
        }
        return;
    }
    if (settings.json) {
        Json json = Json::array();
        for (const DimensionInfo& info : dimensions) {
            json.push_back(to_json(info));
        }
        print_json(json);
        return;
    }
    using enum Table::Align;
    Table table({{"DIMENSION", right},
                 {"NAME"},
                 {"LAYERS", right},
                 {"LIVE", right},
                 {"REGION", right},
                 {"CHANGED IN", right}});
    for (const DimensionInfo& info : dimensions) {
        table.add({std::to_string(info.dimension), printable(info.name),
                   std::to_string(info.layers), size_text(info.live_bytes, settings.bytes),
                   std::to_string(info.region), std::to_string(info.generation)});
    }
    table.print();
}

}  // namespace

void add_store_commands(CLI::App& app, Settings& settings) {
    auto names_only = std::make_shared<bool>(false);
    CLI::App* const ls = add_command(app, "ls", "List the stores under the base directory",
                                     "  strata ls\n"
                                     "  strata --base /tmp/volumes ls --json",
                                     [&settings, names_only] { list(settings, *names_only); });
    ls->add_flag("--names", *names_only, "Only the names, one per line");

    auto info_store = std::make_shared<std::string>();
    CLI::App* const info =
        add_command(app, "info", "Identity, producer, generation and memory of a store",
                    "  strata info market\n"
                    "  strata info market --json --bytes",
                    [&settings, info_store] { show_info(settings, *info_store); });
    add_store(info, *info_store);

    auto arguments = std::make_shared<DimensionArguments>();
    CLI::App* const dims =
        add_command(app, "dims", "List the dimensions of a store",
                    "  strata dims market\n"
                    "  strata dims market --generation 41",
                    [&settings, arguments] { show_dimensions(settings, *arguments); });
    add_store(dims, arguments->store);
    add_generation(dims, arguments->generation);
    dims->add_flag("--names", arguments->names_only, "Only numbers and names, one per line");
}

}  // namespace strata::tools

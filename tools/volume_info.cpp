// SPDX-License-Identifier: Apache-2.0
// volume: info
#include <memory>

#include "json.hpp"
#include "processes.hpp"
#include "text.hpp"
#include "volume.hpp"
#include <strata/volume_backup.hpp>
#include <strata/volume_info.hpp>

namespace strata::tools {

namespace {

using std::chrono::system_clock;

struct Arguments {
    std::string backups;
};

Json to_json(const PageFaults& faults) {
    return {{"minor", faults.minor}, {"major", faults.major}};
}

Json to_json(const VolumeFile& file) {
    Json json = {{"name", file.name},
                 {"size_bytes", file.size_bytes},
                 {"allocated_bytes", file.allocated_bytes}};
    if (file.residency) {
        json["resident_bytes"] = file.residency->resident_bytes;
        json["dirty_bytes"] =
            file.residency->exact ? Json(file.residency->dirty_bytes) : Json(nullptr);
    } else {
        json["resident_bytes"] = nullptr;
        json["why_unknown"] = file.why_unknown;
    }
    return json;
}

Json to_json(const LiveStoreInfo& store) {
    Json json = {{"store", store.name}, {"path", store.path.string()}};
    if (store.error) {
        json["error"] = tools::to_json(*store.error);
        return json;
    }
    json["generation"] = store.generation;
    json["published_at"] = rfc3339_ns(store.published_at);
    json["durable_generation"] = store.durable_generation;
    json["durability_lost"] = store.durability_lost;
    json["layers"] = store.layers;
    json["memory_limit"] = store.memory_limit;
    json["size_bytes"] = store.size_bytes;
    json["allocated_bytes"] = store.allocated_bytes;
    json["producer_pid"] = store.producer_pid ? Json(*store.producer_pid) : Json(nullptr);
    json["readers"] = store.readers;
    json["files"] = Json::array();
    for (const VolumeFile& file : store.files) {
        json["files"].push_back(to_json(file));
    }
    json["dimensions"] = Json::array();
    for (const DimensionStatistics& dimension : store.dimensions) {
        json["dimensions"].push_back({{"dimension", dimension.dimension},
                                      {"name", dimension.name},
                                      {"region", dimension.serial},
                                      {"layers", dimension.layers},
                                      {"live_bytes", dimension.live_bytes},
                                      {"generation", dimension.generation}});
    }
    json["attached"] = Json::array();
    for (const AttachedProcess& process : store.attached) {
        json["attached"].push_back(
            {{"process", process.process},
             {"command", command_of(process.process)},
             {"producer", process.producer},
             {"pins", process.pins},
             {"page_faults", process.faults ? to_json(*process.faults) : Json(nullptr)}});
    }
    return json;
}

Json to_json(const ArchiveInfo& archive) {
    Json json = {{"dimension", archive.dimension},
                 {"name", archive.name},
                 {"path", archive.path.string()},
                 {"region", to_json(archive.region)},
                 {"index", to_json(archive.index)}};
    if (archive.error) {
        json["error"] = tools::to_json(*archive.error);
        return json;
    }
    json["layers"] = archive.layers;
    json["content_bytes"] = archive.content_bytes;
    json["live_generation"] =
        archive.live_generation != 0 ? Json(archive.live_generation) : Json(nullptr);
    json["updated_at"] = archive.updated_at;
    return json;
}

std::string memory_text(const Settings& settings, const VolumeFile& file) {
    return file.residency ? size_text(file.residency->resident_bytes, settings.bytes) : "?";
}

std::string dirty_text(const Settings& settings, const VolumeFile& file) {
    return file.residency && file.residency->exact
               ? size_text(file.residency->dirty_bytes, settings.bytes)
               : "?";
}

std::string age_text(system_clock::time_point time) {
    const system_clock::duration age = system_clock::now() - time;
    return age < system_clock::duration::zero() ? "in the future" : duration_text(age) + " ago";
}

/// The numbers of the dimensions that lie in a region file.
std::string dimensions_in(const LiveStoreInfo& store, const std::string& file) {
    std::string text;
    for (const RegionStatistics& region : store.regions) {
        if (file == "region-" + std::to_string(region.serial) + ".mmap") {
            for (const DimensionStatistics& dimension : store.dimensions) {
                if (dimension.serial == region.serial) {
                    text += (text.empty() ? "" : " ") + std::to_string(dimension.dimension);
                }
            }
        }
    }
    return shortened(text, 40);
}

void print_store(const Settings& settings, const LiveStoreInfo& store) {
    const auto size = [&](std::uint64_t bytes) { return size_text(bytes, settings.bytes); };
    const std::string title = "store " + printable(store.name) + ": ";
    if (store.error) {
        write_line(title + painted(store.error->what(), Colour::bad));
        return;
    }
    write_line(title + "generation " + std::to_string(store.generation) + ", published " +
               age_text(store.published_at) + ", durable " +
               (store.durable_generation == 0 ? "none" : std::to_string(store.durable_generation)) +
               (store.durability_lost ? ", durability lost" : ""));
    write_line("  " + std::to_string(store.layers) + " layers in " +
               std::to_string(store.dimensions.size()) + " dimensions; files of " +
               size(store.size_bytes) + " take " + size(store.allocated_bytes) + " of " +
               size(store.memory_limit) + "; producer " +
               (store.producer_pid ? std::to_string(*store.producer_pid) : "gone") + ", " +
               std::to_string(store.readers) + " pins");
    using enum Table::Align;
    Table files({{"FILE"},
                 {"SIZE", right},
                 {"TAKES", right},
                 {"IN MEMORY", right},
                 {"NOT ON DISK YET", right},
                 {"DIMENSIONS"}});
    for (const VolumeFile& file : store.files) {
        files.add({printable(file.name), size(file.size_bytes), size(file.allocated_bytes),
                   memory_text(settings, file), dirty_text(settings, file),
                   dimensions_in(store, file.name)});
    }
    files.print();
    if (store.attached.empty()) {
        return;
    }
    Table processes({{"PROCESS", right},
                     {"COMMAND"},
                     {"ROLE"},
                     {"PINS", right},
                     {"PAGE FAULTS", right},
                     {"FROM DISK", right}});
    for (const AttachedProcess& process : store.attached) {
        processes.add({std::to_string(process.process), command_of(process.process),
                       process.producer ? "producer" : "consumer", std::to_string(process.pins),
                       process.faults ? std::to_string(process.faults->minor) : "?",
                       process.faults ? std::to_string(process.faults->major) : "?"});
    }
    processes.print();
}

void print_archives(const Settings& settings, const std::vector<ArchiveInfo>& archives) {
    using enum Table::Align;
    Table table({{"ARCHIVE"},
                 {"NAME"},
                 {"LAYERS", right},
                 {"SIZE", right},
                 {"TAKES", right},
                 {"IN MEMORY", right},
                 {"GENERATION", right},
                 {"WRITTEN", right}});
    for (const ArchiveInfo& archive : archives) {
        const std::string folder = archive_folder(archive.dimension);
        if (archive.error) {
            table.add({folder,
                       {std::string(to_string(archive.error->code())), Colour::bad},
                       "-",
                       "-",
                       "-",
                       "-",
                       "-",
                       "-"});
            continue;
        }
        table.add({folder, printable(archive.name), std::to_string(archive.layers),
                   size_text(archive.region.size_bytes, settings.bytes),
                   size_text(archive.region.allocated_bytes, settings.bytes),
                   memory_text(settings, archive.region),
                   archive.live_generation != 0 ? std::to_string(archive.live_generation) : "-",
                   archive.updated ? age_text(*archive.updated) : "-"});
    }
    table.print();
    for (const ArchiveInfo& archive : archives) {
        if (archive.error) {
            write_line(painted(archive.error->what(), Colour::bad));
        }
    }
}

void run(const Settings& settings, const VolumeArguments& volume_arguments,
         const Arguments& arguments) {
    const Volume volume = open_volume(volume_arguments);
    std::vector<BackupInfo> backups;
    if (!arguments.backups.empty()) {
        backups = list_backups(arguments.backups);
    }
    VolumeInfo info = volume_info(volume);
    if (!volume_arguments.store.empty()) {
        info.stores.push_back(live_store_info(volume_arguments.store, settings.base));
    }
    if (settings.json) {
        Json json = {{"volume", volume.path().string()},
                     {"stores", Json::array()},
                     {"archives", Json::array()},
                     {"own_page_faults", to_json(info.own_faults)},
                     {"backups", Json::array()}};
        for (const LiveStoreInfo& store : info.stores) {
            json["stores"].push_back(to_json(store));
        }
        for (const ArchiveInfo& archive : info.archives) {
            json["archives"].push_back(to_json(archive));
        }
        for (const BackupInfo& backup : backups) {
            json["backups"].push_back({{"number", backup.number},
                                       {"store", backup.store},
                                       {"generation", backup.generation},
                                       {"made_at", backup.made_at},
                                       {"archive_bytes", backup.archive_bytes}});
        }
        print_json(json);
        return;
    }
    for (const LiveStoreInfo& store : info.stores) {
        print_store(settings, store);
    }
    print_archives(settings, info.archives);
    for (const BackupInfo& backup : backups) {
        write_line("backup " + std::to_string(backup.number) + ": " + printable(backup.store) +
                   ", generation " + std::to_string(backup.generation) + ", made at " +
                   printable(backup.made_at) + ", " +
                   size_text(backup.archive_bytes, settings.bytes));
    }
    write_line("page faults of this command: " + std::to_string(info.own_faults.minor) + ", and " +
               std::to_string(info.own_faults.major) + " from disk");
}

}  // namespace

void add_volume_info_command(CLI::App* volume, Settings& settings,
                             VolumeArguments& volume_arguments) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_volume_command(
        volume, "info", "Sizes, what is in memory, who is attached, how old archives are",
        [&settings, &volume_arguments, arguments] { run(settings, volume_arguments, *arguments); });
    command->add_option("--backups", arguments->backups, "Also list the backups in this directory")
        ->type_name("DIR");
}

}  // namespace strata::tools

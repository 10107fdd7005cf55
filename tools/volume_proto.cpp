// SPDX-License-Identifier: Apache-2.0
// volume: proto
#include <memory>

#include "json.hpp"
#include "text.hpp"
#include "volume.hpp"
#include <strata/volume_proto.hpp>

namespace strata::tools {

namespace {

struct Arguments {
    bool crystallize = false;
    bool discard = false;
};

std::vector<Dimension> chosen(const Volume& volume, const VolumeArguments& arguments) {
    const std::vector<Dimension> named = parse_dimensions(arguments.dimensions);
    return named.empty() ? volume.proto_dimensions() : named;
}

void list(const Settings& settings, const Volume& volume, const VolumeArguments& arguments) {
    using enum Table::Align;
    Table table({{"DIMENSION", right}, {"NAME"}, {"LAYERS", right}, {"SIZE", right}, {"SAVED AT"}});
    Json json = Json::array();
    for (const Dimension dimension : chosen(volume, arguments)) {
        const ArchiveReader archive =
            ArchiveReader::open(volume.proto_path() / archive_folder(dimension));
        const ArchiveIndex& index = archive.index();
        std::uint64_t bytes = 0;
        for (const ArchivedLayer& layer : index.layers) {
            bytes += layer.content_size;
        }
        json.push_back({{"dimension", dimension},
                        {"name", index.dimension_name},
                        {"layers", index.layers.size()},
                        {"content_bytes", bytes},
                        {"updated_at", index.updated_at}});
        table.add({std::to_string(dimension), printable(index.dimension_name),
                   std::to_string(index.layers.size()), size_text(bytes, settings.bytes),
                   printable(index.updated_at)});
    }
    if (settings.json) {
        print_json(json);
    } else {
        table.print();
    }
}

void discard(const Settings& settings, const Volume& volume, const VolumeArguments& arguments) {
    const std::vector<Dimension> dimensions = chosen(volume, arguments);
    for (const Dimension dimension : dimensions) {
        remove_saved_proto_dimension(volume, dimension);
    }
    if (settings.json) {
        print_json({{"discarded", dimensions}});
    } else {
        write_line("discarded " + std::to_string(dimensions.size()));
    }
}

/// As the next producer would; each is a generation, and then not saved any more.
void crystallize(const Settings& settings, const Volume& volume, const VolumeArguments& arguments) {
    const std::vector<Dimension> dimensions = chosen(volume, arguments);
    Producer producer = producer_of(settings, store_place(settings, arguments, volume), arguments);
    if (!dimensions.empty()) {
        load_proto_dimensions(producer, volume, dimensions);
    }
    for (const Dimension dimension : dimensions) {
        producer.proto_dimension(dimension).crystallize();
        remove_saved_proto_dimension(volume, dimension);
    }
    if (settings.json) {
        print_json({{"generation", producer.generation()}, {"crystallized", dimensions}});
    } else {
        write_line("crystallized " + std::to_string(dimensions.size()) + ", generation " +
                   std::to_string(producer.generation()));
    }
}

void run(const Settings& settings, const VolumeArguments& volume_arguments,
         const Arguments& arguments) {
    const bool changes = arguments.crystallize || arguments.discard;
    const Volume volume =
        changes ? open_volume(settings, volume_arguments) : open_volume(volume_arguments);
    if (arguments.crystallize) {
        crystallize(settings, volume, volume_arguments);
    } else if (arguments.discard) {
        discard(settings, volume, volume_arguments);
    } else {
        list(settings, volume, volume_arguments);
    }
}

}  // namespace

void add_volume_proto_command(CLI::App* volume, Settings& settings,
                              VolumeArguments& volume_arguments) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_volume_command(
        volume, "proto", "List the proto-dimensions that were saved, or publish or discard them",
        [&settings, &volume_arguments, arguments] { run(settings, volume_arguments, *arguments); });
    command
        ->add_option("dimension", volume_arguments.dimensions,
                     "Numbers, D01, or names of core dimensions; all if none is given")
        ->type_name("DIMENSION");
    CLI::Option* const publish = command->add_flag("--crystallize", arguments->crystallize,
                                                   "Publish them in a live store, as its producer");
    command->add_flag("--discard", arguments->discard, "Remove them")->excludes(publish);
}

}  // namespace strata::tools

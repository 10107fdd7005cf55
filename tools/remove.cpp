// SPDX-License-Identifier: Apache-2.0
// rm: layers and dimensions, as producer for one batch; or a whole store
#include <memory>

#include "audit.hpp"
#include "console.hpp"
#include "content.hpp"
#include "json.hpp"
#include "question.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct RemoveArguments {
    std::string store;
    std::optional<std::string> dimension;  ///< none: the whole store ("" is a slip, not none)
    std::vector<std::string> layers;
    bool whole_dimension = false;
    bool force = false;
};

// "3 layers in 4 dimensions, 424 KiB", or why that cannot be read: it may be removed nevertheless.
std::string extent_of(const Settings& settings, const std::string& store) {
    try {
        const StoreInfo info = inspect(store, settings.base);
        return std::to_string(info.layers) + " layers in " + std::to_string(info.dimensions) +
               " dimensions, " + size_text(info.committed_bytes, settings.bytes);
    } catch (const Error& error) {
        if (error.code() == Errc::store_not_found || error.code() == Errc::invalid_name) {
            throw;
        }
        return std::string(to_string(error.code()));
    }
}

void remove_whole_store(const Settings& settings, const RemoveArguments& arguments) {
    const std::string extent = extent_of(settings, arguments.store);
    if (!arguments.force) {
        if (!can_ask()) {
            throw Complaint{Exit::usage, "usage",
                            "to remove all of \"" + printable(arguments.store) +
                                "\" without a terminal to ask on, use --force"};
        }
        const std::optional<bool> used = store_in_use(arguments.store, settings.base);
        if (!confirmed("strata: remove the store \"" + printable(arguments.store) + "\" (" +
                       extent + (used.value_or(false) ? "; a process has it open" : "") +
                       ") for good?")) {
            throw Complaint{Exit::failed, "refused", "nothing was removed"};
        }
    }
    audited(settings, "remove", settings.base / arguments.store,
            [&] { remove_store(arguments.store, settings.base); });
    if (settings.json) {
        print_json({{"removed", arguments.store}});
    } else {
        write_line("removed the store \"" + printable(arguments.store) + "\": " + extent);
    }
}

void remove(const Settings& settings, const RemoveArguments& arguments) {
    if (!arguments.dimension) {
        if (arguments.whole_dimension) {
            throw Complaint{Exit::usage, "usage",
                            "--dimension: which one? give its number or name"};
        }
        remove_whole_store(settings, arguments);
        return;
    }
    if (arguments.layers.empty() != arguments.whole_dimension) {
        throw Complaint{Exit::usage, "usage", "give either LAYER or --dimension"};
    }
    Producer producer = open_producer(settings, arguments.store);
    Consumer consumer = attach(settings, arguments.store);
    const Snapshot snapshot = consumer.snapshot();
    Batch batch = producer.batch();
    if (arguments.whole_dimension) {
        batch.remove_dimension(find_dimension(snapshot, *arguments.dimension));
    }
    for (const std::string& layer : arguments.layers) {
        LayerId id;
        // Looked up first, so that a slip of the pen is an error and not silence.
        find_layer(snapshot, {arguments.store, *arguments.dimension, layer}, id);
        batch.erase(id);
    }
    const std::size_t count = batch.size();
    tell_generation(settings, batch.crystallize(),
                    arguments.whole_dimension
                        ? "removed the dimension"
                        : "removed " + std::to_string(count) + (count == 1 ? " layer" : " layers"));
}

}  // namespace

void add_remove_command(CLI::App& app, Settings& settings) {
    auto removal = std::make_shared<RemoveArguments>();
    CLI::App* const rm_command = add_command(
        app, "rm", "Remove layers, a dimension, or a whole store",
        "  strata rm market 1 5 6 7\n"
        "  strata rm market Emotion joy\n"
        "  strata rm market 4 --dimension\n"
        "  strata rm market\n"
        "A store as a whole goes only after a question on the terminal, or with --force;\n"
        "never while it has a producer. Who reads it keeps what is mapped.",
        [&settings, removal] { remove(settings, *removal); });
    add_store(rm_command, removal->store);
    rm_command
        ->add_option("dimension", removal->dimension,
                     "Number or name of the dimension; without one the whole store goes")
        ->type_name("DIMENSION");
    rm_command->add_option("layer", removal->layers, "Numbers or names (see `strata get --help`)")
        ->type_name("LAYER");
    rm_command->add_flag("--dimension", removal->whole_dimension,
                         "The whole dimension with all its layers");
    rm_command->add_flag("-f,--force", removal->force, "Do not ask before a whole store goes");
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// put and rm: producer for one batch
#include <memory>
#include <span>

#include "console.hpp"
#include "content.hpp"
#include "json.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct PutArguments {
    Target target;
    std::string file;
    std::optional<std::string> text;
    double frequency = 0;
    std::vector<std::string> keywords;
    std::uint32_t alignment = 64;
    bool create = false;
    std::uint64_t limit = ProducerOptions{}.memory_limit;
};

struct RemoveArguments {
    std::string store;
    std::string dimension;
    std::vector<std::string> layers;
    bool whole_dimension = false;
};

// The store's own settings: opening it must not change its limit.
Producer open_producer(const Settings& settings, const std::string& store) {
    const StoreInfo info = inspect(store, settings.base);
    ProducerOptions options;
    options.base_path = settings.base;
    options.memory_limit = info.memory_limit;
    options.region_max_bytes = info.region_max_bytes;
    return Producer::open(store, options);
}

Producer create_producer(const Settings& settings, const PutArguments& arguments) {
    ProducerOptions options;
    options.base_path = settings.base;
    options.memory_limit = arguments.limit;
    return Producer::create(arguments.target.store, options);
}

Producer producer_for(const Settings& settings, const PutArguments& arguments) {
    if (!arguments.create) {
        return open_producer(settings, arguments.target.store);
    }
    try {
        return open_producer(settings, arguments.target.store);
    } catch (const Error& error) {
        if (error.code() != Errc::store_not_found) {
            throw;
        }
    }
    return create_producer(settings, arguments);
}

// A new dimension may be named by number or by the name of a core dimension.
Dimension dimension_for(const Snapshot& snapshot, const std::string& text) {
    if (const auto number = parse_number(text); number && *number <= 0xFFFF'FFFF) {
        return static_cast<Dimension>(*number);
    }
    try {
        return find_dimension(snapshot, text);
    } catch (const Error& error) {
        if (error.code() != Errc::dimension_not_found) {
            throw;
        }
        for (Dimension core = 1; core <= core_dimension_names.size(); ++core) {
            if (core_dimension_name(core) == text) {
                return core;
            }
        }
        throw;
    }
}

void tell(const Settings& settings, Generation generation, const std::string& text) {
    if (settings.json) {
        print_json({{"generation", generation}});
    } else {
        write_line(text + ": generation " + std::to_string(generation));
    }
}

void put(const Settings& settings, const PutArguments& arguments) {
    if (arguments.text && !arguments.file.empty()) {
        throw Complaint{Exit::usage, "usage", "give either FILE or --text"};
    }
    // Read first: nobody should wait for a producer that waits for a pipe.
    const std::string content = arguments.text
                                    ? *arguments.text
                                    : read_input(arguments.file.empty() ? "-" : arguments.file);
    Producer producer = producer_for(settings, arguments);
    Consumer consumer = attach(settings, arguments.target.store);
    const Dimension dimension = dimension_for(consumer.snapshot(), arguments.target.dimension);
    const LayerArgument layer = parse_layer(arguments.target.layer);
    LayerOptions options;
    options.frequency = arguments.frequency;
    options.keywords.assign(arguments.keywords.begin(), arguments.keywords.end());
    options.alignment = arguments.alignment;
    Batch batch = producer.batch();
    if (layer.number) {
        batch.put({dimension, *layer.number}, content, options);
    } else {
        batch.put(dimension, layer.name, std::as_bytes(std::span(content)), options);
    }
    const Generation generation = batch.crystallize();
    tell(settings, generation, "put " + size_text(content.size(), settings.bytes));
}

void remove(const Settings& settings, const RemoveArguments& arguments) {
    if (arguments.layers.empty() != arguments.whole_dimension) {
        throw Complaint{Exit::usage, "usage", "give either LAYER or --dimension"};
    }
    Producer producer = open_producer(settings, arguments.store);
    Consumer consumer = attach(settings, arguments.store);
    const Snapshot snapshot = consumer.snapshot();
    Batch batch = producer.batch();
    if (arguments.whole_dimension) {
        batch.remove_dimension(find_dimension(snapshot, arguments.dimension));
    }
    for (const std::string& layer : arguments.layers) {
        LayerId id;
        // Looked up first, so that a slip of the pen is an error and not silence.
        find_layer(snapshot, {arguments.store, arguments.dimension, layer}, id);
        batch.erase(id);
    }
    const std::size_t count = batch.size();
    const Generation generation = batch.crystallize();
    tell(settings, generation,
         arguments.whole_dimension
             ? "removed the dimension"
             : "removed " + std::to_string(count) + (count == 1 ? " layer" : " layers"));
}

}  // namespace

void add_put_commands(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<PutArguments>();
    CLI::App* const put_command = add_command(
        app, "put", "Publish one layer, as the store's producer for a moment",
        "  echo -n joy | strata put market 1 5\n"
        "  strata put market Emotion joy --text bliss --frequency 1.5 -k feeling -k mood\n"
        "  strata put --create notes 1 1 README.md --limit 1048576\n"
        "The store's memory limit stays; retained generations end with the change of producers.",
        [&settings, arguments] { put(settings, *arguments); });
    add_target(put_command, arguments->target);
    put_command->add_option("file", arguments->file, "Content; standard input if not given, or -")
        ->type_name("FILE");
    put_command->add_option("-t,--text", arguments->text, "Content")->type_name("TEXT");
    put_command->add_option("-f,--frequency", arguments->frequency, "In Hz")->type_name("HZ");
    put_command->add_option("-k,--keyword", arguments->keywords, "May be given several times")
        ->type_name("WORD")
        ->expected(1)
        ->take_all();
    put_command
        ->add_option("--alignment", arguments->alignment, "Of the content, in bytes: 64 to 4096")
        ->type_name("BYTES")
        ->capture_default_str();
    put_command->add_flag("--create", arguments->create, "Create the store if there is none");
    put_command->add_option("--limit", arguments->limit, "Memory limit of a store that is created")
        ->transform(CLI::AsSizeValue(false))
        ->type_name("BYTES")
        ->capture_default_str();

    auto removal = std::make_shared<RemoveArguments>();
    CLI::App* const rm_command =
        add_command(app, "rm", "Remove layers, or a dimension, as the producer for a moment",
                    "  strata rm market 1 5 6 7\n"
                    "  strata rm market Emotion joy\n"
                    "  strata rm market 4 --dimension",
                    [&settings, removal] { remove(settings, *removal); });
    add_store(rm_command, removal->store);
    rm_command->add_option("dimension", removal->dimension, "Number or name of the dimension")
        ->required()
        ->type_name("DIMENSION");
    rm_command->add_option("layer", removal->layers, "Numbers or names (see `strata get --help`)")
        ->type_name("LAYER");
    rm_command->add_flag("--dimension", removal->whole_dimension,
                         "The whole dimension with all its layers");
}

}  // namespace strata::tools

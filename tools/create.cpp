// SPDX-License-Identifier: Apache-2.0
// create and rename
#include <memory>

#include "audit.hpp"
#include "console.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct CreateArguments {
    std::string store;
    std::optional<std::uint64_t> limit;
    std::optional<std::uint64_t> region_max;
    std::vector<std::string> dimensions;
    bool core = false;
    std::string mode = "0644";
};

struct RenameArguments {
    std::string store;
    std::string dimension;
    std::string name;
};

std::uint32_t parse_mode(const std::string& text) {
    constexpr std::pair<const char*, std::uint32_t> modes[] = {
        {"0644", 0644}, {"0640", 0640}, {"0600", 0600}};
    for (const auto& [name, mode] : modes) {
        if (text == name || text == name + 1) {
            return mode;
        }
    }
    refuse("--mode", text, "0644 (everybody reads), 0640 (the group reads) or 0600 (nobody else)");
}

// NAME, or NUMBER=NAME.
void add_dimension(Batch& batch, const std::string& text) {
    const std::size_t equals = text.find('=');
    const auto number = parse_number(std::string_view(text).substr(0, equals));
    if (equals != std::string::npos && number && *number <= 0xFFFF'FFFF) {
        batch.add_dimension(static_cast<Dimension>(*number),
                            std::string_view(text).substr(equals + 1));
    } else if (number) {
        refuse("--dimension", text, "a name, or a number from 0 to 4294967295, = and a name");
    } else {
        static_cast<void>(batch.add_dimension(std::string_view(text)));
    }
}

void create(const Settings& settings, const CreateArguments& arguments) {
    ProducerOptions options;
    options.base_path = settings.base;
    options.memory_limit = arguments.limit.value_or(options.memory_limit);
    options.region_max_bytes = arguments.region_max.value_or(options.region_max_bytes);
    options.access.mode = parse_mode(arguments.mode);
    options.audit = audit_log(settings);
    std::optional<Producer> producer(Producer::create(arguments.store, options));
    try {
        Batch batch = producer->batch();
        if (arguments.core) {
            batch.add_core_dimensions();
        }
        for (const std::string& dimension : arguments.dimensions) {
            add_dimension(batch, dimension);
        }
        tell_generation(settings, batch.crystallize(),
                        "created " + printable(producer->path().string()));
    } catch (...) {  // half of what was asked for is nothing
        producer.reset();
        audited(settings, "remove", settings.base / arguments.store,
                [&] { remove_store(arguments.store, settings.base); });
        throw;
    }
}

void rename(const Settings& settings, const RenameArguments& arguments) {
    if (arguments.name.empty()) {
        throw Complaint{Exit::usage, "usage", "the new name is empty"};
    }
    Producer producer = open_producer(settings, arguments.store);
    Consumer consumer = attach(settings, arguments.store);
    const Snapshot snapshot = consumer.snapshot();
    const Dimension dimension = find_dimension(snapshot, arguments.dimension);
    const auto other = snapshot.find_dimension(arguments.name);
    if (other && *other != dimension) {
        throw Complaint{Exit::failed, "dimension_exists",
                        "dimension " + std::to_string(*other) + " is called \"" +
                            printable(arguments.name) + "\" already"};
    }
    Batch batch = producer.batch();
    batch.add_dimension(dimension, arguments.name);
    tell_generation(settings, batch.crystallize(),
                    "dimension " + std::to_string(dimension) + " is called \"" +
                        printable(arguments.name) + "\"");
}

}  // namespace

void add_create_commands(CLI::App& app, Settings& settings) {
    auto creation = std::make_shared<CreateArguments>();
    CLI::App* const create_command =
        add_command(app, "create", "Create a store, empty or with named dimensions",
                    "  strata create notes --limit 8MiB\n"
                    "  strata create market --core\n"
                    "  strata create shop -d 7=Quotes -d Orders --mode 0640\n"
                    "A store waits for its producer: Producer::open takes it over.",
                    [&settings, creation] { create(settings, *creation); });
    add_store(create_command, creation->store);
    add_optional_size(create_command, "--limit", creation->limit, "Memory limit", least_limit)
        ->default_str("280MiB");
    add_optional_size(create_command, "--region-max", creation->region_max,
                      "That a region file may grow to: a multiple of 4096, up to 1 TiB", 64 << 10)
        ->default_str("16GiB");
    create_command
        ->add_option("-d,--dimension", creation->dimensions,
                     "A dimension to begin with; may be given several times")
        ->type_name("[NUMBER=]NAME")
        ->expected(1)
        ->take_all();
    create_command->add_flag("--core", creation->core, "The core dimensions 1 to 14");
    create_command->add_option("--mode", creation->mode, "Of its files: 0644, 0640 or 0600")
        ->type_name("MODE")
        ->capture_default_str();

    auto renaming = std::make_shared<RenameArguments>();
    CLI::App* const rename_command =
        add_command(app, "rename", "Give a dimension another name",
                    "  strata rename market 7 Quotes\n"
                    "  strata rename market Quotes Prices",
                    [&settings, renaming] { rename(settings, *renaming); });
    add_store(rename_command, renaming->store);
    rename_command->add_option("dimension", renaming->dimension, "Number or name of the dimension")
        ->required()
        ->type_name("DIMENSION");
    rename_command->add_option("name", renaming->name, "1 to 55 bytes")
        ->required()
        ->type_name("NAME");
}

}  // namespace strata::tools

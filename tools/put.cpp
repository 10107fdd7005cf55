// SPDX-License-Identifier: Apache-2.0
// put: producer for one batch
#include <memory>
#include <span>

#include "audit.hpp"
#include "console.hpp"
#include "content.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    Target target;
    std::string file;
    std::optional<std::string> text;
    double frequency = 0;
    std::vector<std::string> keywords;
    std::uint32_t alignment = 8;
    bool create = false;
    std::optional<std::uint64_t> limit;
};

// The store to put into: one that is there, or one that is made and goes again if the put fails.
class Destination {
public:
    Destination(const Settings& settings, const Arguments& arguments)
        : settings_(settings), name_(arguments.target.store) {
        if (!arguments.create) {
            producer_ = open_producer(settings, name_);
            return;
        }
        try {
            producer_ = open_producer(settings, name_);
        } catch (const Error& error) {
            if (error.code() != Errc::store_not_found) {
                throw;
            }
            ProducerOptions options;
            options.base_path = settings.base;
            options.memory_limit = arguments.limit.value_or(options.memory_limit);
            options.audit = audit_log(settings);
            producer_ = Producer::create(name_, options);
            created_ = true;
        }
    }
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;
    ~Destination() {
        if (created_ && !kept_) {
            producer_.reset();
            try {
                audited(settings_, "remove", settings_.base / name_,
                        [&] { remove_store(name_, settings_.base); });
            } catch (const std::exception&) {
                // Somebody else has become its producer meanwhile: it is theirs now.
            }
        }
    }

    Producer& producer() noexcept { return *producer_; }
    bool created() const noexcept { return created_; }
    void keep() noexcept { kept_ = true; }

private:
    const Settings& settings_;
    const std::string& name_;
    std::optional<Producer> producer_;
    bool created_ = false;
    bool kept_ = false;
};

// A number needs no dimension to be there; a name does, unless it may be added.
Dimension dimension_for(Batch& batch, const Snapshot& snapshot, const Arguments& arguments) {
    const std::string& text = arguments.target.dimension;
    if (const auto number = parse_number(text); number && *number <= 0xFFFF'FFFF) {
        return static_cast<Dimension>(*number);
    }
    return arguments.create && !text.empty() ? batch.add_dimension(text)
                                             : find_dimension(snapshot, text);
}

void put(const Settings& settings, const Arguments& arguments) {
    if (arguments.text && !arguments.file.empty()) {
        throw Complaint{Exit::usage, "usage", "give either FILE or --text"};
    }
    const LayerArgument layer = parse_layer(arguments.target.layer);
    // Read first: nobody should wait for a producer that waits for a pipe.
    const std::string content = arguments.text
                                    ? *arguments.text
                                    : read_input(arguments.file.empty() ? "-" : arguments.file);
    Destination destination(settings, arguments);
    if (arguments.limit && !destination.created()) {
        std::fprintf(stderr, "strata: note: --limit is ignored: the store is there already\n");
    }
    Consumer consumer = attach(settings, arguments.target.store);
    Batch batch = destination.producer().batch();
    const Dimension dimension = dimension_for(batch, consumer.snapshot(), arguments);
    LayerOptions options;
    options.frequency = arguments.frequency;
    options.keywords.assign(arguments.keywords.begin(), arguments.keywords.end());
    options.alignment = arguments.alignment;
    if (layer.number) {
        batch.put({dimension, *layer.number}, content, options);
    } else {
        batch.put(dimension, layer.name, content, options);
    }
    const Generation generation = batch.crystallize();
    destination.keep();
    tell_generation(settings, generation, "put " + size_text(content.size(), settings.bytes));
}

}  // namespace

void add_put_commands(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "put", "Publish one layer, as the store's producer for a moment",
        "  echo -n joy | strata put market 1 5\n"
        "  strata put market Emotion joy --text bliss --frequency 1.5 -k feeling -k mood\n"
        "  strata put --create notes recipes bread bread.txt --limit 1MiB\n"
        "The store's memory limit stays; retained generations end with the change of producers.",
        [&settings, arguments] { put(settings, *arguments); });
    add_target(command, arguments->target);
    command->add_option("file", arguments->file, "Content; standard input if not given, or -")
        ->type_name("FILE");
    command->add_option("-t,--text", arguments->text, "Content")->type_name("TEXT");
    add_decimal(command, "-f,--frequency", arguments->frequency, "In Hz")->type_name("HZ");
    command->add_option("-k,--keyword", arguments->keywords, "May be given several times")
        ->type_name("WORD")
        ->expected(1)
        ->take_all();
    add_number<std::uint32_t>(command, "--alignment", arguments->alignment,
                              "Of the content, in bytes: a power of two", {8, 4096})
        ->type_name("BYTES")
        ->default_str("8");
    command->add_flag("--create", arguments->create,
                      "Create the store if there is none, and a dimension of that name; a store "
                      "that was created goes again if the put fails");
    add_optional_size(command, "--limit", arguments->limit,
                      "Memory limit of a store that is created", least_limit)
        ->default_str("280MiB");
}

}  // namespace strata::tools

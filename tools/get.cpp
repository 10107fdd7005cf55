// SPDX-License-Identifier: Apache-2.0
// get
#include <algorithm>
#include <cstdio>
#include <memory>

#include "console.hpp"
#include "content.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "terminal.hpp"
#include "text.hpp"
#include "views.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    Target target;
    WhichGeneration generation;
    bool meta = false;
    bool hex = false;
    std::optional<std::string> as;  ///< a type of views.hpp
};

std::string hex(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof(text), "0x%016llx", static_cast<unsigned long long>(value));
    return text;
}

void print_meta(const Settings& settings, const Layer& layer, const LayerId& id,
                const std::string& dimension_name) {
    std::string keywords;
    for (const std::string_view keyword : layer.keywords()) {
        keywords += (keywords.empty() ? "" : ", ") + printable(keyword);
    }
    print_pairs({{"dimension", std::to_string(id.dimension) + " " + printable(dimension_name)},
                 {"layer", std::to_string(id.layer)},
                 {"name", printable(layer.name())},
                 {"size", size_text(layer.size(), settings.bytes)},
                 {"generation", std::to_string(layer.generation())},
                 {"frequency", number_text(layer.frequency()) + " Hz"},
                 {"keywords", keywords},
                 {"type tag", layer.type_tag() == 0
                                  ? "none"
                                  : hex(layer.type_tag()) + ", " + type_tag_text(layer.type_tag())},
                 {"checksum",
                  hex(layer.checksum()) + (layer.verify() ? " (matches)" : " (DOES NOT MATCH)")}});
}

void get(const Settings& settings, const Arguments& arguments) {
    Consumer consumer = attach(settings, arguments.target.store);
    const Snapshot snapshot = snapshot_of(consumer, arguments.generation);
    LayerId id;
    const Layer layer = find_layer(snapshot, arguments.target, id);
    if (settings.json) {
        Json json = to_json(layer, id);
        json["valid"] = layer.verify();
        if (arguments.as) {
            const std::string type = element_type(layer, *arguments.as);
            Json values = Json::array();
            for_each_value(layer, type, [&](const Json& value) { values.push_back(value); });
            json["type"] = type;
            json["values"] = std::move(values);
        } else if (!arguments.meta) {
            const bool text = valid_utf8(layer.text());
            json[text ? "text" : "base64"] =
                text ? std::string(layer.text()) : base64(layer.text());
        }
        print_json(json);
    } else if (arguments.meta) {
        std::string name;
        for (const DimensionInfo& info : snapshot.dimensions()) {
            name = info.dimension == id.dimension ? info.name : name;
        }
        print_meta(settings, layer, id, name);
    } else if (arguments.hex) {
        write_hex(layer.bytes());
    } else if (arguments.as) {
        for_each_value(layer, element_type(layer, *arguments.as), [](const Json& value) {
            write_line(value.is_string() ? value.get<std::string>() : value.dump());
        });
    } else if (output_is_terminal()) {
        // What a terminal would obey is shown, not sent; a pipe or file gets the bytes as they are.
        std::string text;
        for (std::string_view rest = layer.text(); !rest.empty();) {
            const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
            const bool line = rest[end - 1] == '\n';
            text += printable(rest.substr(0, end - (line ? 1 : 0))) + (line ? "\n" : "");
            rest.remove_prefix(end);
        }
        write_line(text);
    } else {
        ProgressBar bar(true);
        constexpr std::size_t step = 1 << 20;
        for (std::string_view rest = layer.text(); !rest.empty();) {
            write_out(rest.substr(0, step));
            rest.remove_prefix(std::min(step, rest.size()));
            const std::size_t done = layer.size() - rest.size();
            bar.show(done, layer.size(), size_text(done));
        }
    }
    finish_output();
    if (!layer.verify()) {
        throw Complaint{Exit::damaged, "corrupt", "the layer's checksum does not match"};
    }
}

}  // namespace

void add_get_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command =
        add_command(app, "get", "Write a layer's content to standard output",
                    "  strata get market 1 5 > joy.txt\n"
                    "  strata get market Emotion joy\n"
                    "  strata get market 1 @2024 --meta\n"
                    "  strata get market 1 5 --json   (content as text, or base64 if it is none)\n"
                    "  strata get market 1 5 --hex\n"
                    "  strata get market prices 7 --as f64",
                    [&settings, arguments] { get(settings, *arguments); });
    add_target(command, arguments->target);
    command->add_flag("-m,--meta", arguments->meta, "What is known of the layer, not its content");
    CLI::Option* const hex_option =
        command->add_flag("-x,--hex", arguments->hex, "In hexadecimal, as hexdump -C");
    command
        ->add_option("--as", arguments->as,
                     "As numbers, one a line; `tag`: as what the layer's type tag says")
        ->type_name("TYPE")
        ->check(CLI::IsMember(view_types()))
        ->excludes(hex_option);
    add_generation(command, arguments->generation);
}

}  // namespace strata::tools

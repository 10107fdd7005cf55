// SPDX-License-Identifier: Apache-2.0
// layers
#include <algorithm>
#include <limits>
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    std::string store;
    std::vector<std::string> dimensions;
    WhichGeneration generation;
    std::vector<std::string> keywords;
    std::optional<std::string> frequency;
    std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
};

struct Range {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
};

double bound(const std::string& text, double missing) {
    if (text.empty()) {
        return missing;
    }
    const auto value = parse_decimal(text);
    if (!value) {
        refuse("--frequency", text, "a finite decimal number (LOW:HIGH, either may be missing)");
    }
    return *value;
}

Range parse_range(const std::string& text) {
    const Range all;
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) {
        const double value = bound(text.empty() ? " " : text, 0);
        return {value, value};
    }
    return {bound(text.substr(0, colon), all.low), bound(text.substr(colon + 1), all.high)};
}

// One scan is cheaper than building a ContextIndex for one question.
class Filter {
public:
    explicit Filter(const Arguments& arguments) : keywords_(arguments.keywords) {
        if (arguments.frequency) {
            range_ = parse_range(*arguments.frequency);
        }
    }

    bool accepts(const Layer& layer) const {
        if (range_ && !(layer.frequency() >= range_->low && layer.frequency() <= range_->high)) {
            return false;
        }
        if (keywords_.empty()) {
            return true;
        }
        const auto present = layer.keywords();
        return std::all_of(keywords_.begin(), keywords_.end(), [&](const std::string& wanted) {
            return std::find(present.begin(), present.end(), wanted) != present.end();
        });
    }

private:
    std::vector<std::string> keywords_;
    std::optional<Range> range_;
};

std::string joined(const std::vector<std::string_view>& texts) {
    std::string result;
    for (const std::string_view text : texts) {
        result += (result.empty() ? "" : ", ") + printable(text);
    }
    return result;
}

// Columns of fixed width, so that the first line appears before the last layer is read.
std::string line_of(const Settings& settings, const LayerId& id, const Layer& layer) {
    char text[160];
    std::snprintf(text, sizeof(text), "%9u  %20llu  %10s  %10llu  %10s", id.dimension,
                  static_cast<unsigned long long>(id.layer),
                  size_text(layer.size(), settings.bytes).c_str(),
                  static_cast<unsigned long long>(layer.generation()),
                  number_text(layer.frequency()).c_str());
    std::string line = text;
    if (!layer.name().empty()) {
        line += "  @" + printable(layer.name());
    }
    if (const std::string keywords = joined(layer.keywords()); !keywords.empty()) {
        line += "  [" + keywords + "]";
    }
    return line;
}

void show(const Settings& settings, const Arguments& arguments) {
    const Filter filter(arguments);
    Consumer consumer = attach(settings, arguments.store);
    const Snapshot snapshot = snapshot_of(consumer, arguments.generation);
    std::vector<Dimension> dimensions;
    for (const std::string& text : arguments.dimensions) {
        dimensions.push_back(find_dimension(snapshot, text));
    }
    if (dimensions.empty()) {
        for (const DimensionInfo& info : snapshot.dimensions()) {
            dimensions.push_back(info.dimension);
        }
    }
    std::optional<JsonList> list;
    if (settings.json) {
        list.emplace();
    } else {
        write_line(
            "DIMENSION                 LAYER        SIZE  GENERATION   FREQUENCY  @NAME "
            "[KEYWORDS]");
    }
    std::uint64_t left = arguments.limit;
    std::uint64_t total = 0;
    std::uint64_t seen = 0;
    for (const DimensionInfo& info : snapshot.dimensions()) {
        const bool wanted =
            std::find(dimensions.begin(), dimensions.end(), info.dimension) != dimensions.end();
        total += wanted ? info.layers : 0;
    }
    ProgressBar bar(output_is_elsewhere());
    for (const Dimension dimension : dimensions) {
        const DimensionRange range = snapshot.dimension(dimension);
        for (auto it = range.begin(); it != range.end() && left > 0; ++it) {
            if (bar.visible() && ++seen % 256 == 1) {
                bar.show(seen, total, std::to_string(seen) + " layers");
            }
            if (!filter.accepts(*it)) {
                continue;
            }
            --left;
            const LayerId id{dimension, it.number()};
            if (list) {
                list->add(to_json(*it, id));
            } else {
                write_line(line_of(settings, id, *it));
            }
        }
    }
    if (list) {
        list->end();
    }
}

}  // namespace

void add_layer_commands(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const layers =
        add_command(app, "layers", "List layers, all or by keyword and frequency",
                    "  strata layers market Emotion\n"
                    "  strata layers market 1 4 --keyword feeling --frequency 1:2.5\n"
                    "  strata layers market --limit 10 --json",
                    [&settings, arguments] { show(settings, *arguments); });
    add_store(layers, arguments->store);
    layers->add_option("dimension", arguments->dimensions, "Numbers or names; all if none is given")
        ->type_name("DIMENSION");
    layers
        ->add_option("-k,--keyword", arguments->keywords,
                     "Only layers with this keyword (given several times: with all of them)")
        ->type_name("WORD")
        ->expected(1)
        ->take_all();
    layers
        ->add_option("-f,--frequency", arguments->frequency,
                     "Only layers with a frequency from LOW to HIGH (Hz); either may be missing")
        ->type_name("LOW:HIGH");
    add_number<std::uint64_t>(layers, "-n,--limit", arguments->limit, "At most so many layers",
                              {.least = 0});
    add_generation(layers, arguments->generation);
}

}  // namespace strata::tools

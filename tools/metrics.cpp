// SPDX-License-Identifier: Apache-2.0
// metrics: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4)
#include <cstdio>
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "metrics_server.hpp"
#include "readers.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Collects samples per metric, because all samples of one metric have to stand together.
class Exposition {
public:
    void add(const std::string& name, const char* type, const char* help, const Labels& labels,
             double value) {
        Metric* metric = nullptr;
        for (Metric& known : metrics_) {
            metric = known.name == name ? &known : metric;
        }
        if (metric == nullptr) {
            metrics_.push_back({name, type, help, {}});
            metric = &metrics_.back();
        }
        metric->samples.push_back({labels, value});
    }

    std::string text() const {
        std::string result;
        for (const Metric& metric : metrics_) {
            result += "# HELP " + metric.name + " " + metric.help + "\n";
            result += "# TYPE " + metric.name + " " + metric.type + "\n";
            for (const Sample& sample : metric.samples) {
                std::string labels;
                for (const auto& [name, value] : sample.labels) {
                    labels +=
                        (labels.empty() ? "" : ",") + name + "=\"" + printable_label(value) + "\"";
                }
                result += metric.name + "{" + labels + "} " + number_text(sample.value) + "\n";
            }
        }
        return result;
    }

    Json to_json() const {
        Json list = Json::array();
        for (const Metric& metric : metrics_) {
            Json samples = Json::array();
            for (const Sample& sample : metric.samples) {
                Json labels = Json::object();
                for (const auto& [name, value] : sample.labels) {
                    labels[name] = value;
                }
                samples.push_back({{"labels", std::move(labels)}, {"value", sample.value}});
            }
            list.push_back({{"name", metric.name},
                            {"type", metric.type},
                            {"help", metric.help},
                            {"samples", std::move(samples)}});
        }
        return list;
    }

private:
    struct Sample {
        Labels labels;
        double value;
    };
    struct Metric {
        std::string name;
        std::string type;
        std::string help;
        std::vector<Sample> samples;
    };
    std::vector<Metric> metrics_;
};

void add_store_samples(const StoreStatistics& s, Exposition& out) {
    const Labels labels{{"store", s.name}};
    const auto gauge = [&](const char* name, const char* help, auto value) {
        out.add(std::string("strata_") + name, "gauge", help, labels, static_cast<double>(value));
    };
    const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
        out.add(std::string("strata_") + name, "counter", help, labels, static_cast<double>(value));
    };
    gauge("producer_up", "Whether a producer holds the store.", s.producer_pid != 0 ? 1 : 0);
    gauge("generation", "Newest published generation.", s.generation);
    gauge("dimensions", "Dimensions.", s.dimensions);
    gauge("layers", "Layers.", s.layers);
    gauge("memory_limit_bytes", "Limit of the store's memory.", s.memory_limit);
    gauge("memory_warning_bytes", "Memory from which the producer warns.", s.warning_bytes);
    gauge("memory_committed_bytes", "Memory of all files.", s.committed_bytes);
    gauge("memory_live_bytes", "Memory that the newest generation uses.", s.live_bytes);
    gauge("memory_limbo_unscanned_bytes", "Retired memory that was not examined yet.",
          s.limbo_unscanned_bytes);
    gauge("memory_limbo_held_bytes", "Retired memory held back by readers.", s.limbo_held_bytes);
    gauge("memory_history_bytes", "Memory kept for retained generations.", s.history_bytes);
    gauge("fragmentation_ratio", "Share of the memory in use that holds nothing.",
          s.fragmentation_ratio());
    counter("commits_total", "Generations published by this producer.", s.commits);
    gauge("recovered_blocks", "Blocks in use when this producer took the store over.",
          s.recovered_blocks);
    counter("allocations_total", "Blocks allocated by this producer.", s.allocations);
    counter("deallocations_total", "Blocks freed by this producer.", s.deallocations);
    counter("allocation_failures_total", "Allocations refused by this producer.",
            s.allocation_failures);
    counter("reclaims_total", "Times that memory was reclaimed.", s.reclaims);
    gauge("epoch", "Reclamation clock.", s.epoch);
    gauge("readers", "Pins that consumers hold now, one for each epoch.", s.readers);
    gauge("readers_sampled_peak", "Most pins at any look of the producer.", s.sampled_peak_readers);
    gauge("oldest_pin_seconds", "For how long the oldest reader has been behind.",
          std::chrono::duration<double>(s.oldest_pin_age).count());
    const auto part = [&](const char* name, const char* help, const Labels& of,
                          std::uint64_t value) {
        out.add(std::string("strata_") + name, "gauge", help, of, static_cast<double>(value));
    };
    for (const DimensionStatistics& dimension : s.dimension_list) {
        const Labels of_dimension{{"store", s.name},
                                  {"dimension", std::to_string(dimension.dimension)},
                                  {"name", dimension.name}};
        part("dimension_layers", "Layers of a dimension.", of_dimension, dimension.layers);
        part("dimension_live_bytes", "Memory that the newest generation uses for a dimension.",
             of_dimension, dimension.live_bytes);
        part("dimension_generation", "Generation that changed a dimension last.", of_dimension,
             dimension.generation);
    }
    for (const RegionStatistics& region : s.regions) {
        const Labels of_region{{"store", s.name}, {"region", std::to_string(region.serial)}};
        part("region_dimensions", "Dimensions that lie in a region file.", of_region,
             region.dimensions);
        part("region_live_bytes", "Memory that the newest generation uses in a region file.",
             of_region, region.live_bytes);
        part("region_file_bytes", "Size of a region file.", of_region, region.file_bytes);
    }
}

Exposition collect(const Settings& settings, const std::vector<std::string>& stores) {
    const bool all = stores.empty();
    if (all) {
        require_base(settings);
    }
    Exposition out;
    for (const std::string& name : all ? list_stores(settings.base) : stores) {
        double readable = 1;
        try {
            const ReadGuard guard;  // of this thread: a server has several
            const StoreStatistics numbers = statistics(name, settings.base);
            guard.check("read the statistics of " + name);
            add_store_samples(numbers, out);
        } catch (const Error&) {
            // Of all stores, a bad one must not hide the others; one that was named is an error.
            if (!all) {
                throw;
            }
            readable = 0;
        }
        out.add("strata_readable", "gauge", "Whether the store could be read.", {{"store", name}},
                readable);
    }
    return out;
}

struct Arguments {
    std::vector<std::string> stores;
    std::string listen;
};

void run(const Settings& settings, const Arguments& arguments) {
    if (arguments.listen.empty()) {
        const Exposition out = collect(settings, arguments.stores);
        if (settings.json) {
            print_json(out.to_json());
        } else {
            write_out(out.text());
        }
        return;
    }
    const Endpoint endpoint = parse_endpoint(arguments.listen);
    serve_metrics(
        endpoint, [&] { return collect(settings, arguments.stores).text(); },
        [&](const std::string& url) {
            if (settings.json) {
                write_line(json_text({{"url", url}}));
            } else {
                write_line("listening on " + url);
            }
            finish_output();
        });
}

}  // namespace

void add_metrics_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command =
        add_command(app, "metrics", "Everything that can be counted, for Prometheus",
                    "  strata metrics\n"
                    "  strata metrics market > /var/lib/node_exporter/strata.prom\n"
                    "  strata metrics --listen :9464\n"
                    "A node_exporter with its textfile collector takes the file from there. With\n"
                    "--listen Prometheus itself asks: http://127.0.0.1:9464/metrics.",
                    [&settings, arguments] { run(settings, *arguments); });
    command->add_option("store", arguments->stores, "All if none is given")->type_name("STORE");
    command
        ->add_option("-l,--listen", arguments->listen,
                     "Serve them over HTTP until interrupted; on loopback if no address is given, "
                     "on any free port if it is 0")
        ->type_name("[ADDRESS:]PORT");
}

}  // namespace strata::tools

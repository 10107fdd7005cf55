// SPDX-License-Identifier: Apache-2.0
// metrics: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4)
#include <cstdio>
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "readers.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string escaped(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c == '\\' || c == '"') {
            result += '\\';
        }
        result += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    return result;
}

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

    void print() const {
        for (const Metric& metric : metrics_) {
            write_line("# HELP " + metric.name + " " + metric.help);
            write_line("# TYPE " + metric.name + " " + metric.type);
            for (const Sample& sample : metric.samples) {
                std::string labels;
                for (const auto& [name, value] : sample.labels) {
                    labels += (labels.empty() ? "" : ",") + name + "=\"" + escaped(value) + "\"";
                }
                write_line(metric.name + "{" + labels + "} " + number_text(sample.value));
            }
        }
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
    gauge("memory_limbo_fresh_bytes", "Retired memory that was not looked at yet.",
          s.limbo_fresh_bytes);
    gauge("memory_limbo_parked_bytes", "Retired memory held back by readers.",
          s.limbo_parked_bytes);
    gauge("memory_history_bytes", "Memory kept for retained generations.", s.history_bytes);
    gauge("fragmentation_ratio", "Share of the memory in use that holds nothing.",
          s.fragmentation_ratio());
    counter("commits_total", "Generations published by this producer.", s.commits);
    counter("allocations_total", "Blocks allocated by this producer.", s.allocations);
    counter("deallocations_total", "Blocks freed by this producer.", s.deallocations);
    counter("allocation_failures_total", "Allocations refused by this producer.",
            s.allocation_failures);
    counter("reclaims_total", "Times that memory was reclaimed.", s.reclaims);
    gauge("epoch", "Reclamation clock.", s.epoch);
    gauge("readers", "Processes that hold a snapshot.", s.readers);
    gauge("readers_peak", "Most readers at once.", s.peak_readers);
    gauge("oldest_pin_seconds", "For how long the oldest reader has been behind.",
          std::chrono::duration<double>(s.oldest_pin_age).count());
    for (const RegionStatistics& region : s.regions) {
        const Labels of_region{{"store", s.name},
                               {"dimension", std::to_string(region.dimension)},
                               {"name", region.name}};
        const auto of = [&](const char* name, const char* help, std::uint64_t value) {
            out.add(std::string("strata_dimension_") + name, "gauge", help, of_region,
                    static_cast<double>(value));
        };
        of("layers", "Layers of a dimension.", region.layers);
        of("live_bytes", "Memory that the newest generation uses in a region.", region.live_bytes);
        of("file_bytes", "Size of a region's file.", region.file_bytes);
        of("generation", "Generation that changed a dimension last.", region.generation);
    }
}

void run(const Settings& settings, std::vector<std::string> names) {
    const bool all = names.empty();
    if (all) {
        names = list_stores(settings.base);
    }
    Exposition out;
    for (const std::string& name : names) {
        double readable = 1;
        try {
            add_store_samples(read_statistics(settings, name), out);
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
    if (settings.json) {
        print_json(out.to_json());
    } else {
        out.print();
    }
}

}  // namespace

void add_metrics_command(CLI::App& app, Settings& settings) {
    auto names = std::make_shared<std::vector<std::string>>();
    CLI::App* const command =
        add_command(app, "metrics", "Everything that can be counted, for Prometheus",
                    "  strata metrics\n"
                    "  strata metrics market > /var/lib/node_exporter/strata.prom\n"
                    "A node_exporter with its textfile collector takes it from there.",
                    [&settings, names] { run(settings, *names); });
    command->add_option("store", *names, "All if none is given")->type_name("STORE");
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// top: the command and its measurements
#include "top.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <thread>

#include "own_words.hpp"
#include "quantities.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    std::string store;
    double interval_s = 1;
    double slow_s = 1;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
};

Json to_json(const Sample& sample) {
    if (!sample.trouble.empty()) {
        return {{"trouble", sample.trouble}};
    }
    Json readers = Json::array();
    for (std::size_t i = 0; i < sample.readers.size(); ++i) {
        Json reader = to_json(sample.readers[i]);
        reader["slow"] = static_cast<bool>(sample.slow[i]);
        readers.push_back(std::move(reader));
    }
    Json dimensions = Json::array();
    for (const DimensionStatistics& dimension : sample.numbers.dimension_list) {
        dimensions.push_back({{"dimension", dimension.dimension},
                              {"name", dimension.name},
                              {"layers", dimension.layers},
                              {"live_bytes", dimension.live_bytes},
                              {"region", dimension.serial}});
    }
    Json regions = Json::array();
    for (const RegionStatistics& region : sample.numbers.regions) {
        regions.push_back({{"region", region.serial},
                           {"dimensions", region.dimensions},
                           {"live_bytes", region.live_bytes},
                           {"file_bytes", region.file_bytes}});
    }
    return {{"generation", sample.numbers.generation},
            {"generations_per_second", sample.generations_per_second},
            {"commits_per_second", sample.commits_per_second},
            {"committed_bytes", sample.numbers.committed_bytes},
            {"memory_limit", sample.numbers.memory_limit},
            {"limbo_held_bytes", sample.numbers.limbo_held_bytes},
            {"dimensions", std::move(dimensions)},
            {"regions", std::move(regions)},
            {"readers", std::move(readers)}};
}

// Without a name: the only store there is.
std::string choose_store(const Settings& settings) {
    require_base(settings);
    const std::vector<std::string> names = list_stores(settings.base);
    if (names.size() != 1) {
        throw Complaint{Exit::usage, "usage",
                        names.empty() ? "no stores under " + settings.base.string()
                                      : "there are " + std::to_string(names.size()) +
                                            " stores: name one (strata ls)"};
    }
    return names.front();
}

void run(const Settings& settings, Arguments arguments) {
    if (arguments.store.empty()) {
        arguments.store = choose_store(settings);
    }
    const std::chrono::milliseconds interval(static_cast<int>(arguments.interval_s * 1000));
    static_cast<void>(inspect(arguments.store, settings.base));  // a wrong name is an error at once
    Sampler sampler(settings, arguments.store, std::chrono::duration<double>(arguments.slow_s));
    if (settings.json) {
        for (std::uint64_t i = 0; i < arguments.count; ++i) {
            if (i > 0) {
                std::this_thread::sleep_for(interval);
            }
            write_line(json_text(to_json(sampler.take())));
            finish_output();
        }
        return;
    }
    if (!output_is_terminal() || !input_is_terminal()) {
        throw Complaint{Exit::usage, "usage", "top needs a terminal: use stat, metrics or --json"};
    }
    run_screen(settings, arguments.store, sampler, interval);
}

}  // namespace

Sample Sampler::take() {
    Sample sample;
    try {
        const StoreInfo info = inspect(store_, settings_.base);
        sample.numbers = statistics(store_, settings_.base);
        sample.readers = readers_of(settings_, info, sample.numbers);
    } catch (const Error& error) {  // it may be created anew while we look
        sample.trouble = in_own_words(error).what();
        taken_at_.reset();
        return sample;
    }
    measure_rates(sample);
    measure_ages(sample);
    return sample;
}

void Sampler::measure_rates(Sample& sample) {
    const auto now = Clock::now();
    const StoreStatistics& numbers = sample.numbers;
    if (taken_at_ && numbers.generation >= generation_) {
        const double seconds = std::chrono::duration<double>(now - *taken_at_).count();
        sample.generations_per_second =
            static_cast<double>(numbers.generation - generation_) / seconds;
        // Commits count from the producer's start, so they fall when another one takes over.
        sample.commits_per_second = numbers.commits >= commits_
                                        ? static_cast<double>(numbers.commits - commits_) / seconds
                                        : 0;
    }
    taken_at_ = now;
    generation_ = numbers.generation;
    commits_ = numbers.commits;
}

void Sampler::measure_ages(Sample& sample) {
    const auto now = Clock::now();
    decltype(behind_since_) still_behind;
    for (Reader& reader : sample.readers) {
        if (reader.behind > 0) {
            const std::pair key{reader.pid, reader.epoch};
            const auto known = behind_since_.find(key);
            const auto since = known != behind_since_.end() ? known->second : now;
            still_behind.emplace(key, since);
            // The producer may have seen it before we came.
            reader.age = std::max<std::chrono::nanoseconds>(
                reader.age.value_or(std::chrono::nanoseconds(0)), now - since);
        }
        sample.slow.push_back(reader.age && *reader.age >= slow_after_);
    }
    behind_since_ = std::move(still_behind);
}

void add_top_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "top", "Watch rates, memory and readers on the full screen",
        "  strata top market\n"
        "  strata top market --interval 0.5 --slow 10\n"
        "  strata top market --json --count 3    (one object per line and interval)\n"
        "Keys: q ends; up, down, page up, page down and home move the list of dimensions.",
        [&settings, arguments] { run(settings, *arguments); });
    command->add_option("store", arguments->store, "Not needed if there is only one")
        ->type_name("STORE");
    add_duration(command, "-i,--interval", arguments->interval_s, "Time between two looks",
                 {.least = 0.05, .most = 3600})
        ->default_str("1");
    add_duration(command, "--slow", arguments->slow_s,
                 "A reader that has been behind for so long is marked", {.least = 0, .most = 1e9})
        ->default_str("1");
    add_number<std::uint64_t>(command, "-n,--count", arguments->count,
                              "With --json: end after so many looks", {.least = 1});
}

}  // namespace strata::tools

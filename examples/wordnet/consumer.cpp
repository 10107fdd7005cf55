// SPDX-License-Identifier: Apache-2.0
// wordnet_consumer: reads what wordnet_producer publishes, follows it, and checks every layer.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wordnet/arguments.hpp"
#include "wordnet/follower.hpp"
#include "wordnet/queries.hpp"
#include <strata/strata.hpp>

namespace {

constexpr std::string_view help = R"(usage: wordnet_consumer [OPTION...]

Attaches read-only to the store of wordnet_producer. Without options it prints an overview.

  --lookup WORD          synsets with this word, or the one with this number (102084071); repeatable
  --scan DIMENSION       walk through a dimension, e.g. noun.animal or 105; repeatable
  --watch                follow the store and print what changed
  --verify               follow the store and compare it with the WordNet files: every layer at the
                         start, about once a second and at the end; what changed at each generation
  --wordnet DIR          where those files are (/usr/share/wordnet)

Following ends with SIGTERM or SIGINT, or:
  --generations N        after N new generations were seen
  --until-generation G   as soon as generation G is seen
  --seconds S            after S seconds
  --patience S           when there has been no producer for S seconds (30)

  --store NAME           name of the store (wordnet)
  --base DIR             where stores live (/dev/shm/strata)
  --wait S               wait up to S seconds for the store to appear (10)
  --json                 the last line is a JSON object, not key=value pairs
  --help

Exit codes: 0 done, 1 a mismatch or a failure, 2 wrong usage, 3 no store.
)";

struct Options {
    std::string store = "wordnet";
    strata::ConsumerOptions attach;
    std::chrono::milliseconds wait{10'000};
    std::vector<std::string> lookups;
    std::vector<std::string> scans;
    wordnet::FollowOptions follow;
    bool json = false;
};

std::optional<Options> read_options(int argc, char** argv) {
    constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
    Options options;
    wordnet::Arguments arguments(argc, argv);
    const auto seconds = [&] {
        return std::chrono::milliseconds(
            static_cast<std::int64_t>(arguments.number<double>(0, 1e6) * 1000));
    };
    while (arguments.next()) {
        const std::string_view option = arguments.option();
        if (option == "--help") {
            std::cout << help;
            return std::nullopt;
        } else if (option == "--lookup") {
            options.lookups.push_back(arguments.text());
        } else if (option == "--scan") {
            options.scans.push_back(arguments.text());
        } else if (option == "--watch") {
            options.follow.watch = true;
        } else if (option == "--verify") {
            options.follow.verify = true;
        } else if (option == "--wordnet") {
            options.follow.source = arguments.text();
        } else if (option == "--generations") {
            options.follow.generations = arguments.number<std::uint64_t>(0, any);
        } else if (option == "--until-generation") {
            options.follow.until_generation = arguments.number<std::uint64_t>(1, any);
        } else if (option == "--seconds") {
            options.follow.time = seconds();
        } else if (option == "--patience") {
            options.follow.patience = seconds();
        } else if (option == "--store") {
            options.store = arguments.text();
        } else if (option == "--base") {
            options.attach.base_path = arguments.text();
        } else if (option == "--wait") {
            options.wait = seconds();
        } else if (option == "--json") {
            options.json = true;
        } else {
            arguments.refuse();
        }
    }
    return options;
}

/// Waits for the store, a second at a time so that a signal is heard.
strata::Consumer attach(const Options& options, const wordnet::StopSignal& stop) {
    using namespace std::chrono_literals;
    strata::ConsumerOptions attach_options = options.attach;
    for (std::chrono::milliseconds left = options.wait;; left -= 1000ms) {
        attach_options.wait_for_store = std::clamp(left, 0ms, 1000ms);
        try {
            return strata::Consumer::attach(options.store, attach_options);
        } catch (const strata::Error& error) {
            const bool missing = error.code() == strata::Errc::store_not_found;
            if (!missing || left <= 1000ms || stop.raised()) throw;
        }
    }
}

int run(const Options& options) {
    const wordnet::StopSignal stop;
    strata::Consumer consumer = attach(options, stop);
    bool all_there = true;
    {
        const strata::Snapshot snapshot = consumer.snapshot();
        const bool follows = options.follow.watch || options.follow.verify;
        if (!follows && options.lookups.empty() && options.scans.empty()) {
            wordnet::print_overview(snapshot);
        }
        for (const std::string& word : options.lookups)
            wordnet::print_lookup(snapshot, word);
        for (const std::string& dimension : options.scans) {
            if (wordnet::print_scan(snapshot, dimension)) continue;
            std::cerr << "wordnet_consumer: there is no dimension " << dimension << '\n';
            all_there = false;
        }
        if (!follows) return all_there ? 0 : 1;
    }
    wordnet::Follower follower(consumer, options.follow, stop);
    follower.run();
    std::cout << (options.json ? follower.summary_json() : follower.summary()) << std::endl;
    return follower.mismatches() == 0 && all_there ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::optional<Options> options = read_options(argc, argv);
    return options ? run(*options) : 0;
} catch (const wordnet::UsageError& error) {
    std::cerr << "wordnet_consumer: " << error.what() << '\n';
    return 2;
} catch (const strata::Error& error) {
    std::cerr << "wordnet_consumer: " << error.what() << '\n';
    return error.code() == strata::Errc::store_not_found ? 3 : 1;
} catch (const std::exception& error) {
    std::cerr << "wordnet_consumer: " << error.what() << '\n';
    return 1;
}

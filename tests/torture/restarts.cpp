// SPDX-License-Identifier: Apache-2.0
// Long histories: a new producer for every commit or every few, beside readers of all kinds, with
// every policy towards slow ones and with much and little room. The memory is watched throughout:
// it stays within what is live, what the readers reach and a constant, and comes back.
//   restarts [--restarts N] [--reader KIND] [--all]
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/torture/restart_readers.hpp"

namespace {

using namespace strata;
using namespace strata::test;

// Files start with 64 KiB each, grow by as much, and each size class has a slab that is not full;
// two of them keep 32 KiB for erasing.
constexpr std::uint64_t constant = 384_KiB + 2 * 32_KiB;

struct History {
    std::vector<ReaderKind> readers{};
    SlowReaderPolicy policy = SlowReaderPolicy::fail;
    std::uint64_t limit = 0;
    unsigned commits = 1;  ///< of each producer
    bool small = false;    ///< one layer of 3 KB, instead of some hundred of all sizes
    std::uint32_t retain = 0;
};

struct Options {
    std::uint64_t restarts = 100;
    std::string reader{};  ///< empty: each, and all at once
    bool all = false;      ///< every policy and limit, not one or two of them
};

Oracle oracle_of(const History& history) {
    return history.small
               ? Oracle{.layers = 1, .dimensions = 1, .changes = 1, .max_payload = 3000}
               : Oracle{.layers = 200, .dimensions = 2, .changes = 6, .max_payload = 1500};
}

std::string name_of(const History& history) {
    std::string text;
    for (const ReaderKind kind : history.readers) {
        text.append(text.empty() ? 0 : 1, '+').append(to_string(kind));
    }
    constexpr const char* policies[] = {"fail", "wait", "relocate"};
    return (text.empty() ? "nobody" : text) + ", " +
           policies[static_cast<std::size_t>(history.policy)] + ", limit " +
           std::to_string(history.limit >> 20) + " MiB, " + std::to_string(history.commits) +
           (history.small ? " commits of one layer" : " commits") +
           (history.retain > 0 ? ", " + std::to_string(history.retain) + " retained" : "");
}

ProducerOptions options_of(const TempStore& store, const History& history) {
    ProducerOptions options = store.producer_options();
    options.memory_limit = history.limit;
    options.retain = history.retain;
    options.slow_readers.policy = history.policy;
    options.slow_readers.wait = std::chrono::milliseconds(20);
    return options;
}

/// The store, its producers, and the most memory that it had.
class Chronicle {
public:
    explicit Chronicle(const History& history)
        : history_(history), oracle_(oracle_of(history)), options_(options_of(store_, history)) {
        (void)Producer::create(store_.name(), options_);
    }

    /// One producer's life. `reach`: how many generations readers may reach.
    void restart(std::uint64_t reach) {
        Producer producer = Producer::open(store_.name(), options_);
        for (unsigned i = 0; i < history_.commits; ++i) {
            oracle_.publish(producer);
        }
        ++restarts_;
        const ProducerStats stats = producer.stats();
        most_live_ = std::max(most_live_, stats.live_bytes);
        const std::uint64_t bound =
            stats.live_bytes * 14 / 10 + (reach + history_.retain) * most_live_ + constant;
        most_ = std::max(most_, stats.committed_bytes);
        if (stats.committed_bytes > bound) {
            throw Failure("after " + std::to_string(restarts_) + " restarts the store has " +
                          std::to_string(stats.committed_bytes >> 10) + " KiB, more than " +
                          std::to_string(bound >> 10) + " (" +
                          std::to_string(stats.live_bytes >> 10) + " live)");
        }
        STRATA_REQUIRE_EQ(stats.committed_bytes, store_.allocated_bytes());
    }

    const TempStore& store() const noexcept { return store_; }
    const Oracle& oracle() const noexcept { return oracle_; }
    std::uint64_t most() const noexcept { return most_; }
    std::uint64_t most_live() const noexcept { return most_live_; }

private:
    TempStore store_;
    History history_;
    Oracle oracle_;
    ProducerOptions options_;
    std::uint64_t restarts_ = 0;
    std::uint64_t most_ = 0;
    std::uint64_t most_live_ = 0;
};

void live_through(const History& history, std::uint64_t restarts) {
    Chronicle chronicle(history);
    for (int i = 0; i < 40; ++i) {  // until each layer is there
        chronicle.restart(0);
    }
    std::vector<RestartReader> readers;
    std::uint64_t reach = 0;
    for (const ReaderKind kind : history.readers) {
        readers.emplace_back(chronicle.store(), chronicle.oracle(), kind);
        reach += readers.back().reach();
    }
    for (std::uint64_t i = 0; i < restarts; ++i) {
        chronicle.restart(reach);
    }
    for (RestartReader& reader : readers) {
        const std::string wrong = reader.end();
        if (!wrong.empty()) {
            throw Failure("a reader: " + wrong);
        }
    }
    // By itself: nobody asks for it.
    std::optional<std::string> late;
    for (int i = 0; i < 20; ++i) {
        try {
            chronicle.restart(0);
            late.reset();
        } catch (const Failure& failure) {
            late = failure.what();
        }
    }
    if (late) {
        throw Failure("all readers are gone, and yet: " + *late);
    }
    std::printf("  %-60s at most %6llu KiB, %5llu live\n", name_of(history).c_str(),
                static_cast<unsigned long long>(chronicle.most() >> 10),
                static_cast<unsigned long long>(chronicle.most_live() >> 10));
}

std::vector<History> histories(const Options& options) {
    std::vector<std::vector<ReaderKind>> groups;
    for (const ReaderKind kind : reader_kinds) {
        if (options.reader.empty() || options.reader == to_string(kind)) {
            groups.push_back({kind});
        }
    }
    if (options.reader.empty()) {
        groups.push_back({});
        groups.emplace_back(std::begin(reader_kinds), std::end(reader_kinds));
    }
    using enum SlowReaderPolicy;
    std::vector<History> all;
    for (const auto& readers : groups) {
        all.push_back({.readers = readers, .limit = 64_MiB});
        all.push_back({.readers = readers, .policy = relocate, .limit = 8_MiB, .small = true});
        all.push_back(
            {.readers = readers, .limit = 8_MiB, .commits = 8, .small = true, .retain = 3});
        if (options.all) {
            all.push_back({.readers = readers, .limit = 64_MiB, .commits = 20});
            all.push_back({.readers = readers, .limit = 64_MiB, .commits = 3, .retain = 20});
            all.push_back({.readers = readers, .limit = 8_MiB, .commits = 100, .small = true});
            all.push_back({.readers = readers, .policy = wait, .limit = 8_MiB});
            all.push_back({.readers = readers, .policy = relocate, .limit = 4_MiB, .commits = 5});
        }
    }
    return all;
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--all") {
            options.all = true;
        } else if (i + 1 == argc) {
            return false;
        } else if (word == "--restarts") {
            const std::string_view value = argv[++i];
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), options.restarts);
            if (error != std::errc{} || end != value.data() + value.size()) {
                return false;
            }
        } else if (word == "--reader") {
            options.reader = argv[++i];
        } else {
            return false;
        }
    }
    return !histories(options).empty();
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fprintf(stderr, "usage: restarts [--restarts N] [--reader KIND] [--all]\n");
        return 2;
    }
    bool right = true;
    for (const History& history : histories(options)) {
        try {
            live_through(history, options.restarts);
        } catch (const std::exception& error) {
            std::printf("WRONG: %s: %s\n", name_of(history).c_str(), error.what());
            right = false;
        }
        std::fflush(stdout);
    }
    std::printf("%s\n", right ? "restarts: all right" : "restarts: FAILED");
    return right ? 0 : 1;
}

// SPDX-License-Identifier: Apache-2.0
// docs/cli.md shows real sessions: each command in it is run here, on a store with a living
// producer and a slow reader, and has to say what stands there, numbers aside. With
// STRATA_WRITE_DOCS=1 in the environment the sessions are written anew instead (./dev cli-docs).
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/damage.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// A process called "dashboard" that keeps the snapshot it took when it was told to.
class Dashboard {
public:
    explicit Dashboard(const TempStore& store) {
        REQUIRE(::pipe(go_) == 0);
        REQUIRE(::pipe(done_) == 0);
        child_ = ::fork();
        if (child_ == 0) {
            ::close(go_[1]);
            ::prctl(PR_SET_NAME, "dashboard");
            char byte = 0;
            if (::read(go_[0], &byte, 1) != 1) ::_exit(0);
            Consumer consumer = store.attach();
            const Snapshot held = consumer.snapshot();
            if (::write(done_[1], &byte, 1) != 1) ::_exit(1);
            while (::read(go_[0], &byte, 1) == 1) {
            }
            ::_exit(0);
        }
        ::close(go_[0]);
    }
    Dashboard(const Dashboard&) = delete;
    Dashboard& operator=(const Dashboard&) = delete;
    ~Dashboard() {
        ::close(go_[1]);
        ::waitpid(child_, nullptr, 0);
        ::close(done_[0]);
        ::close(done_[1]);
    }
    void take_snapshot() {
        char byte = 'x';
        REQUIRE(::write(go_[1], &byte, 1) == 1);
        REQUIRE(::read(done_[0], &byte, 1) == 1);
    }

private:
    int go_[2] = {-1, -1};
    int done_[2] = {-1, -1};
    pid_t child_ = -1;
};

/// The store that the sessions are about, beside a damaged one.
class Market {
public:
    Market() {
        ProducerOptions options = store.producer_options();
        {
            Producer ruin = Producer::create("ruin", options);
            publish(ruin, {1, 5}, "content that is damaged");
        }
        damage(store.base() / "ruin" / "region-1.mmap", "content that");
        options.retain = 8;
        producer = Producer::create(store.name(), options);
        Batch batch = producer->batch();
        batch.add_core_dimensions();
        batch.remove_dimension(14);
        for (Dimension dimension = 5; dimension < 14; ++dimension) {
            batch.remove_dimension(dimension);
        }
        batch.put({1, 5}, std::string(4000, 'x'));
        batch.put({1, 6}, "calm", {.frequency = 0.5, .keywords = {"feeling"}});
        batch.put(4, "greeting", "a handshake", {.keywords = {"custom", "hand"}});
        batch.put_values(2, "weights", {0.25, 0.5, 0.25});
        batch.crystallize();  // generation 2
        dashboard.take_snapshot();
        for (int i = 0; i < 30; ++i) {
            publish(*producer, {1, 5}, std::string(4000, 'y'));
            if (i % 10 == 0) producer->reclaim();
        }
        batch.put({1, 5}, "joy", {.frequency = 1.5, .keywords = {"emotion", "feeling"}});
        batch.crystallize();  // generation 33
        batch.put({1, 5}, "great joy", {.frequency = 1.5, .keywords = {"emotion", "feeling"}});
        batch.erase({1, 6});
        batch.put({2, 1}, "a thought");
        batch.crystallize();  // generation 34
        producer->reclaim();
    }

    TempStore store{"market"};
    Dashboard dashboard{store};
    std::optional<Producer> producer;
};

/// Publishes a change now and then while it lives.
class Ticker {
public:
    explicit Ticker(Producer& producer)
        : thread_([this, &producer] {
              for (int i = 1; !stop_.load(); ++i) {
                  publish(producer, {1, 5}, "joy for " + std::to_string(i) + " s");
                  std::this_thread::sleep_for(std::chrono::milliseconds(50));
              }
          }) {}
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;
    ~Ticker() {
        stop_.store(true);
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
    return text;
}

std::vector<std::string> shell(const Market& market, const std::string& command) {
    return {"env",
            "STRATA_BASE_PATH=" + market.store.base().string(),
            "PATH=" + fs::path(STRATA_COMMAND).parent_path().string() + ":" + std::getenv("PATH"),
            "bash",
            "-c",
            "cd \"$STRATA_BASE_PATH\" && { " + command + "; } 2>&1"};
}

std::string run_line(Market& market, const std::string& command) {
    std::optional<Ticker> ticker;
    if (contains(command, "strata watch")) ticker.emplace(*market.producer);
    const CommandResult result = RunningCommand(shell(market, command)).finish();
    CHECK(result.code < 128);
    return replaced(result.out, market.store.base().string(), "/dev/shm/strata");
}

/// What a full-screen command shows; nothing if there is no tmux.
std::string screen_of(Market& market, const std::string& command) {
    const std::string socket = (market.store.base() / "tmux").string();
    const auto tmux = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"tmux", "-f", "/dev/null", "-S", socket});
        return RunningCommand(words).finish();
    };
    std::string line;
    for (const std::string& word : shell(market, command)) {
        line += "'" + word + "' ";
    }
    if (tmux({"new-session", "-d", "-x", "100", "-y", "18", line}).code != 0) return {};
    std::string screen;
    {
        const Ticker ticker(*market.producer);
        for (int i = 0; i < 1200 && !contains(screen, "SLOW"); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            screen = tmux({"capture-pane", "-p"}).out;
        }
        CHECK(contains(screen, "SLOW"));
    }
    tmux({"kill-server"});
    fs::remove(socket);
    while (screen.ends_with("\n\n")) {
        screen.pop_back();
    }
    return replaced(screen, market.store.base().string(), "/dev/shm/strata");
}

/// A line without what differs from run to run: numbers, with their units, and widths.
std::string masked(std::string line) {
    static const std::pair<std::regex, const char*> rules[] = {
        {std::regex("[0-9a-f]{32}"), "ID"},
        {std::regex("0x[0-9a-f]+"), "N"},
        {std::regex("[0-9]+(\\.[0-9]+)?(e-?[0-9]+)?"), "N"},
        {std::regex("N (ns|us|ms|s|min|h|d)\\b"), "TIME"},
        {std::regex("N (B|KiB|MiB|GiB)\\b"), "SIZE"},
        {std::regex(" +"), " "},
        {std::regex("^ "), ""},  // a column grows with its widest number
        {std::regex(" $"), ""}};
    for (const auto& [pattern, with] : rules) {
        line = std::regex_replace(line, pattern, with);
    }
    return line;
}

std::string masked_all(const std::string& text) {
    std::istringstream lines(text);
    std::string result;
    for (std::string line; std::getline(lines, line);) {
        result += masked(line) + "\n";
    }
    return result;
}

}  // namespace

TEST_CASE("docs/cli.md says what the commands say") {
    std::ifstream input(STRATA_CLI_DOCS);
    REQUIRE(input);
    Market market;
    std::string fresh;
    std::string shown;     // what the block says, without the commands
    std::string expected;  // what they say now
    std::string kind;      // of the block; empty outside
    std::size_t commands = 0;
    for (std::string line; std::getline(input, line);) {
        if (kind.empty()) {
            fresh += line + "\n";
            if (line.starts_with("```console")) kind = line.substr(3);
        } else if (line == "```") {
            if (kind == "console") {
                CHECK(masked_all(shown) == masked_all(expected));
            }
            fresh += line + "\n";
            kind.clear();
            shown.clear();
            expected.clear();
        } else if (line.starts_with("$ ")) {
            CAPTURE(line);
            std::string out = kind == "console screen" ? screen_of(market, line.substr(2))
                                                       : run_line(market, line.substr(2));
            if (!out.empty() && !out.ends_with('\n')) out += '\n';
            fresh += line + "\n" + out;
            shown += line + "\n";
            expected += line + "\n" + out;
            ++commands;
        } else {
            shown += line + "\n";
        }
    }
    CHECK(commands > 25);
    if (std::getenv("STRATA_WRITE_DOCS") != nullptr) {
        std::ofstream(STRATA_CLI_DOCS) << fresh;
    }
    // Each command has its session.
    for (const char* command :
         {"ls",     "bookmark", "info",   "dims",    "layers", "get",        "create",  "rename",
          "put",    "rm",       "watch",  "diff",    "stat",   "dump",       "readers", "verify",
          "volume", "gc",       "doctor", "metrics", "top",    "completion", "man"}) {
        CAPTURE(command);
        CHECK(contains(fresh, std::string("strata ") + command));
    }
}

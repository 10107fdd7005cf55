// SPDX-License-Identifier: Apache-2.0
// top, driven in tmux: what is on the screen, a new size, the end.
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;

namespace {

CommandResult run(std::vector<std::string> words) { return RunningCommand(words).finish(); }

/// A tmux server of its own, with one window that runs a command.
class Tmux {
public:
    Tmux(const TempStore& store, const std::string& command)
        : socket_((store.base() / "tmux").string()) {
        run({"tmux", "-f", "/dev/null", "-S", socket_, "new-session", "-d", "-x", "100", "-y", "30",
             command + "; echo \"ended with $?\"; sleep 60"});
    }
    Tmux(const Tmux&) = delete;
    Tmux& operator=(const Tmux&) = delete;
    ~Tmux() { (*this)({"kill-server"}); }

    CommandResult operator()(std::vector<std::string> words) const {
        words.insert(words.begin(), {"tmux", "-S", socket_});
        return run(words);
    }
    std::string screen() const { return (*this)({"capture-pane", "-p"}).out; }

    /// The screen, as soon as `text` is on it (or as it is after a minute).
    std::string await(const std::string& text) const {
        std::string now;
        for (int i = 0; i < 1200; ++i) {
            now = screen();
            if (contains(now, text)) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return now;
    }

private:
    std::string socket_;
};

}  // namespace

TEST_CASE("top on a terminal") {
    STRATA_SKIP_IF(run({"tmux", "-V"}).code != 0, "tmux is not installed");
    const TempStore store("market");
    std::optional<Producer> producer(store.create());
    std::optional<Batch> changes(producer->batch());
    Batch& batch = *changes;
    batch.add_dimension(1, "Emotion");
    for (Dimension dimension = 1; dimension <= 14; ++dimension) {
        batch.put({dimension, 1}, std::string(1000 * dimension, 'x'));
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    for (int i = 0; i < 10; ++i) {
        batch.put({1, 1}, std::string(5000, 'y'));
        batch.crystallize();
    }
    producer->reclaim();

    const Tmux tmux(store, std::string(STRATA_COMMAND) + " --base " + store.base().string() +
                               " top market --interval 0.1 --slow 0.2");
    const std::string screen = tmux.await("SLOW");
    INFO(screen);
    CHECK(contains(screen, "strata top: market"));
    CHECK(contains(screen, "generation 12"));
    CHECK(contains(screen, "14 dimensions"));
    CHECK(contains(screen, "Emotion"));
    CHECK(contains(screen, std::to_string(::getpid())));
    CHECK(contains(screen, "SLOW"));
    CHECK(contains(screen, "of 64 MiB"));

    // Commits show as a rate.
    for (int i = 0; i < 30; ++i) {
        batch.put({1, 1}, "y");
        batch.crystallize();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(contains(tmux.await("generation 42"), "generation 42"));

    // Smaller: still all of its parts, and nothing outside.
    tmux({"resize-window", "-x", "50", "-y", "14"});
    std::string small = tmux.await("strata top");
    for (int i = 0; i < 300 && (contains(small, "D14") || !contains(small, "COMMAND")); ++i) {
        small = tmux.await("strata top");  // until the old size is gone
    }
    INFO(small);
    CHECK(contains(small, "strata top: market"));
    CHECK(contains(small, "DIMENSION"));
    CHECK(contains(small, "COMMAND"));
    CHECK(!contains(small, "D14"));
    tmux({"send-keys", "NPage", "NPage", "NPage"});
    CHECK(contains(tmux.await("D14"), "D14"));

    // The store goes and comes.
    changes.reset();
    producer.reset();
    CHECK(contains(tmux.await("producer gone"), "producer gone"));
    remove_store("market", store.base());
    CHECK(contains(tmux.await("no such"), "no such"));
    producer.emplace(store.create());
    CHECK(contains(tmux.await("generation 1 "), "generation 1 "));

    tmux({"send-keys", "q"});
    CHECK(contains(tmux.await("ended with"), "ended with 0"));
}

TEST_CASE("top without a terminal") {
    const TempStore store("market");
    const Strata strata(store.base());
    CHECK(strata({"top"}).code == 2);  // no store
    Producer producer = store.create();
    CHECK(strata({"top"}).code == 2);
    CHECK(contains(strata({"top"}).err, "needs a terminal"));
    CHECK(strata({"top", "nothing"}).code == 3);
    CHECK(strata({"top", "--interval", "0"}).code == 2);
    const CommandResult lines = strata({"top", "--json", "--count", "2", "--interval", "0.05"});
    CHECK(lines.code == 0);
    const json first = json::parse(lines.out.substr(0, lines.out.find('\n')));
    CHECK(first["generation"] == 1);
    CHECK(first["readers"].empty());
}

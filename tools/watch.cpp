// SPDX-License-Identifier: Apache-2.0
// watch and diff
#include <array>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <thread>

#include "changes.hpp"
#include "console.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::system_clock;

struct WatchArguments {
    std::string store;
    std::string dimension;
    bool from_start = false;
    bool until_gone = false;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    double seconds = 0;  // 0: for ever
};

struct DiffArguments {
    std::string store;
    Generation before = 0;
    Generation after = 0;
    std::string dimension;
};

class Watch {
public:
    Watch(const Settings& settings, const WatchArguments& arguments)
        : settings_(settings),
          arguments_(arguments),
          consumer_(attach(settings, arguments.store)),
          deadline_(arguments.seconds > 0
                        ? Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                             std::chrono::duration<double>(arguments.seconds))
                        : Clock::time_point::max()) {}

    void run() {
        std::uint64_t left = arguments_.count;
        if (arguments_.from_start) {
            show(consumer_.snapshot());
            --left;
        } else {
            seen_ = consumer_.snapshot();
        }
        while (left > 0) {
            switch (wait()) {
                case WaitResult::cancelled:
                case WaitResult::timeout: return;
                case WaitResult::changed:
                    show(consumer_.snapshot());
                    --left;
                    gone_ = false;
                    break;
                case WaitResult::producer_gone:
                    if (arguments_.until_gone) {
                        return;
                    }
                    if (!gone_) {
                        note("the producer is gone; waiting for the next one");
                    }
                    gone_ = true;
                    pause();
                    break;
                case WaitResult::store_replaced: start_anew(); break;
            }
        }
    }

private:
    static constexpr std::chrono::milliseconds poll_interval{100};

    WaitResult wait() const {
        if (Clock::now() >= deadline_) {
            return WaitResult::timeout;
        }
        const bool forever = deadline_ == Clock::time_point::max();
        return consumer_.wait(seen_.generation(),
                              forever ? std::chrono::nanoseconds(-1) : deadline_ - Clock::now());
    }

    void pause() const {
        std::this_thread::sleep_until(std::min(deadline_, Clock::now() + poll_interval));
    }

    // Another store stands under the name, or will: all that is in it is new.
    void start_anew() {
        note("the store was removed or replaced");
        while (Clock::now() < deadline_) {
            try {
                consumer_.reattach();
                seen_ = Snapshot();
                show(consumer_.snapshot());
                return;
            } catch (const Error& error) {
                if (error.code() != Errc::store_not_found || arguments_.until_gone) {
                    throw;
                }
            }
            pause();
        }
    }

    static void note(const char* text) { std::fprintf(stderr, "strata: %s\n", text); }

    void show(Snapshot now) {
        const auto list = changes_between(seen_, now, arguments_.dimension);
        const auto delay = system_clock::now() - now.published_at();
        if (settings_.json) {
            for (const Change& change : list) {
                Json json = {{"generation", now.generation()},
                             {"published_at", rfc3339_ns(now.published_at())}};
                json.update(to_json(change));
                write_line(json_text(json));
            }
        } else if (!list.empty()) {
            write_line("generation " + std::to_string(now.generation()) + ", published " +
                       time_text(now.published_at()) + ", " + duration_text(delay) + " ago: " +
                       std::to_string(list.size()) + (list.size() == 1 ? " change" : " changes"));
            for (const Change& change : list) {
                write_line("  " + change_text(settings_, change));
            }
        }
        finish_output();
        seen_ = std::move(now);
    }

    const Settings& settings_;
    const WatchArguments& arguments_;
    Consumer consumer_;
    Clock::time_point deadline_;
    Snapshot seen_;
    bool gone_ = false;
};

void diff(const Settings& settings, const DiffArguments& arguments) {
    Consumer consumer = attach(settings, arguments.store);
    const auto snapshot = [&](Generation generation) {
        return generation == 0 ? Snapshot() : consumer.snapshot(generation);
    };
    const Snapshot before = snapshot(arguments.before);
    const Snapshot after = snapshot(arguments.after);
    const auto list = changes_between(before, after, arguments.dimension);
    if (settings.json) {
        JsonList json;
        for (const Change& change : list) {
            json.add(to_json(change));
        }
        json.end();
        return;
    }
    for (const Change& change : list) {
        write_line(change_text(settings, change));
    }
    std::array<std::uint64_t, 3> counts{};
    for (const Change& change : list) {
        ++counts[static_cast<std::size_t>(change.kind)];
    }
    write_line(std::to_string(counts[0]) + " added, " + std::to_string(counts[1]) + " updated, " +
               std::to_string(counts[2]) + " removed");
}

}  // namespace

void add_watch_commands(CLI::App& app, Settings& settings) {
    auto watched = std::make_shared<WatchArguments>();
    CLI::App* const watch = add_command(
        app, "watch", "Show what changes, as it is published",
        "  strata watch market\n"
        "  strata watch market --dimension Emotion --json   (one object per line and change)\n"
        "  strata watch market --from-start --count 1       (everything there is, then end)\n"
        "Generations that follow each other quickly may be shown as one.",
        [&settings, watched] { Watch(settings, *watched).run(); });
    add_store(watch, watched->store);
    watch->add_option("-d,--dimension", watched->dimension, "Only this one")
        ->type_name("DIMENSION");
    watch->add_flag("--from-start", watched->from_start, "First what is there already");
    watch->add_flag("--until-gone", watched->until_gone, "End when the producer does");
    add_number<std::uint64_t>(watch, "-n,--count", watched->count,
                              "End after so many changes of generation", {.least = 1});
    add_duration(watch, "-s,--seconds", watched->seconds, "End after this time",
                 {.least = 0.001, .most = 1e9});

    auto compared = std::make_shared<DiffArguments>();
    CLI::App* const diff_command =
        add_command(app, "diff", "Compare two generations that the producer retains",
                    "  strata diff market 40 42\n"
                    "  strata diff market 0 42 --json    (0 is the empty store)\n"
                    "`strata info` says which generations are retained.",
                    [&settings, compared] { diff(settings, *compared); });
    add_store(diff_command, compared->store);
    add_number<Generation>(diff_command, "before", compared->before, "Generation", {.least = 0})
        ->required()
        ->type_name("GEN");
    add_number<Generation>(diff_command, "after", compared->after, "Generation", {.least = 0})
        ->required()
        ->type_name("GEN");
    diff_command->add_option("-d,--dimension", compared->dimension, "Only this one")
        ->type_name("DIMENSION");
}

}  // namespace strata::tools

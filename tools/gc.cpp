// SPDX-License-Identifier: Apache-2.0
// gc
#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "audit.hpp"
#include "console.hpp"
#include "json.hpp"
#include "own_words.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "question.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

using std::chrono::system_clock;

struct Arguments {
    std::vector<std::string> stores;
    bool dry_run = false;
    bool damaged = false;
    bool force = false;
    std::optional<double> idle_for_s;
};

/// What is to become of one store or leftover, and why.
struct Verdict {
    bool remove = false;
    std::string why{};
    std::uint64_t bytes = 0;
    bool missing = false;  ///< it was named, and there is none
};

std::uint64_t memory_of(const StoreInfo& info) {
    std::uint64_t bytes = 0;
    for (const StoreFile& file : info.files) {
        bytes += file.allocated_bytes;
    }
    return bytes;
}

Verdict judge_use(const Settings& settings, const std::string& name) {
    const std::optional<bool> used = store_in_use(name, settings.base);
    if (!used) {
        return {false, "cannot tell whether it is in use: ask its owner, or root"};
    }
    return *used ? Verdict{false, "a process has it open"}
                 : Verdict{true, "no process has it open"};
}

Verdict judge_healthy(const Settings& settings, const Arguments& arguments, const StoreInfo& info) {
    Verdict verdict;
    const std::chrono::duration<double> idle = system_clock::now() - info.published_at;
    if (info.producer_pid) {
        verdict.why = "producer " + std::to_string(*info.producer_pid) + " is alive";
    } else if (!info.readers.empty()) {
        verdict.why = std::to_string(info.readers.size()) + " readers";
    } else if (arguments.stores.empty() && !arguments.idle_for_s) {
        // A store is meant to outlive its producer: that it is gone is no reason.
        verdict.why = "waits for its next producer: name it, or use --idle-for, to remove it";
    } else if (arguments.idle_for_s && idle.count() < *arguments.idle_for_s) {
        verdict.why =
            "published " + duration_text(system_clock::now() - info.published_at) + " ago";
    } else {
        verdict = judge_use(settings, info.name);
    }
    verdict.bytes = memory_of(info);
    return verdict;
}

Verdict judge(const Settings& settings, const Arguments& arguments, const std::string& name) {
    try {
        return judge_healthy(settings, arguments, inspect(name, settings.base));
    } catch (const Error& error) {
        const std::string what = std::string(to_string(error.code())) + ": " + error.detail();
        if (error.code() == Errc::store_not_found && !arguments.stores.empty()) {
            return {.why = what, .missing = true};
        }
        if (exit_of(error.code()) != Exit::damaged || !arguments.damaged) {
            return {false, what};
        }
        Verdict verdict = judge_use(settings, name);
        verdict.why = what + "; " + verdict.why;
        return verdict;
    }
}

Verdict judge(const Leftover& leftover) {
    const std::string what = "temporary store for \"" + leftover.store + "\"";
    if (!leftover.in_use) {
        return {false, what + " of another user", leftover.allocated_bytes};
    }
    const std::string maker =
        leftover.creator_pid == 0 ? "restored" : "made by " + std::to_string(leftover.creator_pid);
    return *leftover.in_use ? Verdict{false, what + ", being " + maker, leftover.allocated_bytes}
                            : Verdict{true, what + ", its maker is gone", leftover.allocated_bytes};
}

/// A store or leftover that was looked at.
struct Candidate {
    std::string name;
    Verdict verdict;
    std::function<Verdict()> judge;  ///< looks again
    std::function<void()> remove;
    std::string action{};
};

class Collection {
public:
    Collection(const Settings& settings, const Arguments& arguments)
        : settings_(settings), arguments_(arguments) {}

    void add(std::string name, std::function<Verdict()> judge, std::function<void()> remove) {
        Verdict verdict = judge();
        if (verdict.missing) {
            exit_ = Exit::not_found;
        }
        const char* const action = verdict.missing  ? "missing"
                                   : verdict.remove ? "would remove"
                                                    : "kept";
        candidates_.push_back(
            {std::move(name), std::move(verdict), std::move(judge), std::move(remove), action});
    }

    /// False: somebody was asked and said no.
    bool agreed() const {
        const auto doomed = std::count_if(candidates_.begin(), candidates_.end(),
                                          [](const Candidate& c) { return c.verdict.remove; });
        if (doomed == 0 || arguments_.force || !can_ask()) {
            return true;
        }
        if (!settings_.json) {
            print_table();
        }
        return confirmed("strata: remove " +
                         (doomed == 1 ? std::string("it") : "these " + std::to_string(doomed)) +
                         ", " + size_text(freed(), settings_.bytes) + ", for good?");
    }

    void remove() {
        for (Candidate& candidate : candidates_) {
            if (candidate.verdict.remove) {
                remove_one(candidate);
            }
        }
    }

    void print() const {
        if (settings_.json) {
            Json list = Json::array();
            for (const Candidate& candidate : candidates_) {
                list.push_back({{"name", candidate.name},
                                {"action", candidate.action},
                                {"bytes", candidate.verdict.bytes},
                                {"reason", candidate.verdict.why}});
            }
            print_json(list);
        } else {
            print_table();
            write_line((arguments_.dry_run ? "would free " : "freed ") +
                       size_text(freed(), settings_.bytes));
        }
    }

    Exit exit() const noexcept { return exit_; }

private:
    void remove_one(Candidate& candidate) {
        // Somebody may have come while the question stood.
        candidate.verdict = candidate.judge();
        if (!candidate.verdict.remove) {
            candidate.action = "kept";
            return;
        }
        try {
            candidate.remove();
            candidate.action = "removed";
        } catch (const Error& error) {
            const bool used = error.code() == Errc::producer_active;  // that is no failure
            candidate.action = used ? "kept" : "failed";
            candidate.verdict.why = in_own_words(error).what();
            exit_ = used ? exit_ : Exit::failed;
        }
    }

    void print_table() const {
        if (candidates_.empty()) {
            return;
        }
        Table table({{"ACTION"}, {"STORE"}, {"MEMORY", Table::Align::right}, {"WHY"}});
        for (const Candidate& candidate : candidates_) {
            table.add({candidate.action, printable(candidate.name),
                       size_text(candidate.verdict.bytes, settings_.bytes),
                       printable(candidate.verdict.why)});
        }
        table.print();
    }

    std::uint64_t freed() const {
        std::uint64_t bytes = 0;
        for (const Candidate& candidate : candidates_) {
            const bool counts = candidate.action == "removed" || candidate.action == "would remove";
            bytes += counts ? candidate.verdict.bytes : 0;
        }
        return bytes;
    }

    const Settings& settings_;
    const Arguments& arguments_;
    std::vector<Candidate> candidates_;
    Exit exit_ = Exit::ok;
};

void collect(const Settings& settings, const Arguments& arguments) {
    require_base(settings);
    std::vector<std::string> names = arguments.stores;
    if (names.empty()) {
        names = list_stores(settings.base);
    }
    Collection collection(settings, arguments);
    {
        ProgressBar bar(true);
        std::uint64_t looked_at = 0;
        for (const std::string& name : names) {
            bar.show(looked_at++, names.size(), printable(name));
            collection.add(
                name, [&settings, &arguments, name] { return judge(settings, arguments, name); },
                [&settings, name] {
                    audited(settings, "remove", settings.base / name,
                            [&] { remove_store(name, settings.base); });
                });
        }
    }
    if (arguments.stores.empty()) {
        for (const Leftover& leftover : leftovers(settings.base)) {
            // remove_leftover looks again by itself whether its maker is alive.
            collection.add(
                leftover.path.filename().string(), [leftover] { return judge(leftover); },
                [&settings, leftover] {
                    audited(settings, "remove leftover", leftover.path,
                            [&] { remove_leftover(leftover.path); });
                });
        }
    }
    if (!arguments.dry_run) {
        if (!collection.agreed()) {
            throw Complaint{Exit::failed, "refused", "nothing was removed"};
        }
        collection.remove();
    }
    collection.print();
    if (collection.exit() != Exit::ok) {
        throw Ended{collection.exit()};
    }
}

}  // namespace

void add_gc_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command =
        add_command(app, "gc", "Remove what died half made; idle stores only if asked to",
                    "  strata gc --dry-run\n"
                    "  strata gc\n"
                    "  strata gc --idle-for 7d\n"
                    "  strata gc market\n"
                    "Stores outlive their producers: without --idle-for or names, only what was "
                    "half made when\n"
                    "its maker died goes. A store is removed only if its producer is gone and no "
                    "process has it\n"
                    "open, whatever its user or container. On a terminal gc asks first.",
                    [&settings, arguments] { collect(settings, *arguments); });
    command->add_option("store", arguments->stores, "These stores")->type_name("STORE");
    command->add_flag("-n,--dry-run", arguments->dry_run, "Only say what would be done, and why");
    command->add_flag("-f,--force", arguments->force, "Do not ask");
    command->add_flag("--damaged", arguments->damaged, "Also stores that cannot be read any more");
    add_optional_duration(command, "--idle-for", arguments->idle_for_s,
                          "Also stores that published nothing for this time",
                          {.least = 0, .most = 1e12});
}

}  // namespace strata::tools

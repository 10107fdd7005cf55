// SPDX-License-Identifier: Apache-2.0
// gc
#include <algorithm>
#include <chrono>
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

using std::chrono::system_clock;

struct Arguments {
    std::vector<std::string> stores;
    bool dry_run = false;
    bool damaged = false;
    double older_than_s = 0;
};

/// What is to become of one store or leftover, and why.
struct Verdict {
    bool remove = false;
    std::string why{};
    std::uint64_t bytes = 0;
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
    const std::chrono::duration<double> age = system_clock::now() - info.published_at;
    if (info.producer_pid) {
        verdict.why = "producer " + std::to_string(*info.producer_pid) + " is alive";
    } else if (!info.readers.empty()) {
        verdict.why = std::to_string(info.readers.size()) + " readers";
    } else if (age.count() < arguments.older_than_s) {
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
    return *leftover.in_use
               ? Verdict{false, what + ", being made by " + std::to_string(leftover.creator_pid),
                         leftover.allocated_bytes}
               : Verdict{true, what + ", its maker is gone", leftover.allocated_bytes};
}

class Collection {
public:
    Collection(const Settings& settings, const Arguments& arguments)
        : settings_(settings), arguments_(arguments) {}

    template <class Remove>
    void handle(const std::string& name, Verdict verdict, Remove remove) {
        std::string action =
            verdict.remove ? arguments_.dry_run ? "would remove" : "removed" : "kept";
        if (verdict.remove && !arguments_.dry_run) {
            try {
                remove();
            } catch (const Error& error) {
                // A producer that has come meanwhile is no failure: the store is in use again.
                failed_ |= error.code() != Errc::producer_active;
                action = error.code() == Errc::producer_active ? "kept" : "failed";
                verdict.why = error.what();
            }
        }
        if (action == "removed" || action == "would remove") {
            freed_ += verdict.bytes;
        }
        table_.add({action, printable(name), size_text(verdict.bytes, settings_.bytes),
                    printable(verdict.why)});
        json_.push_back({{"name", name},
                         {"action", action},
                         {"bytes", verdict.bytes},
                         {"reason", verdict.why}});
        ++count_;
    }

    void finish() const {
        if (settings_.json) {
            print_json(json_);
        } else {
            if (count_ > 0) {
                table_.print();
            }
            write_line((arguments_.dry_run ? "would free " : "freed ") +
                       size_text(freed_, settings_.bytes));
        }
        if (failed_) {
            throw Ended{Exit::failed};
        }
    }

private:
    const Settings& settings_;
    const Arguments& arguments_;
    Table table_{{{"ACTION"}, {"STORE"}, {"MEMORY", Table::Align::right}, {"WHY"}}};
    Json json_ = Json::array();
    std::uint64_t freed_ = 0;
    std::size_t count_ = 0;
    bool failed_ = false;
};

void collect(const Settings& settings, const Arguments& arguments) {
    std::vector<std::string> names = arguments.stores;
    if (names.empty()) {
        names = list_stores(settings.base);
    }
    Collection collection(settings, arguments);
    ProgressBar bar(true);
    std::uint64_t looked_at = 0;
    for (const std::string& name : names) {
        bar.show(looked_at++, names.size(), printable(name));
        collection.handle(name, judge(settings, arguments, name),
                          [&] { remove_store(name, settings.base); });
    }
    if (arguments.stores.empty()) {
        for (const Leftover& leftover : leftovers(settings.base)) {
            collection.handle(leftover.path.filename().string(), judge(leftover),
                              [&] { remove_leftover(leftover.path); });
        }
    }
    bar.clear();
    collection.finish();
}

}  // namespace

void add_gc_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "gc", "Remove stores that no process uses, and what died half made",
        "  strata gc --dry-run\n"
        "  strata gc --older-than 86400\n"
        "  strata gc market\n"
        "A store is removed only if its producer is gone and no process has it open, whatever its\n"
        "user or container. Its content is lost: a producer that is started later begins anew.",
        [&settings, arguments] { collect(settings, *arguments); });
    command->add_option("store", arguments->stores, "Only these stores; all if none is given")
        ->type_name("STORE");
    command->add_flag("-n,--dry-run", arguments->dry_run, "Only say what would be done, and why");
    command->add_flag("--damaged", arguments->damaged, "Also stores that cannot be read any more");
    command
        ->add_option("--older-than", arguments->older_than_s,
                     "Only stores that published nothing for this time")
        ->type_name("SECONDS");
}

}  // namespace strata::tools

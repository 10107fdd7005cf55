// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/campaign.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "tests/faults/call_table.hpp"
#include "tests/faults/run.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"

namespace strata::test {

namespace {

struct Tally {
    std::uint64_t calls = 0;    ///< moments: that were recorded
    std::uint64_t plans = 0;    ///< that were to be tried
    std::uint64_t refused = 0;  ///< of these, those whose call came
    std::uint64_t wrong = 0;
};

// What a worker reports of one plan.
enum class Verdict : std::uint64_t { right, wrong, never_came };

std::uint64_t hash_of(const Plan& plan, std::uint64_t seed) {
    return mixed(std::hash<std::string>{}(to_string(plan)) ^ mixed(seed));
}

// What the scenario calls when nothing is refused. Empty: something is wrong already.
std::map<CallSite, std::uint64_t> record(const Scenario& scenario) {
    const Outcome outcome = run(scenario, {});
    for (const long number : outcome.unknown) {
        std::printf(
            "WRONG: %s: system call %ld is not in the table (tests/faults/call_table.cpp)\n",
            scenario.name.c_str(), number);
    }
    if (!outcome.wrong.empty()) {
        std::printf("WRONG: %s with nothing refused:\n%s\n", scenario.name.c_str(),
                    outcome.wrong.c_str());
    }
    return outcome.wrong.empty() && outcome.unknown.empty() ? outcome.counts
                                                            : decltype(outcome.counts){};
}

/// A refusal that cannot be borne, and why that is accepted. Such plans are not tried.
struct Accepted {
    std::string_view kind{};
    std::string_view scenario{};  ///< empty: all
    int error = 0;                ///< or one of these two:
    std::string_view reason{};

    static constexpr int any = 0;
    static constexpr int any_but_interruption = -1;
};
constexpr std::string_view own_threads =
    "threads of one process wait for each other without a time limit: a lost wake is for ever, as "
    "it is for the C library's own locks";
constexpr std::string_view own_event =
    "what tells a thread to end is an eventfd, on which write(2) does not fail";
constexpr std::string_view contradiction =
    "one call says that the name is taken, another one that it is free: whoever looks again and "
    "again looks for ever";
constexpr std::string_view holes_unknown =
    "a file system that knows no holes for one call knows them for the next: what the former would "
    "have told counts as memory";
constexpr Accepted accepted[] = {
    {"lseek.DATA", "", EINVAL, holes_unknown},
    {"futex.WAKE_BITSET", "queue", Accepted::any, own_threads},
    {"futex.WAKE_BITSET", "consume", Accepted::any, own_threads},
    {"futex.WAKE_BITSET", "detach", Accepted::any, own_threads},
    {"futex.WAKE_BITSET", "wait", Accepted::any, own_threads},
    {"futex.WAKE_BITSET", "fork", Accepted::any, own_threads},
    {"futex.WAKE_BITSET", "reattach", Accepted::any, own_threads},
    {"write", "end", Accepted::any_but_interruption, own_event},
    {"write", "create-base", Accepted::any_but_interruption, own_event},
    {"renameat2", "replace", EEXIST, contradiction},
    {"fstatat", "remove", ENOENT, contradiction},
};

bool concerns(const Accepted& one, const Plan& plan) {
    if (one.kind != plan.site.kind || (!one.scenario.empty() && one.scenario != plan.scenario)) {
        return false;
    }
    switch (one.error) {
        case Accepted::any: return true;
        case Accepted::any_but_interruption: return plan.error != EINTR;
        default: return plan.error == one.error;
    }
}

bool is_accepted(const Plan& plan) {
    return std::any_of(std::begin(accepted), std::end(accepted),
                       [&](const Accepted& one) { return concerns(one, plan); });
}

void add_plans(const std::string& scenario, const CallSite& site, std::uint64_t calls,
               std::vector<Plan>& plans) {
    for (std::uint64_t nth = 1; nth <= calls; ++nth) {
        for (const int error : kind_named(site.kind)->errors) {
            for (const bool sticky : {false, true}) {
                Plan plan{site, error, nth, sticky, scenario};
                if (!is_accepted(plan)) {
                    plans.push_back(std::move(plan));
                }
            }
        }
    }
}

// One of each call of each scenario, the others by lot.
std::vector<Plan> sampled(std::vector<Plan> plans, const Campaign& campaign) {
    if (campaign.runs == 0 || plans.size() <= campaign.runs) {
        return plans;
    }
    std::stable_sort(plans.begin(), plans.end(), [&](const Plan& a, const Plan& b) {
        return hash_of(a, campaign.seed) < hash_of(b, campaign.seed);
    });
    std::set<std::pair<std::string, CallSite>> seen;
    std::stable_partition(plans.begin(), plans.end(), [&](const Plan& plan) {
        return seen.insert({plan.scenario, plan.site}).second;
    });
    plans.resize(std::max<std::size_t>(campaign.runs, seen.size()));
    return plans;
}

Verdict tried(const Plan& plan) {
    const Outcome outcome = run(scenario_named(plan.scenario), plan);
    if (!outcome.wrong.empty()) {
        std::printf("WRONG: --only %s   refused in: %s\n%s", to_string(plan).c_str(),
                    outcome.refused ? outcome.step.c_str() : "(never)", outcome.wrong.c_str());
        std::fflush(stdout);
        return Verdict::wrong;
    }
    return outcome.refused ? Verdict::right : Verdict::never_came;
}

// Worker `part` of `parts` tries each parts-th plan.
void work(const std::vector<Plan>& plans, std::size_t part, std::size_t parts,
          const Channel& channel) {
    for (std::size_t i = part; i < plans.size(); i += parts) {
        channel.send(static_cast<std::uint64_t>(tried(plans[i])));
    }
}

using Table = std::map<std::string, Tally>;

void print(const Table& table) {
    std::printf("\n%-34s %9s %9s %9s %7s\n", "call", "moments", "tried", "refused", "wrong");
    Tally sum;
    for (const auto& [name, tally] : table) {
        std::printf("%-34s %9lu %9lu %9lu %7lu\n", name.c_str(), tally.calls, tally.plans,
                    tally.refused, tally.wrong);
        sum.calls += tally.calls;
        sum.plans += tally.plans;
        sum.refused += tally.refused;
        sum.wrong += tally.wrong;
    }
    std::printf("%-34s %9lu %9lu %9lu %7lu\n", "in all", sum.calls, sum.plans, sum.refused,
                sum.wrong);
}

}  // namespace

bool conduct(const Campaign& campaign) {
    Table table;
    std::vector<Plan> plans;
    bool right = true;
    for (const Scenario& scenario : scenarios()) {
        if (!campaign.scenario.empty() && scenario.name != campaign.scenario) {
            continue;
        }
        const auto counts = record(scenario);
        right = right && !counts.empty();
        for (const auto& [site, calls] : counts) {
            table[to_string(site)].calls += calls;
            add_plans(scenario.name, site, calls, plans);
        }
    }
    const std::size_t all = plans.size();
    plans = sampled(std::move(plans), campaign);
    std::printf("%zu of %zu refusals, seed %lu\n", plans.size(), all, campaign.seed);
    std::fflush(stdout);

    std::vector<Child> workers;
    for (unsigned part = 0; part < campaign.jobs; ++part) {
        workers.push_back(Child::start(
            [&](const Channel& channel) { work(plans, part, campaign.jobs, channel); }));
    }
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const auto verdict = static_cast<Verdict>(workers[i % campaign.jobs].receive());
        Tally& tally = table[to_string(plans[i].site)];
        ++tally.plans;
        tally.refused += verdict == Verdict::never_came ? 0 : 1;
        tally.wrong += verdict == Verdict::wrong ? 1 : 0;
        right = right && verdict != Verdict::wrong;
    }
    for (Child& worker : workers) {
        const std::string reason = worker.join();
        if (!reason.empty()) {
            std::printf("WRONG: %s\n", reason.c_str());
            right = false;
        }
    }
    print(table);
    return right;
}

}  // namespace strata::test

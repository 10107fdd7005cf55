// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/context.hpp"

#include <algorithm>
#include <cstdio>

#include "bench/harness/json.hpp"
#include "bench/harness/stats.hpp"

namespace strata::bench {

namespace {

bool is_above(const std::string& above, const std::string& below) {
    return below == above || below.starts_with(above + "/");
}

void print(const Row& row) {
    std::printf("\n%s  (%s%s)\n", row.name.c_str(), row.unit.c_str(),
                row.more_is_better ? ", more is better" : "");
    if (!row.title.empty()) {
        std::printf("  %s\n", row.title.c_str());
    }
    for (const Contestant& one : row.contestants) {
        if (!one.not_run.empty()) {
            std::printf("  %-34s not run: %s\n", one.name.c_str(), one.not_run.c_str());
            continue;
        }
        const auto [low, high] = std::minmax_element(one.rounds.begin(), one.rounds.end());
        if (low != one.rounds.end()) {
            std::printf("  %-34s %12.2f   (%.2f - %.2f)\n", one.name.c_str(), median(one.rounds),
                        *low, *high);
        }
    }
    for (const Budget& budget : row.budgets) {
        if (budget.measured) {
            std::printf("  %-6s %s: %.2f\n", budget.met() ? "met" : "MISSED", budget.text().c_str(),
                        *budget.measured);
        } else {
            std::printf("  not run  %s\n", budget.text().c_str());
        }
    }
    for (const std::string& note : row.notes) {
        std::printf("  note: %s\n", note.c_str());
    }
    if (row.others_busy > loaded_share) {
        std::printf("  loaded machine: others used %.0f %% of the CPUs\n", row.others_busy * 100);
    }
    std::fflush(stdout);
}

}  // namespace

bool Context::wants(const std::string& name) const {
    return options_.names.empty() ||
           std::any_of(options_.names.begin(), options_.names.end(), [&](const auto& wanted) {
               return is_above(wanted, name) || is_above(name, wanted);
           });
}

void Context::finish(Row row) {
    row.evaluate();
    print(row);
    rows_.push_back(std::move(row));
    if (!options_.json.empty()) {
        write_json();
    }
}

void Context::write_json() const {
    Json json;
    json.begin_object();
    json.begin_object("machine");
    for (const auto& [name, value] : machine_) {
        json.member(name, value);
    }
    json.member("software", options_.software);
    json.end_object();
    json.member("command", options_.command);
    json.member("rounds", static_cast<double>(options_.rounds));
    json.member("quick", options_.quick);
    json.begin_array("rows");
    for (const Row& row : rows_) {
        write(json, row);
    }
    json.end_array();
    json.end_object();
    json.save(options_.json);
}

void run_rounds(Context& context, Row& row, std::vector<Entrant>& entrants) {
    for (const Entrant& entrant : entrants) {
        row.contestant(entrant.name, entrant.role);  // in this order in the table
    }
    const LoadMeter load;
    std::vector<bool> out(entrants.size());
    for (int round = -1; round < context.rounds(); ++round) {
        context.set_warming_up(round < 0);
        for (std::size_t i = 0; i < entrants.size(); ++i) {
            const std::size_t at = (i + static_cast<std::size_t>(round + 1)) % entrants.size();
            Entrant& entrant = entrants[at];
            if (out[at]) {
                continue;
            }
            try {
                const double value = entrant.run();
                if (round >= 0) {
                    row.value(entrant.name, entrant.role, value);
                }
            } catch (const NotRun& reason) {
                row.not_run(entrant.name, entrant.role, reason.what());
                out[at] = true;
            }
        }
    }
    row.others_busy = load.others_busy();
}

ScratchDirectory::ScratchDirectory(const Context& context, const std::string& stem) {
    static int serial = 0;
    path_ = context.options().base / (stem + "-" + std::to_string(serial++));
    std::filesystem::create_directory(path_);
}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace strata::bench

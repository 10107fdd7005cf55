// SPDX-License-Identifier: Apache-2.0
// doctor: the command, and its look at the stores themselves
#include "doctor.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "json.hpp"
#include "own_words.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

constexpr std::array<const char*, 4> level_names = {"ok", "note", "warning", "problem"};

const char* level_name(Level level) { return level_names[static_cast<std::size_t>(level)]; }

Colour level_colour(Level level) {
    constexpr std::array<Colour, 4> colours = {Colour::good, Colour::none, Colour::warning,
                                               Colour::bad};
    return colours[static_cast<std::size_t>(level)];
}

void check_store(const std::string& name, const DoctorPlaces& places, Findings& findings) {
    const std::string check = "store " + printable(name);
    try {
        const StoreInfo info = inspect(name, places.base);
        const auto foreign = std::count_if(
            info.files.begin(), info.files.end(),
            [](const StoreFile& file) { return file.kind == StoreFile::Kind::foreign; });
        if (foreign > 0) {
            findings.push_back({Level::warning, check,
                                std::to_string(foreign) + " files in it are not the store's",
                                "they keep it from being removed; move them elsewhere"});
        } else if (info.committed_bytes * 4 >= info.memory_limit * 3) {
            findings.push_back(
                {Level::warning, check,
                 size_text(info.committed_bytes) + " of " + size_text(info.memory_limit) +
                     " are in use",
                 "let the program that produces it raise its limit, or look for readers that hold "
                 "memory back: strata readers " +
                     name});
        } else {
            findings.push_back(
                {Level::ok, check,
                 std::string(info.producer_pid ? "producer alive" : "producer gone") + ", " +
                     std::to_string(info.readers.size()) + " readers, " +
                     size_text(info.committed_bytes) + " of " + size_text(info.memory_limit),
                 ""});
        }
    } catch (const Error& thrown) {
        const Error error = in_own_words(thrown);
        const bool foreign = error.code() == Errc::permission_denied;
        findings.push_back({foreign ? Level::note : Level::problem, check,
                            std::string(to_string(error.code())) + ": " + error.detail(),
                            error.hint()});
    }
}

void run(const Settings& settings, const std::filesystem::path& system_root) {
    const DoctorPlaces places{settings.base, system_root};
    Findings findings;
    check_base(places, findings);
    check_file_system(places, findings);
    check_limits(places, findings);
    check_logind(places, findings);
    check_stores(places, findings);
    const bool problem = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.level == Level::problem;
    });
    if (settings.json) {
        Json list = Json::array();
        for (const Finding& finding : findings) {
            list.push_back({{"check", finding.check},
                            {"level", level_name(finding.level)},
                            {"detail", finding.detail},
                            {"advice", finding.advice}});
        }
        print_json({{"healthy", !problem}, {"findings", std::move(list)}});
    } else {
        std::size_t width = 0;
        for (const Finding& finding : findings) {
            width = std::max(width, finding.check.size());
        }
        for (const Finding& finding : findings) {
            const std::string level = level_name(finding.level);
            std::string check = finding.check;
            check.resize(width + 2, ' ');
            write_line(painted(level, level_colour(finding.level)) +
                       std::string(9 - level.size(), ' ') + check + printable(finding.detail));
            if (!finding.advice.empty()) {
                write_line(std::string(9 + width + 2, ' ') + "-> " + printable(finding.advice));
            }
        }
    }
    if (problem) {
        throw Ended{Exit::failed};
    }
}

}  // namespace

void check_stores(const DoctorPlaces& places, Findings& findings) {
    try {
        for (const std::string& name : list_stores(places.base)) {
            check_store(name, places, findings);
        }
        for (const Leftover& leftover : leftovers(places.base)) {
            if (!leftover.in_use.value_or(true)) {
                findings.push_back({Level::warning, "leftover",
                                    leftover.path.string() + ", " +
                                        size_text(leftover.allocated_bytes) +
                                        ": a store that died while it was made",
                                    "strata gc removes it"});
            }
        }
    } catch (const Error& thrown) {
        const Error error = in_own_words(thrown);
        findings.push_back({Level::problem, "stores", error.detail(), error.hint()});
    }
}

void add_doctor_command(CLI::App& app, Settings& settings) {
    auto system_root = std::make_shared<std::filesystem::path>("/");
    CLI::App* const command =
        add_command(app, "doctor", "Check this machine and the stores, and say what to do",
                    "  strata doctor\n"
                    "  strata --base /tmp/volumes doctor --json",
                    [&settings, system_root] { run(settings, *system_root); });
    command
        ->add_option("--system-root", *system_root,
                     "Where /etc, /run, /proc and /sys of the machine in question are")
        ->type_name("DIR")
        ->capture_default_str();
}

}  // namespace strata::tools

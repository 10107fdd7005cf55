// SPDX-License-Identifier: Apache-2.0
// What `strata doctor` looks at.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "console.hpp"

namespace strata::tools {

enum class Level : unsigned char { ok, note, warning, problem };

struct Finding {
    Level level = Level::ok;
    std::string check{};   ///< a short name, stable: for scripts
    std::string detail{};  ///< what was found
    std::string advice{};  ///< what to do, if anything
};

using Findings = std::vector<Finding>;

struct DoctorPlaces {
    std::filesystem::path base;
    std::filesystem::path system_root;  ///< in front of /etc, /run, /proc and /sys
};

// Each adds what it finds; none throws for what it cannot read.
void check_base(const DoctorPlaces& places, Findings& findings);
void check_file_system(const DoctorPlaces& places, Findings& findings);
void check_limits(const DoctorPlaces& places, Findings& findings);
void check_logind(const DoctorPlaces& places, Findings& findings);
void check_stores(const DoctorPlaces& places, Findings& findings);

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
// The entries of an audit log.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace strata::test {

using Json = nlohmann::json;

inline std::vector<Json> lines_of(const std::filesystem::path& file) {
    std::vector<Json> lines;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(Json::parse(line));  // or the test fails
    }
    return lines;
}

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
#include "processes.hpp"

#include <fstream>

#include "text.hpp"

namespace strata::tools {

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(65536, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

std::string command_of(std::int64_t pid) {
    std::string name = read_text("/proc/" + std::to_string(pid) + "/comm");
    if (name.ends_with('\n')) {
        name.pop_back();
    }
    return name.empty() ? "?" : printable(name);
}

}  // namespace strata::tools

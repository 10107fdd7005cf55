// SPDX-License-Identifier: Apache-2.0
#include "processes.hpp"

#include <fstream>
#include <system_error>

#include <strata/printable.hpp>

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
    return printable(name);
}

bool has_open(std::int64_t pid, const std::filesystem::path& file) {
    std::error_code error;  // gone meanwhile, or not permitted
    const std::filesystem::path descriptors = "/proc/" + std::to_string(pid) + "/fd";
    for (std::filesystem::directory_iterator it(descriptors, error), end; it != end;
         it.increment(error)) {
        std::error_code unknown;
        if (std::filesystem::equivalent(it->path(), file, unknown)) {
            return true;
        }
    }
    return false;
}

}  // namespace strata::tools

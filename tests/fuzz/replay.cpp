// SPDX-License-Identifier: Apache-2.0
// usage: fuzz_replay TARGET FILE_OR_FOLDER...
// Runs inputs through a target: the committed corpus as a test, a single crash in a debugger. An
// input that takes longer than 20 s (more in a slow build) ends the process with SIGALRM.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>
#include <vector>

#include "tests/fuzz/target.hpp"
#include "tests/support/process.hpp"

namespace {

std::vector<std::filesystem::path> files_of(int argc, char** argv) {
    std::vector<std::filesystem::path> files;
    for (int i = 2; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) {
            files.emplace_back(argv[i]);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

int main(int argc, char** argv) {
    const strata::fuzz::Target* const target =
        argc > 2 ? strata::fuzz::find_target(argv[1]) : nullptr;
    if (target == nullptr) {
        std::fprintf(stderr, "usage: fuzz_replay TARGET FILE_OR_FOLDER...\ntargets:\n");
        for (const strata::fuzz::Target& each : strata::fuzz::targets()) {
            std::fprintf(stderr, "  %-10s %s\n", each.name.data(), each.what.data());
        }
        return 2;
    }
    const auto files = files_of(argc, argv);
    const strata::fuzz::RunInput run = target->make();
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
        if (!file) {
            std::fprintf(stderr, "cannot read %s\n", path.c_str());
            return 1;
        }
        // Said first, so that the last line names the input that ended the process.
        std::printf("%s\n", path.c_str());
        std::fflush(stdout);
        ::alarm(strata::test::scaled(20U, 120U));
        run({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    }
    ::alarm(0);
    std::printf("%s: %zu inputs\n", argv[1], files.size());
    return files.empty() ? 1 : 0;
}

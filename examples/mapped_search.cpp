// SPDX-License-Identifier: Apache-2.0
// Searches a big file from several threads, each with a clone of one input; no byte is copied.
// usage: mapped_search [MIB [THREADS]]    makes a file of so many MiB (64; try 1024) and searches
// it
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <strata/mapped_directory.hpp>

namespace {

constexpr std::string_view needle = "a needle in a haystack";
constexpr const char* file_name = "haystack.txt";

/// One needle in each MiB, at a place that differs, some of them across the borders of parts.
void make_file(const strata::FileDirectory& directory, std::uint64_t mib) {
    strata::FileOutput out = directory.replace(file_name);
    std::string block(1 << 20, '.');
    for (std::uint64_t i = 0; i < mib; ++i) {
        const std::size_t at = i * 7919 % (block.size() - needle.size());
        block.replace(at, needle.size(), needle);
        out.write(block);
        block.replace(at, needle.size(), needle.size(), '.');
    }
    out.publish();
}

/// Needles that begin in [begin, end).
std::uint64_t count(const strata::MappedInput& input, std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t last = std::min(end + needle.size() - 1, input.size());
    const strata::FileView view = input.view(begin, last - begin);
    std::uint64_t found = 0;
    for (std::size_t at = 0; (at = view.text().find(needle, at)) != std::string_view::npos; ++at) {
        ++found;
    }
    return found;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::uint64_t mib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 64;
    const std::uint64_t threads = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 4;
    if (mib == 0 || threads == 0 || threads > 1000) {
        std::cerr << "usage: mapped_search [MIB [THREADS]]\n";
        return 2;
    }
    const auto path = std::filesystem::temp_directory_path() /
                      ("mapped_search-" +
                       std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    std::filesystem::create_directory(path);
    struct Remove {
        const std::filesystem::path& path;
        ~Remove() {
            std::error_code ignored;
            std::filesystem::remove_all(path, ignored);
        }
    } const remove{path};

    const strata::MappedDirectory directory(path);
    make_file(directory, mib);
    const strata::MappedInput input = directory.open(file_name);

    const auto started = std::chrono::steady_clock::now();
    std::atomic<std::uint64_t> found{0};
    std::atomic<bool> failed{false};
    std::vector<std::thread> searchers;
    for (std::uint64_t i = 0; i < threads; ++i) {
        searchers.emplace_back([&, i, mine = input.clone()] {
            try {
                found += count(mine, mine.size() / threads * i,
                               i + 1 < threads ? mine.size() / threads * (i + 1) : mine.size());
                mine.check();  // nobody has cut the file short meanwhile
            } catch (const strata::Error& error) {
                std::cerr << error.what() << '\n';
                failed = true;
            }
        });
    }
    for (std::thread& searcher : searchers) {
        searcher.join();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    std::cout << found << " of " << mib << " needles in " << mib << " MiB, " << threads
              << " threads, " << took.count() << " s: " << static_cast<double>(mib) / took.count()
              << " MiB/s; " << input.residency().resident_bytes / (1 << 20) << " MiB in memory\n";
    return found == mib && !failed ? 0 : 1;
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

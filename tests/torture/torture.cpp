// SPDX-License-Identifier: Apache-2.0
// Crash torture: kills, stops and forks processes that share stores, and compares every byte that
// anybody sees. See docs/testing.md.
//   torture [--minutes M] [--kills N] [--seed S] [--keep]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>

#include "tests/torture/driver.hpp"
#include "tests/torture/report.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t rounds_between_balances = 300;

struct Options {
    double minutes = 1;
    std::uint64_t kills = ~std::uint64_t{0};  ///< ends earlier when there were so many
    std::uint64_t seed =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) %
        1'000'000'000;
    bool keep = false;  ///< leaves the stores for somebody to look at when something is wrong
};

bool parse(int argc, char** argv, Options& options) {
    if (const char* const seed = std::getenv("STRATA_TEST_SEED")) {
        options.seed = std::strtoull(seed, nullptr, 10);
    }
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--keep") {
            options.keep = true;
        } else if (i + 1 == argc) {
            return false;
        } else if (word == "--minutes") {
            options.minutes = std::strtod(argv[++i], nullptr);
        } else if (word == "--kills") {
            options.kills = std::strtoull(argv[++i], nullptr, 10);
        } else if (word == "--seed") {
            options.seed = std::strtoull(argv[++i], nullptr, 10);
        } else {
            return false;
        }
    }
    return options.minutes > 0;
}

// A driver that killed nobody would find nothing. What is rare may be missing in a short run.
bool hardly_anything_happened(strata::test::Driver& driver) {
    using namespace strata::test;
    const Tally& tally = driver.tally();
    const Ledger& ledger = driver.ledger();
    const bool idle = tally.producer_kills == 0 || tally.consumer_kills == 0 ||
                      ledger.snapshots == 0 || ledger.generations == 0;
    const bool one_sided =
        ledger.moves == 0 || ledger.retained_by_lot == 0 || (with_backups && ledger.backups == 0);
    return idle || (one_sided && tally.rounds >= rounds_between_balances);
}

bool torture(const Options& options, const std::filesystem::path& base) {
    using namespace strata::test;
    const auto begun = Clock::now();
    const std::chrono::duration<double, std::ratio<60>> time(options.minutes);
    const auto end = begun + time;
    const auto latest = begun + 8 * time;  // on a machine that is slow, or has much else to do
    Driver driver(base, options.seed);
    bool right = true;
    auto next_news = begun + std::chrono::minutes(1);
    while (right && driver.tally().kills() < options.kills &&
           (Clock::now() < end || (Clock::now() < latest && hardly_anything_happened(driver)))) {
        right = driver.run_round();
        if (right && driver.tally().rounds % rounds_between_balances == 0) {
            right = driver.draw_balance();
        }
        if (Clock::now() > next_news) {
            std::printf("%llu kills, %llu generations\n",
                        static_cast<unsigned long long>(driver.tally().kills()),
                        static_cast<unsigned long long>(driver.ledger().generations.load()));
            std::fflush(stdout);
            next_news += std::chrono::minutes(1);
        }
    }
    right = right && driver.draw_balance();
    report(driver, options.seed,
           std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun));
    if (right && hardly_anything_happened(driver)) {
        std::printf("WRONG: hardly anything happened\n");
        right = false;
    }
    return right;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fprintf(stderr, "usage: torture [--minutes M] [--kills N] [--seed S] [--keep]\n");
        return 2;
    }
    std::printf("torture: seed %llu\n", static_cast<unsigned long long>(options.seed));
    std::fflush(stdout);
    std::string base = "/dev/shm/strata-torture.XXXXXX";
    if (::mkdtemp(base.data()) == nullptr) {
        std::perror("torture: mkdtemp");
        return 1;
    }
    bool right = false;
    try {
        // Beside it victims have what is no store of the driver's: backups.
        const std::filesystem::path stores = std::filesystem::path(base) / "stores";
        std::filesystem::create_directory(stores);
        right = torture(options, stores);
    } catch (const std::exception& error) {
        std::printf("WRONG: the driver: %s\n", error.what());
    }
    if (right || !options.keep) {
        std::error_code ignored;
        std::filesystem::remove_all(base, ignored);
    } else {
        std::printf("the stores are left in %s\n", base.c_str());
    }
    std::printf("%s\n", right ? "torture: all right" : "torture: FAILED");
    return right ? 0 : 1;
}

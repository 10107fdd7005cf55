// SPDX-License-Identifier: Apache-2.0
// A user's whole program: publishes one layer, backs it up and restores it. argv[1] is the base
// path.
#include <cstdio>
#include <filesystem>

#include <strata/strata.hpp>
#include <strata/volume_backup.hpp>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::filesystem::path base = argv[1];
    auto producer =
        strata::Producer::create("hello", {.base_path = base, .region_max_bytes = 1 << 20});
    auto batch = producer.batch();
    batch.put({1, 5}, "hello");
    batch.crystallize();

    auto consumer = strata::Consumer::attach("hello", {.base_path = base});
    strata::backup_store(consumer, base / "backups");
    strata::restore_store(base / "backups", "again", base);
    auto again = strata::Consumer::attach("again", {.base_path = base});
    const auto snapshot = again.snapshot();
    if (snapshot.get({1, 5}).text() != "hello") return 1;
    std::printf("restored with strata %s\n", strata::version_string);
}

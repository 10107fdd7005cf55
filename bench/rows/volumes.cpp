// SPDX-License-Identifier: Apache-2.0
// Archives of a gibibyte, on a disk, beside the least that they could take. Files of an earlier
// turn are removed, and the disk has settled, before the clock starts.
#include "bench/rows/groups.hpp"

#if STRATA_BENCH_VOLUME
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "bench/harness/machine.hpp"
#include "bench/rows/volume_rows.hpp"
#include "bench/rows/volume_yardsticks.hpp"
#include <strata/strata.hpp>
#include <strata/volume.hpp>
#include <strata/volume_transfer.hpp>

namespace strata::bench {

namespace {

namespace fs = std::filesystem;

void run_export(Context& context, const FullStore& store, const Snapshot& snapshot,
                const Volume& volume, const fs::path& plain) {
    const auto without_archives = [&] {
        for (Dimension dimension = 1; dimension <= volume_dimensions; ++dimension) {
            fs::remove_all(volume.archive_path(dimension));
        }
        fs::remove_all(plain);
        fs::create_directory(plain);
        settle(plain);
    };
    const auto with_archives = [&] {
        export_dimensions(snapshot, volume);
        settle(plain);
    };
    const auto exporting = [&] { export_dimensions(snapshot, volume); };
    Row row = volume_row("volume/export", "archives of a store in shared memory, on a disk");
    row.at_least(0.9, "strata export", "SHA-256 + write + flush");
    std::vector<Entrant> entrants;
    entrants.push_back(
        speed("strata export", Role::strata, store.bytes(), {without_archives, exporting}));
    entrants.push_back(speed("strata export, replacing archives", Role::strata, store.bytes(),
                             {with_archives, exporting}));
    entrants.push_back(
        speed("SHA-256 + write + flush", Role::ceiling, store.bytes(),
              {without_archives, [&] { hash_and_write(snapshot, volume_dimensions, plain); }}));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void run_import(Context& context, const FullStore& store, const Snapshot& snapshot,
                const Volume& volume) {
    export_dimensions(snapshot, volume);
    std::optional<Producer> producer;
    const fs::path copy = store.base() / "copy";
    const auto make_directory = [&] { fs::create_directory(copy); };
    const auto remove_directory = [&] { fs::remove_all(copy); };
    Row row = volume_row("volume/import", "the same archives into a new store in shared memory");
    row.at_least(0.9, "strata import", "SHA-256 + write to fresh memory");
    row.at_least(0.9, "strata import", "SHA-256 + read into mapped memory");
    std::vector<Entrant> entrants;
    entrants.push_back(
        speed("strata import", Role::strata, store.bytes(),
              {{},
               [&] {
                   producer.emplace(Producer::create(
                       "imported", {.base_path = store.base(), .memory_limit = 2 * store.bytes()}));
                   import_dimensions(*producer, volume);
               },
               [&] {
                   producer.reset();
                   remove_store("imported", store.base());
               }}));
    entrants.push_back(
        speed("SHA-256 + write to fresh memory", Role::ceiling, store.bytes(),
              {make_directory, [&] { hash_archives_and_write(volume, volume_dimensions, copy); },
               remove_directory}));
    entrants.push_back(speed(
        "SHA-256 + read into mapped memory", Role::ceiling, store.bytes(),
        {make_directory, [&] { hash_archives_into_mappings(volume, volume_dimensions, copy); },
         remove_directory}));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void run_archives(Context& context, const FullStore& store, const DiskDirectory& disk) {
    const Volume volume = Volume::init({.base_path = disk.path() / "volume", .max_size = 4_GiB});
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    if (context.wants("volume/export")) {
        run_export(context, store, snapshot, volume, disk.path() / "plain");
    }
    if (context.wants("volume/import")) {
        run_import(context, store, snapshot, volume);
    }
}

}  // namespace

void run_volumes(Context& context) {
    const DiskDirectory disk;
    unpin();  // a thread a dimension
    FullStore store(context, context.quick() ? 128_MiB : 1_GiB);
    if (context.wants("volume/export") || context.wants("volume/import")) {
        run_archives(context, store, disk);
    }
    if (context.wants("volume/backup") || context.wants("volume/backup-1-percent") ||
        context.wants("volume/restore") || context.wants("volume/stream")) {
        run_backups(context, store, disk);
    }
    pin_to(usable_cpus().size() - 1);
}

}  // namespace strata::bench

#else

namespace strata::bench {

void run_volumes(Context& context) {
    Row row{.name = "volume/export", .title = "archives of a store", .unit = "GB/s"};
    row.not_run("strata export", Role::strata, "libssl-dev was not there at build time");
    context.finish(std::move(row));
}

}  // namespace strata::bench

#endif

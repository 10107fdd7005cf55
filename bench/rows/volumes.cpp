// SPDX-License-Identifier: Apache-2.0
// Archives and backups of a gibibyte, on a disk, beside the least that they could take: SHA-256 of
// the same bytes, and writing them to files that are flushed.
#include "bench/rows/groups.hpp"

#if STRATA_BENCH_VOLUME
#include <algorithm>
#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "bench/harness/clock.hpp"
#include "bench/harness/disk_directory.hpp"
#include "bench/harness/machine.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/lmdb.hpp"
#include "volume/sha256.hpp"
#include <strata/strata.hpp>
#include <strata/volume.hpp>
#include <strata/volume_backup.hpp>
#include <strata/volume_stream.hpp>
#include <strata/volume_transfer.hpp>

namespace strata::bench {

namespace {

namespace fs = std::filesystem;

constexpr Dimension dimensions = 8;
constexpr std::size_t layer_bytes = 64 << 10;

/// A store in shared memory, with bytes that do not repeat.
class FullStore {
public:
    FullStore(const Context& context, std::uint64_t bytes)
        : scratch_(context, "volume"),
          layers_(bytes / layer_bytes / dimensions),
          producer_(Producer::create(
              "full", {.base_path = scratch_.path(), .memory_limit = bytes + bytes / 4 + 64_MiB})) {
        for (Dimension dimension = 1; dimension <= dimensions; ++dimension) {
            Batch batch = producer_.batch();
            for (std::uint64_t layer = 0; layer < layers_; ++layer) {
                put(batch, dimension, layer, 0);
            }
            batch.crystallize();
        }
    }
    Consumer attach() const { return Consumer::attach("full", {.base_path = scratch_.path()}); }
    std::uint64_t bytes() const noexcept { return layers_ * dimensions * layer_bytes; }
    const fs::path& base() const noexcept { return scratch_.path(); }
    /// Every hundredth layer, as one generation.
    void change_hundredth(std::uint64_t version) {
        Batch batch = producer_.batch();
        for (std::uint64_t i = version % 100; i < layers_ * dimensions; i += 100) {
            put(batch, static_cast<Dimension>(1 + i % dimensions), i / dimensions, version);
        }
        batch.crystallize();
    }

private:
    static void put(Batch& batch, Dimension dimension, std::uint64_t layer, std::uint64_t version) {
        const Loan loan = batch.loan({dimension, layer}, layer_bytes);
        std::uint64_t state = mix((std::uint64_t{dimension} << 40) + layer) + version;
        for (std::size_t at = 0; at < layer_bytes; at += 8) {
            const std::uint64_t word = mix(state++);
            std::memcpy(loan.data() + at, &word, 8);
        }
    }

    ScratchDirectory scratch_;
    std::uint64_t layers_;
    Producer producer_;
};

/// `work(dimension)` for each of them, a thread a processor.
template <class Work>
void in_parallel(const Work& work) {
    std::atomic<Dimension> next{1};
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::min<std::size_t>(usable_cpus().size(), dimensions); ++i) {
        threads.emplace_back([&] {
            for (Dimension mine = next++; mine <= dimensions; mine = next++) {
                work(mine);
            }
        });
    }
}

/// Hashes every layer; with a directory also writes them there, one file a dimension, and flushes.
void hash_and_write(const Snapshot& snapshot, const fs::path* directory) {
    std::atomic<bool> failed{false};
    in_parallel([&](Dimension dimension) {
        volume_impl::Sha256 sha;
        const int fd = directory == nullptr
                           ? -1
                           : ::open((*directory / std::to_string(dimension)).c_str(),
                                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        for (const Layer& layer : snapshot.in(dimension)) {
            sha.update(layer.bytes());
            if (fd >= 0 &&
                ::write(fd, layer.data(), layer.size()) != static_cast<ssize_t>(layer.size())) {
                failed = true;
            }
        }
        sha.finish();
        if (fd >= 0 && (::fdatasync(fd) != 0 || ::close(fd) != 0)) failed = true;
    });
    if (failed) throw NotRun("the disk is full");
}

/// GB/s of `work`, which is about so many bytes.
Entrant speed(const char* who, Role role, std::uint64_t bytes, std::function<void()> work) {
    return {who, role, [bytes, work = std::move(work)] {
                const Stopwatch watch;
                work();
                return static_cast<double>(bytes) / 1e9 / watch.seconds();
            }};
}

Row row_of(const char* name, const char* title) {
    Row row{.name = name, .title = title, .unit = "GB/s"};
    row.more_is_better = true;
    return row;
}

void run_archives(Context& context, FullStore& store, const DiskDirectory& disk) {
    const Volume volume = Volume::init({.base_path = disk.path() / "volume", .max_size = 4_GiB});
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    const fs::path plain = disk.path() / "plain";
    fs::create_directory(plain);
    Row exported = row_of("volume/export", "archives of a store in shared memory, on a disk");
    exported.at_least(0.9, "strata export", "SHA-256 + write + flush");
    std::vector<Entrant> entrants;
    entrants.push_back(speed("strata export", Role::strata, store.bytes(),
                             [&] { export_dimensions(snapshot, volume); }));
    entrants.push_back(speed("SHA-256 + write + flush", Role::ceiling, store.bytes(),
                             [&] { hash_and_write(snapshot, &plain); }));
    run_rounds(context, exported, entrants);
    context.finish(std::move(exported));

    Row imported = row_of("volume/import", "the same archives into a new store in shared memory");
    imported.at_least(0.9, "strata import", "SHA-256 + copy into fresh memory");
    entrants.clear();
    entrants.push_back(speed("strata import", Role::strata, store.bytes(), [&] {
        {
            Producer producer = Producer::create(
                "imported", {.base_path = store.base(), .memory_limit = 2 * store.bytes()});
            import_dimensions(producer, volume);
        }
        remove_store("imported", store.base());
    }));
    entrants.push_back(speed("SHA-256 + copy into fresh memory", Role::ceiling, store.bytes(), [&] {
        const fs::path copy = store.base() / "copy";
        fs::create_directory(copy);
        hash_and_write(snapshot, &copy);
        fs::remove_all(copy);
    }));
    run_rounds(context, imported, entrants);
    context.finish(std::move(imported));
}

/// The peers of a backup: as many bytes in LMDB, copied as mdb_copy does; and the store's own
/// files, copied and flushed, which no store that is written meanwhile survives.
class Copies {
public:
    Copies(const FullStore& store, const DiskDirectory& disk)
        : from_(store.base() / "full"), to_(disk.path() / "copy") {
        const fs::path directory = store.base() / "lmdb";
        fs::create_directory(directory);
        try {
            lmdb_ = std::make_unique<LmdbStore>(
                directory,
                Dataset{.layers = store.bytes() / layer_bytes, .payload_bytes = layer_bytes});
        } catch (const NotRun&) {  // said where it is asked for
        }
    }
    void of_lmdb() const {
        if (!lmdb_) throw NotRun("LMDB is not here");
        begin();
        lmdb_->copy_to(to_);
        flush();
    }
    void of_files() const {
        begin();
        fs::copy(from_, to_, fs::copy_options::recursive);
        flush();
    }

private:
    void begin() const {
        fs::remove_all(to_);
        fs::create_directory(to_);
    }
    void flush() const {
        for (const fs::directory_entry& entry : fs::directory_iterator(to_)) {
            const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
            const bool failed = fd < 0 || ::fdatasync(fd) != 0;
            if (fd >= 0) ::close(fd);
            if (failed) throw NotRun("cannot be flushed");
        }
    }

    fs::path from_;
    fs::path to_;
    std::unique_ptr<LmdbStore> lmdb_;
};

void run_streams(Context& context, Consumer& consumer, std::uint64_t bytes) {
    Row row = row_of("volume/stream", "the same as a tar, to /dev/null");
    std::vector<Entrant> entrants;
    entrants.push_back(speed("strata send, tar", Role::strata, bytes, [&] {
        const int sink = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        try {
            send_backup(consumer, sink);
        } catch (const Error& error) {
            ::close(sink);
            throw NotRun(error.what());
        }
        ::close(sink);
    }));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void run_backups(Context& context, FullStore& store, const DiskDirectory& disk) {
    const Copies copies(store, disk);
    const fs::path backups = disk.path() / "backups";
    Consumer consumer = store.attach();
    Row whole = row_of("volume/backup", "a whole backup of a live store, on a disk");
    std::vector<Entrant> entrants;
    entrants.push_back(speed("strata backup", Role::strata, store.bytes(), [&] {
        fs::remove_all(backups);
        backup_store(consumer, backups, {.full = true});
    }));
    entrants.push_back(
        speed("LMDB mdb_env_copy + flush", Role::peer, store.bytes(), [&] { copies.of_lmdb(); }));
    entrants.push_back(speed("copy of the files + flush", Role::ceiling, store.bytes(),
                             [&] { copies.of_files(); }));
    run_rounds(context, whole, entrants);
    context.finish(std::move(whole));

    Row increment{.name = "volume/backup-1-percent",
                  .title = "an increment: every hundredth layer has changed",
                  .unit = "ms"};
    std::uint64_t version = 0;
    std::uint64_t written = 0;
    entrants.clear();
    entrants.push_back({"strata backup", Role::strata, [&] {
                            store.change_hundredth(++version);
                            const Stopwatch watch;
                            written = backup_store(consumer, backups).region_bytes;
                            return watch.seconds() * 1e3;
                        }});
    entrants.push_back({"LMDB mdb_env_copy + flush: all again", Role::peer, [&] {
                            const Stopwatch watch;
                            copies.of_lmdb();
                            return watch.seconds() * 1e3;
                        }});
    run_rounds(context, increment, entrants);
    increment.notes.push_back(std::to_string(written >> 10) + " KiB written, of " +
                              std::to_string(store.bytes() >> 10));
    context.finish(std::move(increment));

    Row restored =
        row_of("volume/restore", "a backup and its increments into a new store, verified");
    entrants.clear();
    entrants.push_back(speed("strata restore", Role::strata, store.bytes(), [&] {
        restore_store(backups, "restored", store.base());
        remove_store("restored", store.base());
    }));
    run_rounds(context, restored, entrants);
    context.finish(std::move(restored));
    run_streams(context, consumer, store.bytes());
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

// SPDX-License-Identifier: Apache-2.0
// Backups beside what copies the same bytes, restore, and the backup as a stream.
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/peers/lmdb.hpp"
#include "bench/rows/volume_rows.hpp"
#include "bench/rows/volume_yardsticks.hpp"
#include <strata/strata.hpp>
#include <strata/volume_backup.hpp>
#include <strata/volume_stream.hpp>

namespace strata::bench {

namespace {

namespace fs = std::filesystem;

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
                directory, Dataset{.layers = store.bytes() / FullStore::layer_bytes,
                                   .payload_bytes = FullStore::layer_bytes});
        } catch (const NotRun&) {  // said where it is asked for
        }
    }
    void of_lmdb() const {
        if (!lmdb_) throw NotRun("LMDB is not here");
        lmdb_->copy_to(to_);
        flush();
    }
    void of_files() const {
        fs::copy(from_, to_, fs::copy_options::recursive);
        flush();
    }

    /// Nothing of an earlier one is left.
    void begin() const {
        fs::remove_all(to_);
        fs::create_directory(to_);
        settle(to_);
    }
    const fs::path& directory() const noexcept { return to_; }

private:
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
    Row row = volume_row("volume/stream", "the same as a tar, to /dev/null");
    std::vector<Entrant> entrants;
    entrants.push_back(speed("strata send, tar", Role::strata, bytes,
                             {{}, [&] {
                                  const int sink = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
                                  try {
                                      send_backup(consumer, sink);
                                  } catch (const Error& error) {
                                      ::close(sink);
                                      throw NotRun(error.what());
                                  }
                                  ::close(sink);
                              }}));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_backups(Context& context, FullStore& store, const DiskDirectory& disk) {
    const Copies copies(store, disk);
    const fs::path backups = disk.path() / "backups";
    Consumer consumer = store.attach();
    Row whole = volume_row("volume/backup", "a whole backup of a live store, on a disk");
    std::vector<Entrant> entrants;
    const auto begin = [&] { copies.begin(); };
    entrants.push_back(speed("strata backup", Role::strata, store.bytes(),
                             {[&] {
                                  fs::remove_all(backups);
                                  copies.begin();
                              },
                              [&] { backup_store(consumer, backups, {.full = true}); }}));
    const Snapshot snapshot = consumer.snapshot();
    entrants.push_back(
        speed("SHA-256 + write + flush", Role::ceiling, store.bytes(),
              {begin, [&] { hash_and_write(snapshot, volume_dimensions, copies.directory()); }}));
    entrants.push_back(speed("LMDB mdb_env_copy + flush", Role::peer, store.bytes(),
                             {begin, [&] { copies.of_lmdb(); }}));
    entrants.push_back(speed("copy of the files + flush", Role::ceiling, store.bytes(),
                             {begin, [&] { copies.of_files(); }}));
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
                            copies.begin();
                            const Stopwatch watch;
                            copies.of_lmdb();
                            return watch.seconds() * 1e3;
                        }});
    run_rounds(context, increment, entrants);
    increment.notes.push_back(std::to_string(written >> 10) + " KiB written, of " +
                              std::to_string(store.bytes() >> 10));
    context.finish(std::move(increment));

    Row restored =
        volume_row("volume/restore", "a backup and its increments into a new store, verified");
    entrants.clear();
    entrants.push_back(speed("strata restore", Role::strata, store.bytes(),
                             {{},
                              [&] { restore_store(backups, "restored", store.base()); },
                              [&] { remove_store("restored", store.base()); }}));
    run_rounds(context, restored, entrants);
    context.finish(std::move(restored));
    run_streams(context, consumer, store.bytes());
}

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// Backups of a live store, whole and incremental, in a directory of their own; and the way back.
// Part of the component `volume`.
//
//     DIRECTORY/backup-00000001/manifest.json, D01/ ...   everything
//     DIRECTORY/backup-00000002/manifest.json, D05/ ...   what had changed since
//
// What is in a backup are archives (docs/archive-format.md) and a manifest
// (docs/backup-format.md): plain files, which any program can read. A backup is never changed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/audit_log.hpp"
#include "strata/consumer.hpp"
#include "strata/producer.hpp"
#include "strata/volume_transfer.hpp"
#include "strata/volume_verify.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct BackupOptions {
    std::vector<Dimension> dimensions{};  ///< empty: all
    /// Every dimension whole, so that nothing older is needed to restore it.
    bool full = false;
    unsigned threads = 0;                                     ///< as TransferOptions
    std::function<void(const TransferProgress&)> progress{};  ///< as TransferOptions
    std::shared_ptr<AuditLog> audit{};  ///< told of a `backup` that was made, or failed
};

struct BackupReport {
    std::uint64_t number = 0;  ///< of the backup; the newest there was if `made` is false
    bool made = false;         ///< false: it would say what the newest one says already
    std::filesystem::path path{};
    Generation generation = 0;
    std::uint64_t dimensions = 0;  ///< that it has
    std::uint64_t written = 0;     ///< of these, those with an archive: changed, or whole
    std::uint64_t layers = 0;      ///< in these archives
    std::uint64_t removed = 0;     ///< layers removed since the previous backup
    std::uint64_t content_bytes = 0;
    std::uint64_t region_bytes = 0;  ///< of the archives' region.mmap
};

/// Backs up the newest generation, which is pinned meanwhile: the producer is not held up, and the
/// store is only read. `directory` is made if it is not there (mode 0700, its parents as well).
///
/// If it has backups of this store already, only what has changed since the newest one is written.
/// Where the producer still retains that generation (ProducerOptions::retain) this takes time for
/// what has changed alone; else the headers of all layers of the dimensions that were changed are
/// looked at, and the indexes of their earlier archives are read. What is written has its
/// checksum compared on the way. Each file has a SHA-256, in the manifest or in the archive.
///
/// The backup appears as a whole, when everything is on the disk, or not at all; also after a
/// crash. What an earlier call that was killed left half made is removed.
///
/// Throws dimension_not_found, invalid_argument (the backups there are of another store: use
/// another directory, or `full`), file_exists (another process made one meanwhile), corrupt
/// (damage in the live store, or in the backups it would build on), store_replaced, limit_exceeded,
/// no_space, permission_denied, truncated, system, what Consumer::snapshot throws, and what
/// `progress` throws. Thread and process safety: any thread, any number of processes.
BackupReport backup_store(Consumer& consumer, const std::filesystem::path& directory,
                          const BackupOptions& options = {});

/// What a backup says of itself.
struct BackupInfo {
    std::uint64_t number = 0;
    std::filesystem::path path{};
    std::string store{};     ///< its name then
    std::string store_id{};  ///< StoreInfo::id
    Generation generation = 0;
    std::uint64_t digest = 0;    ///< Snapshot::digest
    std::string published_at{};  ///< the generation; RFC 3339, UTC
    std::string made_at{};       ///< the backup; the same
    bool complete = false;       ///< it has all dimensions of its generation
    std::uint64_t dimensions = 0;
    std::uint64_t layers = 0;                ///< that a restore gives
    std::uint64_t archive_bytes = 0;         ///< of its own files, without the manifest
    std::vector<std::uint64_t> builds_on{};  ///< numbers of the backups that it directly needs
};

/// All backups in a directory, ascending by number. Throws file_not_found, corrupt (a manifest),
/// format_version, permission_denied, truncated, system.
std::vector<BackupInfo> list_backups(const std::filesystem::path& directory);

struct RestoreOptions {
    /// Which backup: of this number, or the newest of this generation, or (both 0) the newest.
    std::uint64_t number = 0;
    Generation generation = 0;
    std::vector<Dimension> dimensions{};  ///< empty: all that the backup has
    /// restore_store only: a store of that name, whose producer is gone, is replaced atomically.
    /// Its consumers are notified (WaitResult::store_replaced) and keep what they have mapped.
    bool replace = false;
    /// restore_store only, of the store that is made; 0: as the one that was backed up.
    std::uint64_t memory_limit = 0;
    /// restore_store only. None: as the one that was backed up.
    std::optional<FileAccess> access{};
    unsigned threads = 0;                                     ///< as TransferOptions
    std::function<void(const TransferProgress&)> progress{};  ///< as TransferOptions
    std::shared_ptr<AuditLog> audit{};                        ///< told of a `restore`
};

struct RestoreReport {
    std::uint64_t number = 0;             ///< of the backup
    Generation backed_up_generation = 0;  ///< that it is of
    Generation generation = 0;            ///< published by the restore
    std::uint64_t dimensions = 0;
    std::uint64_t layers = 0;
    std::uint64_t content_bytes = 0;
};

/// Makes a store out of a backup. It is built under a hidden name on the same file system; each
/// content is compared with its SHA-256, the layers with the digest that their dimension had, and
/// the store is verified and, on a disk, made durable before it appears under `name`: whole, or not
/// at all. It is a new store: its generations start over, and its next backup is a full one. What
/// earlier calls that were killed left half made under `base` is removed. Throws file_not_found (no
/// such backup, or one that it builds on is missing: both are named), corrupt, truncated,
/// not_trusted, format_version, dimension_not_found, store_exists, producer_active (with
/// `replace`), invalid_name, limit_exceeded, no_space, permission_denied, system, and what
/// `progress` throws; what had the name is unchanged then.
RestoreReport restore_store(const std::filesystem::path& directory, std::string_view name,
                            const std::filesystem::path& base, const RestoreOptions& options = {});

/// Into a live store, with readers attached: publishes the backup's dimensions as one generation.
/// Afterwards each of them has what it had then, and nothing else, whatever other batches have put
/// there meanwhile; other dimensions stay as they are. One that is there keeps its name and its
/// file, unless that is open to others who could not read what was backed up: then it is removed
/// and added again. Until then old and new content both count towards the store's limit. Throws as
/// above, and what Batch::put and Batch::crystallize throw; the store is unchanged then.
RestoreReport restore_dimensions(const std::filesystem::path& directory, Producer& producer,
                                 const RestoreOptions& options = {});

/// Reads every file of every backup (`number` not 0: of that one alone) and names what is wrong:
/// manifests, links between backups, what the chain of each dimension gives, each checksum. In the
/// report `live_stores` and `live_layers` are 0, `dimensions` counts archives. Throws
/// file_not_found, std::bad_alloc, and what `progress` throws.
VolumeReport verify_backups(const std::filesystem::path& directory,
                            const VolumeVerifyOptions& options = {}, std::uint64_t number = 0);

}  // namespace strata::inline STRATA_ABI_NAMESPACE

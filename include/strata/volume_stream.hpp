// SPDX-License-Identifier: Apache-2.0
// Backups as streams: into a pipe, over a network, to one file; and the way back. Part of the
// component `volume`, if that was built with libarchive (STRATA_VOLUME_STREAMS).
//
// A stream is a tar of the backup's folder, plain or compressed: unpacked into a directory it is an
// ordinary backup there (docs/backup-format.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "strata/volume_backup.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

enum class StreamFormat : unsigned char { tar, tar_gz, tar_zst };

struct SendOptions {
    std::vector<Dimension> dimensions{};  ///< empty: all
    /// A directory of backups, which is only read: only what has changed since the newest one is
    /// sent. Empty: everything.
    std::filesystem::path since{};
    StreamFormat format = StreamFormat::tar;
    unsigned threads = 0;  ///< as TransferOptions; writing and compressing is done by one
    /// As TransferOptions. Each layer is counted twice: hashed, and sent.
    std::function<void(const TransferProgress&)> progress{};
    std::shared_ptr<AuditLog> audit{};  ///< told of a `send`
};

/// Writes a backup of the newest generation to a descriptor, without anything on a disk: all
/// layers are read twice, once for the checksums that go ahead of them. Memory: the descriptions of
/// all layers sent. The producer is not held up. Where nothing has changed a short stream says so.
/// `report.path` is empty.
///
/// Throws as backup_store (file_not_found: `since`), system (EPIPE: nobody reads any more; have
/// SIGPIPE ignored), no_space, and what `progress` throws: what was written then is not taken for a
/// backup by any reader. invalid_argument: built without libarchive.
BackupReport send_backup(Consumer& consumer, int descriptor, const SendOptions& options = {});
/// The same into a file (mode 0600), which appears under its name, replacing what had it, when all
/// of it is on the disk.
BackupReport send_backup(Consumer& consumer, const std::filesystem::path& file,
                         const SendOptions& options = {});

struct ReceiveOptions {
    /// Of all files together; 0: what the file system has free. Beyond it limit_exceeded or
    /// no_space, before any of them is written.
    std::uint64_t max_bytes = 0;
    unsigned threads = 0;  ///< as TransferOptions
    /// As TransferOptions. Each layer is counted when it was compared.
    std::function<void(const TransferProgress&)> progress{};
    std::shared_ptr<AuditLog> audit{};  ///< told of a `receive`
};

/// Reads a stream and puts the backup into a directory of backups, which is made if need be (mode
/// 0700). The manifest comes first; then exactly the files that it lists, with the sizes that it
/// states: all else is an error before anything of it is written. Every checksum is compared, that
/// of each content and the digests along the chain of backups included, before the backup appears,
/// on the disk, under its number, or not at all. If it is there already the rest of the stream is
/// passed over, and `made` is false.
///
/// The backup says of itself what it is: nothing in a stream proves who has sent it.
///
/// Throws corrupt (damaged, cut short, hostile), file_not_found (a backup that it builds on is not
/// in the directory), file_exists (another backup has that number), limit_exceeded, no_space,
/// format_version, permission_denied, system, invalid_argument (built without libarchive), and what
/// `progress` throws.
BackupReport receive_backup(int descriptor, const std::filesystem::path& directory,
                            const ReceiveOptions& options = {});
/// The same from a file.
BackupReport receive_backup(const std::filesystem::path& file,
                            const std::filesystem::path& directory,
                            const ReceiveOptions& options = {});

/// A stream of a whole backup that lies unpacked and verified in a directory of its own, for
/// restore_store and others. The directory (mode 0700) goes with the object; what an earlier
/// process that was killed has left of such is removed.
class UnpackedBackup {
public:
    /// `scratch`: where the directory is made; empty: the system's directory for temporary files.
    /// Throws as receive_backup; a stream that builds on other backups is file_not_found.
    explicit UnpackedBackup(int descriptor, const std::filesystem::path& scratch = {},
                            const ReceiveOptions& options = {});
    explicit UnpackedBackup(const std::filesystem::path& file,
                            const std::filesystem::path& scratch = {},
                            const ReceiveOptions& options = {});
    UnpackedBackup(UnpackedBackup&&) noexcept;
    UnpackedBackup& operator=(UnpackedBackup&&) noexcept;
    UnpackedBackup(const UnpackedBackup&) = delete;
    UnpackedBackup& operator=(const UnpackedBackup&) = delete;
    ~UnpackedBackup();

    /// A directory of backups, with this one.
    [[nodiscard]] const std::filesystem::path& directory() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] const BackupReport& report() const noexcept STRATA_LIFETIME_BOUND;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

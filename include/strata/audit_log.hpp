// SPDX-License-Identifier: Apache-2.0
// AuditLog: what has changed stores and volumes, as lines of JSON in a file that is only appended
// to. No caller waits for it: what it cannot keep up with is dropped, counted, and noted in the
// log.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "strata/detail/lifetime.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct AuditOptions {
    /// A regular file, or one that is made (mode 0640, less the umask); its directory must be
    /// there.
    std::filesystem::path path{};
    /// Also every generation that a batch publishes, and every checkpoint that is asked for; else
    /// of the batches only those that add, rename or remove dimensions.
    bool commits = false;
    /// A file that would grow beyond this is renamed to PATH.1, which was PATH.2, and so on. At
    /// least 4096.
    std::uint64_t max_bytes = 16_MiB;
    unsigned kept_files = 4;  ///< PATH.1 and so on; 0: what was written is deleted. At most 1000
    /// Entries that may wait for the thread that writes them, some 1.2 KiB of memory each; 1 to
    /// 65,536.
    std::uint32_t queue_entries = 1024;
};

/// One entry. Fields that are empty or 0 are left out.
struct AuditEntry {
    /// What was done: `commit`. A text that lives as long as the program.
    std::string_view operation{};
    std::string_view store{};      ///< path of the store; the end of it if that is beyond 255 bytes
    std::string_view directory{};  ///< of the volume, or of the backups; the same
    Generation generation = 0;
    std::uint64_t dimensions = 0;
    std::uint64_t layers = 0;
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    /// What came of it: `ok`, or the name of an error's code. Lives as long as the program.
    std::string_view result = "ok";
};

struct AuditStatistics {
    std::uint64_t written = 0;
    std::uint64_t dropped = 0;  ///< the queue was full, or the file could not be written
    std::uint64_t rotations = 0;
    int last_errno = 0;  ///< of the last write or rotation that failed
};

/// One for each file; several processes may append to the same one, and whatever else rotates it
/// (renames or removes it: it is created again) may do so. Passed to producers and volumes in their
/// options, which share it; applications may add entries of their own.
///
/// Each line: `time` (RFC 3339, UTC, microseconds), `pid`, `uid` (effective), `operation`, then
/// what there is of the entry, and `result`.
///
/// Thread safety: all members from any thread at once. A thread of its own, without signals, writes
/// and rotates. Fork: in a child nothing is recorded.
class AuditLog {
public:
    /// Opens the file, or makes it. Throws invalid_argument, file_not_found (its directory),
    /// permission_denied, no_space, not_trusted (no regular file), system.
    explicit AuditLog(const AuditOptions& options);
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;
    /// Writes what waits.
    ~AuditLog();

    /// A copy into the queue: no memory, no file, a lock that is never held longer than such a copy
    /// takes; a system call if the writing thread sleeps. False: there was no room, which is
    /// counted.
    bool record(const AuditEntry& entry) noexcept;
    /// AuditOptions::commits.
    [[nodiscard]] bool wants_commits() const noexcept;
    /// Returns when what was recorded before is written, or is known to be dropped.
    void flush();
    [[nodiscard]] AuditStatistics statistics() const noexcept;
    [[nodiscard]] const std::filesystem::path& path() const noexcept STRATA_LIFETIME_BOUND;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

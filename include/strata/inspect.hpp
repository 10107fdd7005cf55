// SPDX-License-Identifier: Apache-2.0
// Inspecting stores from outside: which exist, what they are, whether they are in use. Read
// permission is enough; nothing is written, nobody is disturbed, and no producer has to be alive.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/bookmark.hpp"
#include "strata/readers.hpp"
#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Names of the directories under `base` that look like stores (they have a control file), sorted.
/// A base directory that does not exist has none. Throws permission_denied, system.
[[nodiscard]] std::vector<std::string> list_stores(
    const std::filesystem::path& base = default_base_path());

/// A file of a store's directory.
struct StoreFile {
    enum class Kind : unsigned char {
        control,
        lock,
        region,   ///< of a dimension that the newest generation has
        unused,   ///< region file of a dimension that was removed; its producer deletes it
        foreign,  ///< nothing of strata's
        slots,    ///< what the store opens at after a power failure
        bookmarks,
    };
    std::string name{};
    Kind kind = Kind::foreign;
    std::uint64_t size_bytes = 0;
    std::uint64_t allocated_bytes = 0;  ///< memory or disk that it really takes
};

/// What can be known of a store without its producer. Numbers of the newest generation are
/// consistent with each other; the rest was read at about the same time.
struct StoreInfo {
    std::string name{};
    std::filesystem::path path{};
    std::string id{};  ///< 32 hexadecimal digits, random: another store under the same name differs
    std::uint32_t format_version = 0;
    std::uint32_t owner = 0;  ///< user id
    std::uint32_t mode = 0;   ///< permission bits of the directory
    std::chrono::system_clock::time_point created_at{};
    std::uint64_t region_max_bytes = 0;

    std::optional<std::int64_t> producer_pid{};  ///< in the producer's own pid namespace
    std::vector<ReaderInfo> readers{};           ///< this call's own pin is not among them
    std::uint64_t epoch = 0;                     ///< reclamation clock

    Generation generation = 0;
    Generation oldest_retained = 0;     ///< generations from here on can be asked for
    std::vector<Bookmark> bookmarks{};  ///< these can be asked for by name
    std::chrono::system_clock::time_point published_at{};
    std::uint64_t published_epoch = 0;  ///< a reader that pins an older one holds an old snapshot
    std::uint64_t dimensions = 0;
    std::uint64_t layers = 0;
    std::uint64_t memory_limit = 0;
    std::uint64_t live_bytes = 0;       ///< blocks that this generation uses, index included
    std::uint64_t committed_bytes = 0;  ///< memory given to all files
    std::uint64_t control_bytes = 0;    ///< of these, to control.mmap

    std::vector<StoreFile> files{};  ///< sorted by name
};

/// Throws what Consumer::attach and Consumer::snapshot throw. Any owner is accepted: this looks, it
/// does not trust. About 80 microseconds, plus a system call per file and what readers() takes.
[[nodiscard]] StoreInfo inspect(std::string_view name,
                                const std::filesystem::path& base = default_base_path());

/// Whether any process but this one has the store open, in whatever user, container or pid
/// namespace: producers, and consumers even if they hold no snapshot. The kernel answers (a write
/// lease is granted only on a file that nobody else has open or mapped), so a "no" is certain at
/// that moment. nullopt: the kernel does not say, because the store belongs to another user or the
/// file system has no leases. Objects of this process that have it open count as others.
/// Throws store_not_found, not_a_store, permission_denied, not_trusted, system.
[[nodiscard]] std::optional<bool> store_in_use(
    std::string_view name, const std::filesystem::path& base = default_base_path());

}  // namespace strata::inline STRATA_ABI_NAMESPACE

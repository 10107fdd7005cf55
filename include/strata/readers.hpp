// SPDX-License-Identifier: Apache-2.0
// Who reads a store right now: the kernel's lock table tells.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "strata/store.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// A pin: a consumer may still read what was current in epoch `epoch`. A consumer whose snapshots
/// are of several epochs has several, a process with several consumers as well.
struct ReaderInfo {
    std::int64_t pid = 0;     ///< as seen in the reader's own pid namespace: there may be others
    std::uint64_t epoch = 0;  ///< reclamation epoch that it pins
    /// Its number in the caller's pid namespace; only find_reader_processes sets it.
    std::optional<std::int64_t> process{};
};

/// Who holds snapshots (or a cached pin) of the store right now, by epoch and pid, from the
/// kernel's lock table alone. Read permission on the store is enough. A few passes over the locks
/// of the machine (a microsecond each) where /proc/locks can be read, for the first of which the
/// kernel may wait for all processors, 10 ms; elsewhere a system call for each reader, and readers
/// of equal pids and epochs, from different pid namespaces, count once.
[[nodiscard]] std::vector<ReaderInfo> readers(
    std::string_view name, const std::filesystem::path& base = default_base_path());

/// Finds out which processes these are: sets `process` of those whose very lock is found among the
/// descriptors of a process (/proc/PID/fdinfo), in whatever pid namespace, if the caller may look
/// into it: the caller's own user's, or any for root. All others stay unknown: `pid` alone may well
/// be the number of another process here. Sorts by epoch and pid. Reads the status of every process
/// of the machine, some 15 microseconds each.
void find_reader_processes(std::vector<ReaderInfo>& readers, std::string_view name,
                           const std::filesystem::path& base = default_base_path());

}  // namespace strata::inline STRATA_ABI_NAMESPACE

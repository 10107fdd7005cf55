// SPDX-License-Identifier: Apache-2.0
// The least that archives could take: SHA-256 of the same bytes by the same library, and writing
// them, a thread a processor. No index, no checksum of the store's own, nothing atomic.
#pragma once

#include <filesystem>

#include <strata/snapshot.hpp>
#include <strata/types.hpp>
#include <strata/volume.hpp>

namespace strata::bench {

/// The dimensions of a snapshot: 1 to `dimensions`, each into a file of its own, which is flushed.
/// All throw NotRun.
void hash_and_write(const Snapshot& snapshot, Dimension dimensions,
                    const std::filesystem::path& directory);

/// The regions of a volume's archives, read from the page cache, into files of a tmpfs.
void hash_archives_and_write(const Volume& volume, Dimension dimensions,
                             const std::filesystem::path& directory);

/// The same into files that are allocated and mapped, so that they can be read in place, as those
/// of a store: what was written to a file of a tmpfs has yet to be mapped.
void hash_archives_into_mappings(const Volume& volume, Dimension dimensions,
                                 const std::filesystem::path& directory);

/// Everything that was written or freed before is on the disk, so that nobody pays for what the one
/// before has left.
void settle(const std::filesystem::path& directory);

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// Between a volume's archives and a live store: export from a snapshot, import by the store's
// producer, with readers attached all the time. Part of the component `volume`.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "strata/producer.hpp"
#include "strata/snapshot.hpp"
#include "strata/types.hpp"
#include "strata/volume.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct TransferProgress {
    std::uint64_t layers = 0;
    std::uint64_t layers_total = 0;  ///< as far as it is known yet
    std::uint64_t bytes = 0;         ///< of content
};

struct TransferOptions {
    std::vector<Dimension> dimensions{};  ///< empty: all that are there
    unsigned threads = 0;                 ///< 0: one for each dimension and processor
    /// Called every 50 ms, and at the end, from the calling thread. What it throws cancels: nothing
    /// half-made stays.
    std::function<void(const TransferProgress&)> progress{};
};

struct TransferReport {
    Generation generation = 0;  ///< exported; published by the import
    std::uint64_t dimensions = 0;
    std::uint64_t layers = 0;
    std::uint64_t content_bytes = 0;
    std::uint64_t region_bytes = 0;  ///< of the archives' region.mmap
};

/// Writes an archive for each dimension of the snapshot. Each layer's checksum is compared on the
/// way: damaged content is not exported. All archives (of more than 128: each 128) are written, and
/// brought to the disk, before the first takes its place; then each replaces its predecessor
/// atomically, `created_at` and `layers/` are kept. The producer is not held up; the store keeps
/// what the snapshot reaches. Speed: that of SHA-256 and writing, a thread for each dimension.
/// Throws dimension_not_found, limit_exceeded (a region beyond VolumeOptions::max_size), corrupt,
/// no_space, permission_denied, truncated, system.
TransferReport export_dimensions(const Snapshot& snapshot, const Volume& volume,
                                 const TransferOptions& options = {});

/// Publishes the archives' layers as one generation: afterwards each of these dimensions has in the
/// store what its archive has, and nothing else. Every checksum is compared before readers see
/// anything. Dimensions that are not there yet are added; core dimensions get
/// VolumeOptions::initial_size and max_size. Until then old and new content both count towards the
/// store's limit. Throws what ArchiveReader throws, file_not_found (no such archive), and what
/// Batch::put and Batch::crystallize throw; the store is unchanged then.
TransferReport import_dimensions(Producer& producer, const Volume& volume,
                                 const TransferOptions& options = {});

/// One dimension: import_dimensions of it alone.
Generation load_dimension(Producer& producer, const Volume& volume, Dimension dimension);

}  // namespace strata::inline STRATA_ABI_NAMESPACE

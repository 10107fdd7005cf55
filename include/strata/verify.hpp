// SPDX-License-Identifier: Apache-2.0
// Checking every byte that a snapshot reaches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "strata/snapshot.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// One thing that is wrong.
struct VerifyFailure {
    std::string file{};                    ///< name of the file in the store's directory
    std::optional<Dimension> dimension{};  ///< none: the root or the directory of dimensions
    std::optional<std::uint64_t> layer{};  ///< none: the region, its index or its record
    std::uint64_t offset = 0;              ///< in the file, where known
    std::string what{};                    ///< e.g. "the checksum does not match"
};

struct VerifyReport {
    Generation generation = 0;
    std::uint64_t dimensions = 0;     ///< looked at
    std::uint64_t layers = 0;         ///< looked at
    std::uint64_t payload_bytes = 0;  ///< of these layers
    std::uint64_t failure_count = 0;
    std::vector<VerifyFailure> failures{};  ///< the first VerifyOptions::max_failures of them

    [[nodiscard]] bool ok() const noexcept { return failure_count == 0; }
};

/// How far a verification is, in layers (all that were asked for) and payload bytes.
struct VerifyProgress {
    std::uint64_t layers = 0;
    std::uint64_t layers_total = 0;  ///< as the records say
    std::uint64_t payload_bytes = 0;
};

struct VerifyOptions {
    std::size_t max_failures = 100;  ///< remembered in full; all are counted
    /// Called now and then (every few milliseconds, and at the end), from the calling thread.
    std::function<void(const VerifyProgress&)> progress{};
};

/// Verifies a whole generation: the directory of dimensions, and per dimension its record, its
/// region file, its index (ranges, levels, key order, number of layers against the records) and
/// each layer (header against index, generation, alignment, metadata, checksum).
///
/// Damage is reported, not thrown, and the walk goes on behind it. Work is bounded by what the
/// records claim, whatever the bytes say: no cycle, no fan-out beyond that. About 10 GB/s from
/// memory that is in the caches. Throws only std::bad_alloc and what `progress` throws.
[[nodiscard]] VerifyReport verify(const Snapshot& snapshot, const VerifyOptions& options = {});

/// One dimension alone. A dimension that the snapshot does not have throws dimension_not_found.
[[nodiscard]] VerifyReport verify(const Snapshot& snapshot, Dimension dimension,
                                  const VerifyOptions& options = {});

}  // namespace strata::inline STRATA_ABI_NAMESPACE

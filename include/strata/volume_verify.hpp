// SPDX-License-Identifier: Apache-2.0
// Checking everything that a volume holds, and salvaging what is sound of a damaged one. Part of
// the component `volume`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/types.hpp"
#include "strata/volume.hpp"
#include "strata/volume_transfer.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// One thing that is wrong.
struct VolumeFailure {
    std::filesystem::path path{};  ///< file or directory
    std::optional<Dimension> dimension{};
    std::optional<std::uint64_t> layer{};
    std::string what{};
};

struct VolumeReport {
    std::uint64_t dimensions = 0;     ///< archives that were checked
    std::uint64_t layers = 0;         ///< of archives, sound ones and others
    std::uint64_t content_bytes = 0;  ///< of the sound ones
    std::uint64_t live_stores = 0;
    std::uint64_t live_layers = 0;
    std::uint64_t failure_count = 0;
    std::vector<VolumeFailure> failures{};  ///< the first VolumeVerifyOptions::max_failures of them

    [[nodiscard]] bool ok() const noexcept { return failure_count == 0; }
};

struct VolumeVerifyOptions {
    std::vector<Dimension> dimensions{};  ///< empty: all, the layout and the live stores too
    unsigned threads = 0;                 ///< as TransferOptions
    std::size_t max_failures = 100;       ///< remembered in full; all are counted
    std::function<void(const TransferProgress&)> progress{};  ///< as TransferOptions
};

/// The layout and its modes (directories 0755, files 0644), every archive, those of `proto/` too
/// (header, index against region, each checksum), every live store (as strata::verify). Damage is
/// reported, not thrown, and does not end the search: behind a damaged header all layers are looked
/// at that the index names. Reads everything once, at the speed of SHA-256, a thread for each
/// archive. Throws file_not_found (no volume), std::bad_alloc, and what `progress` throws.
[[nodiscard]] VolumeReport verify_volume(const Volume& volume,
                                         const VolumeVerifyOptions& options = {});

/// Writes an archive with every sound layer of each of the archives into `target`, another volume,
/// and reports what is lost. An archive whose index.json cannot be read is lost as a whole.
/// `volume` is only read; in `target` each archive is replaced atomically. Throws invalid_argument
/// (the same volume), limit_exceeded, no_space, permission_denied, system about the target.
[[nodiscard]] VolumeReport salvage_volume(const Volume& volume, const Volume& target,
                                          const VolumeVerifyOptions& options = {});

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
// Volume: a directory with the archives of dimensions, a live store, and room for what is on its
// way between them. Part of the component `volume`.
//
//     BASE/README.md, .gitignore        written by init
//     BASE/consciousness/D01 ... D14/   archives (docs/archive-format.md), also of other dimensions
//     BASE/live/NAME/                   live stores: strata stores, on the volume's file system
//     BASE/proto/                       proto-dimensions that outlive their producer, as archives
//     BASE/temp/                        whatever may be deleted; `clean` does
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/audit_log.hpp"
#include "strata/detail/lifetime.hpp"
#include "strata/types.hpp"
#include "strata/volume_archive.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Name of the live store that is used unless another one is named.
inline constexpr std::string_view volume_store_name = "consciousness";

struct VolumeOptions {
    std::filesystem::path base_path{};
    /// Of each core dimension's region file in a live store that this volume is loaded into, in
    /// bytes: what it begins with, and what it may grow to. No archive may be larger, either.
    std::uint64_t initial_size = 1_MiB;
    std::uint64_t max_size = 10_MiB;
    /// Told of what has changed the volume, or a store out of it, and of what came of it: `init`,
    /// `clean`, `export`, `import`, `salvage` (into this volume), `save proto`, `load proto`,
    /// `remove proto`.
    std::shared_ptr<AuditLog> audit{};

    /// MMAP_BASE_PATH, MMAP_INITIAL_SIZE and MMAP_MAX_SIZE; what is not set, or is empty, keeps its
    /// default. Sizes are whole numbers of bytes, or of KiB, MiB, GiB, TiB. Throws invalid_argument
    /// naming the variable. Not to be called while other threads change the environment.
    [[nodiscard]] static VolumeOptions from_environment();
};

struct InitOptions {
    /// Read all archives once, so that they are in memory.
    bool populate = false;
};

/// What `init` did.
struct InitReport {
    std::vector<std::string> created{};  ///< paths below the volume's; empty: all was there
    std::uint64_t populated_bytes = 0;
};

/// What `clean` removed.
struct CleanReport {
    std::vector<std::string> removed{};  ///< paths below the volume's
    std::uint64_t freed_bytes = 0;
};

/// A few paths; holds nothing open. Thread and process safety: any thread, any number of processes.
class Volume {
public:
    /// Makes what is missing: directories of mode 0755, files of mode 0644, an empty archive for
    /// each core dimension. What exists is left alone, so that it may be run again, also after it
    /// was interrupted. Throws invalid_argument, not_trusted (something else in a directory's
    /// place), permission_denied, no_space, system.
    static Volume init(const VolumeOptions& options, const InitOptions& how = {},
                       InitReport* report = nullptr);
    /// Throws file_not_found if there is no volume, invalid_argument.
    [[nodiscard]] static Volume open(const VolumeOptions& options);

    [[nodiscard]] const VolumeOptions& options() const noexcept STRATA_LIFETIME_BOUND {
        return options_;
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept STRATA_LIFETIME_BOUND {
        return options_.base_path;
    }
    [[nodiscard]] std::filesystem::path archives_path() const { return path() / "consciousness"; }
    [[nodiscard]] std::filesystem::path live_path() const { return path() / "live"; }
    [[nodiscard]] std::filesystem::path proto_path() const { return path() / "proto"; }
    [[nodiscard]] std::filesystem::path temp_path() const { return path() / "temp"; }
    [[nodiscard]] std::filesystem::path archive_path(Dimension dimension) const {
        return archives_path() / archive_folder(dimension);
    }

    /// The dimensions that have an archive, ascending. Throws permission_denied, system.
    [[nodiscard]] std::vector<Dimension> dimensions() const;
    /// Those with a saved proto-dimension (strata/volume_proto.hpp), ascending. Throws the same.
    [[nodiscard]] std::vector<Dimension> proto_dimensions() const;

    /// Empties `temp/`, and removes what interrupted programs left unfinished next to archives and
    /// live stores. What is still under construction stays. `dry_run`: only reports what would be
    /// removed. Throws permission_denied, system; what was removed before the error stays removed.
    CleanReport clean(bool dry_run = false) const;

private:
    explicit Volume(VolumeOptions options) : options_(std::move(options)) {}
    VolumeOptions options_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

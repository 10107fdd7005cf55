// SPDX-License-Identifier: Apache-2.0
// The options that a dimension was added with, as far as its region file shows them: whether it has
// one of its own, how large that may grow, and who may read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

#include "ipc/os/descriptor.hpp"
#include "strata/types.hpp"

namespace strata::volume_impl {

struct OwnRegion {
    std::uint64_t max_bytes = 0;
    std::uint32_t mode = 0;  ///< permission bits of its file
};

/// Looks at each file once. Not thread-safe.
class RegionSettings {
public:
    /// Throws system, permission_denied, store_not_found.
    explicit RegionSettings(const std::filesystem::path& store);

    /// Of the region with this serial; nullopt: dimensions share it. The dimension may have moved
    /// on to another file since it was asked which: then, as there is none of that name any more,
    /// it is one of its own that only the owner may read. Throws corrupt, permission_denied,
    /// system.
    std::optional<OwnRegion> of(std::uint64_t serial);

private:
    std::optional<OwnRegion> read(std::uint64_t serial) const;

    std::filesystem::path store_;
    ipc::FileDescriptor directory_;
    std::map<std::uint64_t, std::optional<OwnRegion>> known_{};
};

}  // namespace strata::volume_impl

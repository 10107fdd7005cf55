// SPDX-License-Identifier: Apache-2.0
// The places of a volume as the system sees them: owner, mode and mount, and what of that decides
// whether a path in them may be read or written. What cannot be found out is left empty.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "strata/volume_access.hpp"

namespace strata::volume_impl {

VolumePlace look_at(const std::filesystem::path& path);

/// What decides about `path`: the deepest of the places that it lies in; null if in none.
const VolumePlace* place_of(const std::vector<VolumePlace>& places,
                            const std::filesystem::path& path);

/// For error messages: the asking user, and what the place of `path` is like.
std::string circumstances(const AccessReport& report, const std::filesystem::path& path);

/// What to do about an error there; `place` may be null.
std::string advice_for(const Error& error, const VolumePlace* place);

}  // namespace strata::volume_impl

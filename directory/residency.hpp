// SPDX-License-Identifier: Apache-2.0
// How much of a file the kernel keeps in memory: by cachestat(2), or by mincore(2) through a
// mapping, of the input or made for this. Fails where the kernel does not tell.
#pragma once

#include <cstdint>
#include <string_view>

#include "directory/directory_state.hpp"
#include "directory/open_file.hpp"
#include "strata/file_view.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// Of a part of a file that is not empty. `in_place`: it is read through the file's mapping.
Residency residency_of(const OpenFile& file, bool in_place, std::uint64_t offset,
                       std::uint64_t size);
/// Of the whole file of that name.
Residency residency_of(DirectoryState& directory, std::string_view name);

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

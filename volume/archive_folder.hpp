// SPDX-License-Identifier: Apache-2.0
// The folder of an archive as a whole: whether it may be replaced, and removing it. All throw
// Error, named after `operation`.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace strata::volume_impl {

/// Returns if `parent`/`folder` is not there or has an archive's files and `layers/` alone. Throws
/// file_exists, not_trusted, permission_denied, system.
void check_replaceable(const std::filesystem::path& parent, const std::string& folder,
                       std::string_view operation);

/// Its name goes at once, then its files. Throws as above, file_not_found, and file_exists if there
/// is something in `layers/`, which is not strata's.
void remove_archive(const std::filesystem::path& parent, const std::string& folder,
                    std::string_view operation);

}  // namespace strata::volume_impl

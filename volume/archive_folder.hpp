// SPDX-License-Identifier: Apache-2.0
// The folder of an archive as a whole: whether it may be replaced, and removing it. All throw
// Error, named after `operation`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/os.hpp"
#include "strata/types.hpp"

namespace strata::volume_impl {

/// The dimension whose archive's folder is called so, if it is one's.
std::optional<Dimension> archive_dimension(const std::string& folder);

/// The folder of an archive in whose place another one is now, under its hidden name, or what a
/// crash has left of it. Nothing here needs memory; errors are errnos.
class ReplacedArchive {
public:
    /// `folder`: the name that it had.
    ReplacedArchive(const std::string& hidden, const std::string& folder);

    /// What its `layers/` holds goes back to where it was. ENOTEMPTY: there is something in both.
    int save_layers(const ipc::FileDescriptor& parent) const noexcept;
    /// Removes it, and nothing that is not an archive's. ENOTEMPTY: there is something else in it.
    int remove(const ipc::FileDescriptor& parent) const noexcept;

private:
    std::string hidden_;
    std::string region_;
    std::string index_;
    std::string layers_;
    std::string new_layers_;
};

/// Returns if `parent`/`folder` is not there or has an archive's files and `layers/` alone. Throws
/// file_exists, not_trusted, permission_denied, system.
void check_replaceable(const std::filesystem::path& parent, const std::string& folder,
                       std::string_view operation);

/// Its name goes at once, then its files. Throws as above, file_not_found, and file_exists if there
/// is something in `layers/`, which is not strata's.
void remove_archive(const std::filesystem::path& parent, const std::string& folder,
                    std::string_view operation);

}  // namespace strata::volume_impl

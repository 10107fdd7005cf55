// SPDX-License-Identifier: Apache-2.0
#include "strata/buffered_directory.hpp"

#include <optional>

#include "directory/directory_state.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

BufferedDirectory::BufferedDirectory(const std::filesystem::path& path,
                                     const BufferedDirectoryOptions& options)
    : FileDirectory(
          std::make_shared<detail::DirectoryState>(path, std::nullopt, options.buffer_bytes)) {}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

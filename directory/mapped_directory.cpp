// SPDX-License-Identifier: Apache-2.0
#include "strata/mapped_directory.hpp"

#include "directory/directory_state.hpp"
#include "strata/buffered_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

MappedDirectory::MappedDirectory(const std::filesystem::path& path,
                                 const MappedDirectoryOptions& options)
    : FileDirectory(std::make_shared<detail::DirectoryState>(
          path, options, BufferedDirectoryOptions().buffer_bytes)) {}

MappedDirectoryStatistics MappedDirectory::statistics() const { return state_->statistics(); }
std::size_t MappedDirectory::trim() const { return state_->trim(); }
void MappedDirectory::wait_for_prefetches() const { state_->prefetcher().wait_until_done(); }

}  // namespace strata::inline STRATA_ABI_NAMESPACE

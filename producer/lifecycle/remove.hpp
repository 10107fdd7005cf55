// SPDX-License-Identifier: Apache-2.0
// Removing a store.
#pragma once

#include <string>
#include <string_view>

#include "ipc/files/store_files.hpp"

namespace strata::producer_impl {

/// A new hidden name for a store under construction or under removal.
std::string staging_name(std::string_view store);

/// Whether the directory contains something that no store has.
ipc::os::Result<bool> holds_foreign_files(const ipc::FileDescriptor& directory);

/// Removes the directory base/name and the files in it that a store has. 0 or an errno (ENOTEMPTY:
/// there are other files).
int remove_store_directory(const ipc::FileDescriptor& base, const std::string& name);

/// The same for `store`, which now stands as base/name; then wakes its sleepers, which will find
/// that it is gone.
int remove_and_wake(const ipc::StoreDirectory& store, const ipc::FileDescriptor& base,
                    const std::string& name);

}  // namespace strata::producer_impl

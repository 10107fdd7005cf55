// SPDX-License-Identifier: Apache-2.0
// Taking a store away.
#pragma once

#include <string>

#include "ipc/store_files.hpp"

namespace strata::producer_impl {

/// Removes the directory base/name and the files in it that a store has. 0 or an errno (ENOTEMPTY:
/// there are other files).
int remove_store_directory(int base, const std::string& name);

/// The same for `store`, which now stands as base/name; then wakes those who sleep on it, who will
/// find that it is gone.
int remove_and_wake(const ipc::StoreDirectory& store, int base, const std::string& name);

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
// Who reads a store, asked of the kernel.
#include "ipc/atomic_word.hpp"
#include "ipc/control_file.hpp"
#include "ipc/lock_table.hpp"
#include "strata/store.hpp"

namespace strata {

std::vector<ReaderInfo> readers(std::string_view name, const std::filesystem::path& base) {
    const std::string operation = ipc::operation_on("list readers of", name);
    const ipc::Trust anybody{.any_owner = true, .owner = 0};
    const ipc::StoreDirectory store = ipc::open_store_directory(base, name, anybody, operation);
    const ipc::ControlFile control(store, ipc::Access::read_only, anybody, operation);
    std::vector<ReaderInfo> result;
    for (const ipc::PinHolder& holder :
         ipc::pin_holders(control.file().get(), ipc::load_acquire(control.cells().epoch))) {
        result.push_back({.pid = holder.pid, .epoch = holder.epoch});
    }
    return result;
}

}  // namespace strata

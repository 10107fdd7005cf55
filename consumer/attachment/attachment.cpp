// SPDX-License-Identifier: Apache-2.0
#include "consumer/attachment/attachment.hpp"

#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/durable_slots.hpp"
#include "ipc/files/life_file.hpp"
#include "ipc/lock_table.hpp"

namespace strata::consumer_impl {

Attachment::Attachment(ipc::StoreDirectory opened, const ConsumerOptions& consumer_options,
                       const ipc::Trust& owner)
    : options(consumer_options),
      trust(owner),
      store(std::move(opened)),
      path(store.path),
      operation(ipc::operation_on("read", store.name)),
      control(store, trust, ipc::operation_on("attach", store.name)) {
    ipc::check_recovered(store, control.identity(), control.cells(),
                         ipc::operation_on("attach", store.name));
}

bool Attachment::replaced() const { return ipc::is_replaced(store, control.file()).value; }

std::vector<ipc::BookmarkRecord> Attachment::read_bookmarks() const {
    return ipc::read_bookmarks(store, control.identity(), trust,
                               ipc::operation_on("read the bookmarks of", store.name));
}

bool Attachment::producer_alive() const noexcept {
    return ipc::find_producer(store, control).state != ipc::LockState::free;
}

}  // namespace strata::consumer_impl

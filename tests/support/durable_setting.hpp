// SPDX-License-Identifier: Apache-2.0
// Stores with a policy of durability, and a machine that seems to have been started anew.
#pragma once

#include <cstdint>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::test {

inline ProducerOptions with(const TempStore& store, DurabilityOptions durability) {
    ProducerOptions options = store.producer_options();
    options.durability = durability;
    return options;
}

/// As if the machine had been started anew.
inline void change_boot(const TempStore& store) {
    FileEditor file(store.file("durable.slots"));
    for (const std::uint64_t at : {std::uint64_t{0}, ipc::page_bytes}) {
        const auto slot = file.read<ipc::DurableSlot>(at);
        if (slot.checksum == ipc::record_checksum(slot)) {
            file.forge<ipc::DurableSlot>(at, [](ipc::DurableSlot& s) { ++s.boot_id[0]; });
        }
    }
}

}  // namespace strata::test

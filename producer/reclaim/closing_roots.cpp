// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/closing_roots.hpp"

#include "ipc/crash_point.hpp"
#include "ipc/format/atomic_word.hpp"
#include "producer/reclaim/pinned_epochs.hpp"

namespace strata::producer_impl {

using ipc::ClosingRoot;

ClosingRoots::ClosingRoots(ClosingRoot* table) noexcept : table_(table) {
    for (std::size_t i = 0; i < ipc::closing_root_slots; ++i) {
        const ClosingRoot entry = table_[i];
        if (entry.epoch != 0) {
            // A death between the two steps of keep_only has left an entry twice: harmless.
            if (i != used_) {
                set(used_, entry);
                ipc::store_release(table_[i].epoch, 0);
            }
            ++used_;
        }
    }
}

// At every moment the entry is empty, or says what is true. Release: the partner is a successor,
// which reads it after the kernel has dropped this process's lock.
void ClosingRoots::set(std::size_t entry, const ClosingRoot& closing) noexcept {
    ipc::store_release(table_[entry].epoch, 0);
    ipc::store_release(table_[entry].root, closing.root);
    ipc::store_release(table_[entry].oldest, closing.oldest);
    STRATA_CRASH_POINT("closing-root.half");
    ipc::store_release(table_[entry].epoch, closing.epoch);
}

void ClosingRoots::add(std::uint64_t epoch, std::uint64_t root, Generation oldest) noexcept {
    const ClosingRoot closing{.epoch = epoch, .root = root, .oldest = oldest, .reserved = 0};
    for (std::size_t i = 0; i < used_; ++i) {
        if (table_[i].epoch == epoch) {  // its producer died before the epoch was over
            set(i, closing);
            return;
        }
    }
    if (used_ < ipc::closing_root_slots) {
        set(used_++, closing);
    }
}

void ClosingRoots::keep_only(std::span<const ipc::EpochRange> pinned) noexcept {
    for (std::size_t i = 0; i < used_;) {
        if (range_with(pinned, table_[i].epoch) != nullptr) {
            ++i;
            continue;
        }
        const ClosingRoot last = table_[--used_];
        if (i != used_) {
            set(i, last);
            STRATA_CRASH_POINT("closing-root.twice");
        }
        ipc::store_release(table_[used_].epoch, 0);
    }
}

std::optional<ClosingRoot> ClosingRoots::find(std::uint64_t epoch) const noexcept {
    for (std::size_t i = 0; i < used_; ++i) {
        if (table_[i].epoch == epoch) {
            return table_[i];
        }
    }
    return std::nullopt;
}

}  // namespace strata::producer_impl

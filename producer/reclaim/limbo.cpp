// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/limbo.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "producer/memory/region.hpp"
#include "producer/reclaim/pinned_epochs.hpp"
#include "producer/reserve.hpp"

namespace strata::producer_impl {

std::optional<std::uint64_t> oldest_holder(std::span<const ipc::EpochRange> pinned,
                                           std::uint64_t birth, std::uint64_t tag) noexcept {
    const ipc::EpochRange* const range = range_within(pinned, birth, tag);
    return range != nullptr ? std::optional(std::max(range->first, birth)) : std::nullopt;
}

void Limbo::reserve(std::size_t count) { reserve_more(new_, count); }

std::uint64_t Limbo::held_by(const ipc::EpochRange& range) const noexcept {
    std::uint64_t bytes = 0;
    for (auto it = held_.lower_bound(range.first); it != held_.end() && it->first <= range.last;
         ++it) {
        bytes += it->second.bytes;
    }
    return bytes;
}

void Limbo::begin_scan(std::span<const ipc::EpochRange> pinned) {
    std::size_t lists = 1;
    for (const auto& [holder, held] : held_) {
        lists += range_with(pinned, holder) == nullptr ? 1 : 0;
    }
    reserve_more(scan_, lists);
    pinned_.reserve(pinned.size());

    pinned_.assign(pinned.begin(), pinned.end());
    for (auto it = held_.begin(); it != held_.end();) {
        if (range_with(pinned, it->first) != nullptr) {
            ++it;
            continue;
        }
        scan_.push_back(std::move(it->second.blocks));
        scan_bytes_ += it->second.bytes;
        held_bytes_ -= it->second.bytes;
        it = held_.erase(it);
    }
    if (!new_.empty()) {
        scan_.push_back(std::move(new_));
        scan_bytes_ += std::exchange(new_bytes_, 0);
        new_ = std::move(spare_);
        spare_ = {};
    }
}

std::size_t Limbo::scan(std::size_t most, std::vector<Retired>& freed) noexcept {
    constexpr std::size_t most_spare = 1 << 16;  // blocks: what a large batch needed goes
    const auto drop_if_empty = [&](Blocks& blocks) {
        if (blocks.empty()) {
            if (blocks.capacity() > spare_.capacity() && blocks.capacity() <= most_spare) {
                spare_ = std::move(blocks);
            }
            scan_.pop_back();
        }
    };
    std::size_t examined = 0;
    while (examined < most && !scan_.empty()) {
        Blocks& blocks = scan_.back();
        if (pinned_.empty()) {  // nearly always: nothing to compare with
            const std::size_t count = std::min(most - examined, blocks.size());
            const auto first = blocks.end() - static_cast<std::ptrdiff_t>(count);
            for (auto block = first; block != blocks.end(); ++block) {
                scan_bytes_ -= block->bytes;
            }
            freed.insert(freed.end(), first, blocks.end());
            blocks.erase(first, blocks.end());
            examined += count;
            drop_if_empty(blocks);
            continue;
        }
        Retired& block = blocks.back();
        if (block.birth == Retired::birth_in_region) {
            block.birth = block.region->birth_of(block.offset);
        }
        if (const auto holder = oldest_holder(pinned_, block.birth, block.tag)) {
            try {
                Held& held = held_[*holder];
                held.blocks.push_back(block);
                held.bytes += block.bytes;
            } catch (const std::bad_alloc&) {  // no harm: examined again
                if (const auto empty = held_.find(*holder);
                    empty != held_.end() && empty->second.blocks.empty()) {
                    held_.erase(empty);
                }
                break;
            }
            held_bytes_ += block.bytes;
        } else {
            freed.push_back(block);
        }
        scan_bytes_ -= block.bytes;
        ++examined;
        blocks.pop_back();
        drop_if_empty(blocks);
    }
    return examined;
}

}  // namespace strata::producer_impl

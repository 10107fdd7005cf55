// SPDX-License-Identifier: Apache-2.0
#include "producer/limbo.hpp"

#include <algorithm>
#include <new>

namespace strata::producer_impl {

bool is_pinned(std::span<const ipc::EpochRange> pinned, std::uint64_t birth, std::uint64_t tag,
               std::uint64_t& holder) noexcept {
    // The first range that does not end before the block was born.
    const auto range = std::lower_bound(
        pinned.begin(), pinned.end(), birth,
        [](const ipc::EpochRange& r, std::uint64_t value) { return r.last < value; });
    if (range == pinned.end() || range->first > tag) {
        return false;
    }
    holder = range->first;
    return true;
}

void Limbo::reserve(std::size_t count) {
    if (fresh_.capacity() - fresh_.size() < count) {
        fresh_.reserve(std::max(fresh_.size() + count, fresh_.capacity() * 2));
    }
}

std::uint64_t Limbo::held_by(const ipc::EpochRange& range) const noexcept {
    std::uint64_t bytes = 0;
    for (auto it = parked_.lower_bound(range.first); it != parked_.end() && it->first <= range.last;
         ++it) {
        bytes += it->second.bytes;
    }
    return bytes;
}

void Limbo::collect(std::uint64_t last, std::span<const ipc::EpochRange> pinned,
                    std::vector<Retired>& freed) {
    // Blocks whose holder let go are looked at again.
    for (auto it = parked_.begin(); it != parked_.end();) {
        const bool still = std::any_of(pinned.begin(), pinned.end(), [&](const ipc::EpochRange& r) {
            return r.first <= it->first && it->first <= r.last;
        });
        if (still) {
            ++it;
            continue;
        }
        reserve(it->second.blocks.size());
        for (const Retired& block : it->second.blocks) {
            add(block);
        }
        parked_bytes_ -= it->second.bytes;
        it = parked_.erase(it);
    }
    freed.reserve(freed.size() + fresh_.size());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < fresh_.size(); ++i) {
        const Retired block = fresh_[i];
        std::uint64_t holder = 0;
        if (block.tag > last) {
            fresh_[kept++] = block;
        } else if (is_pinned(pinned, block.birth, block.tag, holder)) {
            try {
                Parked& parked = parked_[holder];
                parked.blocks.push_back(block);
                parked.bytes += block.bytes;
                fresh_bytes_ -= block.bytes;
                parked_bytes_ += block.bytes;
            } catch (const std::bad_alloc&) {
                fresh_[kept++] = block;  // no harm: looked at once more
            }
        } else {
            freed.push_back(block);
            fresh_bytes_ -= block.bytes;
        }
    }
    fresh_.resize(kept);
}

}  // namespace strata::producer_impl

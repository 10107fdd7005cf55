// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/lookup_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "ipc/index/difference.hpp"
#include "ipc/index/find.hpp"
#include "ipc/index/leaf.hpp"

namespace strata::consumer_impl {

using detail::CachedPlace;
using detail::DenseList;

namespace {

bool is_dense(const ipc::IndexView& index, std::uint64_t largest) noexcept {
    return largest < DenseList::most_words && largest / 4 <= index.layers;
}

std::uint32_t walks_worth_a_list(std::uint64_t layers) noexcept {
    // A list that fits the inner caches is cheap to take.
    constexpr std::uint64_t small_list = 16'384;
    const std::uint64_t walks = layers / (layers <= small_list ? 128 : 64);
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(walks, LookupCache::least_walks, std::uint64_t{1} << 31));
}

std::uint64_t slot_word_of(const ipc::IndexView& index) noexcept {
    return std::uint64_t{index.slot} << Layer::slot_shift;
}

// The mapping of a later version may lie elsewhere: the file has outgrown the earlier one.
std::int64_t shift_between(const ipc::IndexView& before, const ipc::IndexView& index) noexcept {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(index.base) -
                                     reinterpret_cast<std::uintptr_t>(before.base));
}

// report(layer, what it is now) for each that differs between two versions in one file. False:
// damaged, or so many that starting over costs no more.
template <class Report>
bool for_each_difference(const ipc::IndexView& before, const ipc::IndexView& index,
                         std::uint64_t known, Report report) {
    const auto each = [&](std::uint64_t layer, std::uint64_t, std::uint64_t entry) {
        report(layer, entry != 0 ? ipc::layer_at(index, entry) : Layer());
    };
    const std::uint64_t most_nodes = 16 + known / 256;
    return ipc::IndexComparison(before, index, true, most_nodes, each).run();
}

}  // namespace

LookupCache::LookupCache(std::optional<std::uint64_t> limit_bytes, OpenGenerations& views)
    : views_(views),
      hash_(SeededHash::of_process()),
      memory_(limit_bytes),
      versions_(hash_, memory_) {}

CachedDimension* LookupCache::add(Generation generation, const ipc::DimensionRecord& record,
                                  const ipc::IndexView& index,
                                  std::shared_ptr<ipc::RegionMapping> region) {
    auto made = std::make_unique<CachedDimension>();
    made->index = index;
    made->dimension = record.dimension;
    made->serial = record.serial;
    made->changed = record.generation;
    made->first = std::clamp<Generation>(record.generation, 1, generation);
    made->last = generation;
    made->region = std::move(region);
    // Of older versions only what somebody may read, or a list be taken from, is kept.
    versions_.visit(static_cast<Dimension>(record.dimension), [&](LookupEntry& entry) {
        forget_if_unread(entry);
        return false;
    });
    make_room(generation);
    const std::uint32_t walks = walks_worth_a_list(index.layers);
    const std::uint32_t to_inherit =
        index.layers <= least_layers_to_take ? walks_to_copy : walks_to_inherit;
    const bool inherits = walks > to_inherit && predecessor(*made) != nullptr;
    made->walks_left.store(inherits ? to_inherit : walks, std::memory_order_relaxed);
    made->walks_for_copy = inherits ? walks - to_inherit : 0;
    CachedDimension* const added = made.get();
    versions_.insert(std::move(made));
    return added;
}

void LookupCache::make_room(Generation generation) {
    if (versions_.make_room(generation, views_.opened())) {
        versions_.free_superseded(views_.oldest_open());
    }
}

bool LookupCache::is_read(const CachedDimension& version) const noexcept {
    return views_.any_open(version.first, versions_.kept_until(version));
}

bool LookupCache::is_held(const CachedDimension& version) noexcept {
    return views_.any_held(version.first, versions_.kept_until(version));
}

bool LookupCache::is_pinned(const CachedDimension& version) const noexcept {
    return views_.any_open(version.first, versions_.holds_until(version));
}

// Nobody reads it.
void LookupCache::forget(LookupEntry& entry) noexcept {
    const std::unique_ptr<CachedDimension> version = versions_.take_out(entry);
    lists_ -= version->has_list() ? 1 : 0;
    memory_.give_back(version->list_bytes);
}

void LookupCache::forget(const CachedDimension& version) noexcept {
    versions_.visit(static_cast<Dimension>(version.dimension), [&](LookupEntry& entry) {
        const bool own = entry.version.load(std::memory_order_relaxed) == &version;
        if (own) {
            forget(entry);
        }
        return own;
    });
}

void LookupCache::forget_unread() noexcept {
    versions_.visit_all([&](LookupEntry& entry) { forget_if_unread(entry); });
}

void LookupCache::forget_if_unread(LookupEntry& entry) noexcept {
    const CachedDimension* const version = entry.version.load(std::memory_order_relaxed);
    if (version == nullptr) {
        return;
    }
    versions_.settle_ended(entry);
    if (!is_read(*version)) {
        forget(entry);
    }
}

// Room for a list; a few of those that nobody can read any more go for it.
bool LookupCache::take(std::uint64_t bytes) noexcept {
    for (unsigned looks = 0; bytes > memory_.available() && looks < swept_at_once; ++looks) {
        forget_if_unread(versions_.next_entry());
    }
    const bool taken = memory_.take(bytes);
    if (!taken && lists_ != 0) {  // of which some may be of no use any more
        versions_.break_chain();
    }
    return taken;
}

bool LookupCache::learn(CachedDimension& version, std::uint64_t layer,
                        const Layer& found) noexcept {
    const std::uint32_t left = version.walks_left.load(std::memory_order_relaxed);
    if (left != 0) [[likely]] {  // no list yet
        version.walks_left.store(left - 1, std::memory_order_relaxed);
        return left == 1;
    }
    // Acquire; partners: the releases in VersionTable::publish_list.
    if (version.dense.tag.load(std::memory_order_acquire) != 0) {
        version.dense.store(layer, found);
        ipc::visit_neighbours(version.index, layer, [&](std::uint64_t other, const Layer& beside) {
            version.dense.store(other, beside);
        });
    } else if (SparseList* const sparse = version.sparse.load(std::memory_order_acquire)) {
        sparse->add(layer, found);
    }
    return false;
}

// The last older version with a list, in the same file, whose nodes are still what they were:
// some view of it is open, so equal words lead to equal bytes.
CachedDimension* LookupCache::predecessor(const CachedDimension& version) const noexcept {
    CachedDimension* best = nullptr;
    versions_.visit(static_cast<Dimension>(version.dimension), [&](const LookupEntry& entry) {
        CachedDimension* const other = entry.version.load(std::memory_order_relaxed);
        if (other != &version && other->has_list() && other->serial == version.serial &&
            other->last < version.first && (best == nullptr || best->last < other->last) &&
            is_pinned(*other)) {
            best = other;
        }
        return false;
    });
    return best;
}

void LookupCache::open_list(CachedDimension& version) noexcept {
    if (version.has_list()) {
        return;  // another thread was quicker
    }
    const auto largest = ipc::largest_key(version.index);
    if (!largest) {
        return;
    }
    if (is_dense(version.index, *largest)) {
        open_dense(version, *largest + 1);
    } else {
        open_sparse(version);
    }
    if (version.has_list()) {
        ++lists_;
        versions_.publish_list(version);
    } else if (version.walks_left.load(std::memory_order_relaxed) == 0) {
        // No memory now. What others hold of it may be released.
        version.walks_left.store(walks_until_retry, std::memory_order_relaxed);
    }
}

// Copying a list pays only after some look-ups. True: not yet.
bool LookupCache::postpone_copy(CachedDimension& version) noexcept {
    const std::uint32_t more = std::exchange(version.walks_for_copy, 0);
    version.walks_left.store(more, std::memory_order_relaxed);
    return more != 0;
}

void LookupCache::open_dense(CachedDimension& version, std::uint64_t words) noexcept {
    CachedDimension* const before = predecessor(version);
    const std::uint64_t known =
        before != nullptr && before->words != nullptr ? before->dense.count : 0;
    DenseList& list = version.dense;
    const bool small = known != 0 && words <= least_layers_to_take;
    const bool taken = !small && known >= words && !is_held(*before);
    if (taken) {
        version.words = std::move(before->words);
        version.list_bytes = std::exchange(before->list_bytes, 0);
        list.count = known;
        --lists_;
    } else {
        if (known != 0 && !small && postpone_copy(version)) {
            return;
        }
        // Room for an eighth more: who appends again and again does not copy again and again.
        list.count = known != 0 && known < words
                         ? std::min(words + words / 8, DenseList::most_words)
                         : std::max(words, known);
        const std::uint64_t bytes = list.count * sizeof(std::uint64_t);
        if (!take(bytes)) {
            return;
        }
        version.words.reset(
            static_cast<std::uint64_t*>(std::calloc(list.count, sizeof(std::uint64_t))));
        if (!version.words) {
            memory_.give_back(bytes);
            return;
        }
        version.list_bytes = bytes;
        for (std::uint64_t layer = 0; layer < known; ++layer) {
            version.words[layer] = before->dense.word(layer);
        }
    }
    list.words = version.words.get();
    list.slot_word = slot_word_of(version.index);
    if (known != 0) {
        const std::uint64_t shift =
            static_cast<std::uint64_t>(shift_between(before->index, version.index))
            << CachedPlace::address_shift;
        for (std::uint64_t layer = 0; shift != 0 && layer < known; ++layer) {
            list.words[layer] += list.words[layer] != 0 ? shift : 0;
        }
        const bool corrected = for_each_difference(before->index, version.index, known,
                                                   [&](std::uint64_t layer, const Layer& now) {
                                                       if (layer < list.count) {
                                                           list.words[layer] = 0;
                                                       }
                                                       if (now) {
                                                           list.store(layer, now);
                                                       }
                                                   });
        if (!corrected) {
            std::fill_n(list.words, list.count, 0);
        }
    }
    if (taken) {
        forget(*before);
    }
}

void LookupCache::open_sparse(CachedDimension& version) noexcept {
    CachedDimension* const before = predecessor(version);
    SparseList* const known = before != nullptr ? before->own_sparse.get() : nullptr;
    const std::uint64_t layers = version.index.layers;
    const bool fits = known != nullptr && layers <= known->capacity() - known->capacity() / 4;
    const bool taken = fits && !is_held(*before);
    if (taken) {
        version.own_sparse = std::move(before->own_sparse);
        version.list_bytes = std::exchange(before->list_bytes, 0);
        --lists_;
    } else {
        if (known != nullptr && postpone_copy(version)) {
            return;
        }
        // Half full when all is known; less room is still better than none.
        std::uint64_t capacity = 2 * layers + 16;
        if (!take(SparseList::bytes_for(capacity))) {
            capacity = std::min(capacity, memory_.available() / 16);
            if (capacity < 16 + layers / 4 || !take(SparseList::bytes_for(capacity))) {
                return;
            }
        }
        version.own_sparse = SparseList::make(capacity, layers, slot_word_of(version.index), hash_);
        if (!version.own_sparse) {
            memory_.give_back(SparseList::bytes_for(capacity));
            return;
        }
        version.list_bytes = version.own_sparse->bytes();
        if (known != nullptr) {
            // Perhaps not all of it has room; what the copy has is right.
            static_cast<void>(version.own_sparse->copy_from(*known));
        }
    }
    if (known == nullptr) {
        return;
    }
    SparseList& list = *version.own_sparse;
    list.adopt(layers, slot_word_of(version.index), shift_between(before->index, version.index));
    bool replaced = true;
    const bool compared = for_each_difference(before->index, version.index, list.live(),
                                              [&](std::uint64_t layer, const Layer& now) {
                                                  replaced = replaced && list.replace(layer, now);
                                              });
    if (!compared || !replaced) {
        memory_.give_back(std::exchange(version.list_bytes, 0));
        version.own_sparse.reset();
        postpone_copy(version);
    }
    if (taken) {
        forget(*before);
    }
}

}  // namespace strata::consumer_impl

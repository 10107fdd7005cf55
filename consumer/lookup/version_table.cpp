// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/version_table.hpp"

#include <algorithm>
#include <bit>

namespace strata::consumer_impl {

using detail::DenseList;

VersionTable::VersionTable(const SeededHash& hash, CacheMemory& memory)
    : hash_(hash), memory_(memory) {
    add_table(0, first_capacity);
}

VersionTable::~VersionTable() {
    visit_all([](LookupEntry& entry) { delete entry.version.load(std::memory_order_relaxed); });
}

std::uint64_t VersionTable::generations_of(const LookupTable& table,
                                           const CachedDimension& version) noexcept {
    constexpr std::uint64_t longest = LookupEntry::endless - 1;
    const bool endless = version.chain != 0;
    Generation first = std::max(version.first, table.base() + 1);
    if (!endless && version.last > longest) {
        first = std::max(first, version.last - longest);
    }
    if (!table.counts(endless ? first : version.last)) {
        return LookupEntry::no_generations;
    }
    return (first - table.base()) << 32 | (endless ? version.chain : version.last - first);
}

// What the entry says of generations, from what the version does.
void VersionTable::note(const LookupTable& table, LookupEntry& entry,
                        const CachedDimension& version) noexcept {
    // Release; partner: the acquire in LookupTable::find. What the version says was written before.
    entry.generations.store(generations_of(table, version), std::memory_order_release);
}

void VersionTable::note(const CachedDimension& version) noexcept {
    visit(static_cast<Dimension>(version.dimension), [&](LookupEntry& entry) {
        const bool own = entry.version.load(std::memory_order_relaxed) == &version;
        if (own) {
            note(newest(), entry, version);
        }
        return own;
    });
}

void VersionTable::add_table(Generation generation, std::uint64_t capacity) {
    const Generation base =
        generation > LookupTable::span / 2 ? generation - LookupTable::span / 2 : 0;
    tables_.reserve(tables_.size() + 1);
    tables_.push_back({LookupTable::make(base, capacity, hash_)});
    memory_.count(tables_.back().table->bytes());
}

bool VersionTable::make_room(Generation generation, std::uint64_t opened) {
    LookupTable& old = *tables_.back().table;
    const bool full = 2 * (old.used + 1) > old.capacity();
    const bool far = generation > old.base() && !old.counts(generation);
    if (!full && !far) {
        return false;
    }
    tables_.back().opened = opened;
    add_table(std::max(generation, chain_last_),
              std::bit_ceil(std::max(first_capacity, 4 * (size_ + 1))));
    for (std::uint64_t at = 0; at < old.capacity(); ++at) {
        CachedDimension* const version = old.at(at).version.load(std::memory_order_relaxed);
        if (version != nullptr) {
            place(*tables_.back().table, *version);
            if (version->has_list()) {
                publish_list(*version);
            }
        }
    }
    return true;
}

void VersionTable::free_superseded(std::uint64_t oldest_open) noexcept {
    const auto first_kept =
        std::find_if(tables_.begin(), tables_.end() - 1,
                     [&](const Numbered& old) { return old.opened >= oldest_open; });
    std::for_each(tables_.begin(), first_kept,
                  [&](const Numbered& old) { memory_.discount(old.table->bytes()); });
    tables_.erase(tables_.begin(), first_kept);
}

void VersionTable::place(LookupTable& table, CachedDimension& version) noexcept {
    std::uint64_t at = table.home_of(static_cast<Dimension>(version.dimension));
    while (table.at(at).version.load(std::memory_order_relaxed) != nullptr) {
        ++at;
    }
    LookupEntry& entry = table.at(at);
    table.used += entry.generations.load(std::memory_order_relaxed) == 0 ? 1 : 0;
    entry.tag.store(version.dimension, std::memory_order_relaxed);
    entry.list.store(0, std::memory_order_relaxed);
    entry.version.store(&version, std::memory_order_relaxed);
    note(table, entry, version);
}

void VersionTable::insert(std::unique_ptr<CachedDimension> version) noexcept {
    place(*tables_.back().table, *version.release());
    ++size_;
    memory_.count(sizeof(CachedDimension));
}

CachedDimension* VersionTable::match(Generation generation,
                                     const ipc::DimensionRecord& record) noexcept {
    CachedDimension* found = nullptr;
    visit(static_cast<Dimension>(record.dimension), [&](LookupEntry& entry) {
        CachedDimension& version = *entry.version.load(std::memory_order_relaxed);
        if (version.serial != record.serial || version.changed != record.generation ||
            version.index.root != record.index || version.index.levels != record.index_levels) {
            return false;
        }
        found = &version;
        if (version.chain != chain_ || generation > chain_last_) {
            settle(entry);
        }
        version.first = std::min(version.first, generation);
        version.last = std::max(version.last, generation);
        note(newest(), entry, version);
        return true;
    });
    return found;
}

void VersionTable::begin_chain(Generation generation) noexcept {
    if (chain_ == 0xFFFF'FFFF) {  // its number must not be met with again
        visit_all([&](LookupEntry& entry) { settle(entry); });
        chain_ = LookupEntry::endless;
    }
    ++chain_;
    last_before_ = chain_last_;
    chain_last_ = generation;
    broken_ = false;
}

void VersionTable::hold_on(CachedDimension& version) noexcept {
    if (version.chain != chain_) {
        version.chain = chain_;
        note(version);
    }
}

void VersionTable::end(Dimension dimension) noexcept {
    visit(dimension, [&](LookupEntry& entry) {
        if (entry.version.load(std::memory_order_relaxed)->chain == chain_) {
            settle(entry);
        }
        return false;
    });
}

void VersionTable::settle_ended(LookupEntry& entry) noexcept {
    if (entry.version.load(std::memory_order_relaxed)->chain != chain_) {
        settle(entry);
    }
}

void VersionTable::settle(LookupEntry& entry) noexcept {
    CachedDimension& version = *entry.version.load(std::memory_order_relaxed);
    if (version.chain != 0) {
        version.kept = kept_until(version);
        version.last = holds_until(version);
        version.chain = 0;
        note(newest(), entry, version);
    }
}

CachedDimension* VersionTable::held_on(Dimension dimension) const noexcept {
    CachedDimension* found = nullptr;
    visit(dimension, [&](const LookupEntry& entry) {
        CachedDimension* const version = entry.version.load(std::memory_order_relaxed);
        found = version->chain == chain_ ? version : nullptr;
        return found != nullptr;
    });
    return found;
}

Generation VersionTable::kept_until(const CachedDimension& version) const noexcept {
    // Chains before the last one ended earlier than that.
    const Generation in_chain = version.chain == 0        ? 0
                                : version.chain == chain_ ? chain_last_
                                                          : last_before_;
    return std::max({version.last, version.kept, in_chain});
}

Generation VersionTable::holds_until(const CachedDimension& version) const noexcept {
    const Generation in_chain = version.chain == chain_       ? chain_last_
                                : version.chain == chain_ - 1 ? last_before_
                                                              : 0;
    return std::max(version.last, in_chain);
}

void VersionTable::publish_list(CachedDimension& version) noexcept {
    SparseList* const sparse = version.own_sparse.get();
    const auto address = sparse != nullptr ? reinterpret_cast<std::uintptr_t>(sparse)
                                           : reinterpret_cast<std::uintptr_t>(version.words.get());
    const std::uint64_t list = std::uint64_t{version.index.slot} << Layer::slot_shift | address |
                               (sparse != nullptr ? LookupEntry::sparse : 0);
    const std::uint64_t tag = DenseList::tag_of(static_cast<Dimension>(version.dimension),
                                                sparse != nullptr ? 0 : version.dense.count);
    visit(static_cast<Dimension>(version.dimension), [&](LookupEntry& entry) {
        if (entry.version.load(std::memory_order_relaxed) != &version) {
            return false;
        }
        // Release; partners: the acquires of `list` in the look-ups, and of `tag` in
        // LookupTable::find: who sees a number of words sees the list.
        entry.list.store(list, std::memory_order_release);
        entry.tag.store(tag, std::memory_order_release);
        return true;
    });
    if (sparse != nullptr) {
        // Release; partner: the acquires in LookupCache::learn and in `find_in_version`.
        version.sparse.store(sparse, std::memory_order_release);
    } else {
        // Release; partners: the acquires in DenseList::count_of, LookupCache::learn and
        // `find_slowly`.
        version.dense.tag.store(tag, std::memory_order_release);
    }
}

std::unique_ptr<CachedDimension> VersionTable::take_out(LookupEntry& entry) noexcept {
    std::unique_ptr<CachedDimension> version(
        entry.version.exchange(nullptr, std::memory_order_relaxed));
    entry.generations.store(LookupEntry::no_generations, std::memory_order_relaxed);
    --size_;
    memory_.discount(sizeof(CachedDimension));
    return version;
}

}  // namespace strata::consumer_impl

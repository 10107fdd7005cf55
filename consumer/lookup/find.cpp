// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/find.hpp"

#include "ipc/failure.hpp"
#include "ipc/index/find.hpp"
#include "ipc/os/fault.hpp"

namespace strata::consumer_impl {

using detail::CachedPlace;

void fail_damaged(const CachedDimension& version, std::uint64_t layer) {
    ipc::fail(Errc::corrupt, "find", ipc::mapped_path(version.index.base),
              "the index on the way to layer " + std::to_string(layer) + " of dimension " +
                  std::to_string(version.dimension) + " is damaged",
              "run a verification of the store and publish it anew");
}

Layer find_in_version(View& view, CachedDimension& version, std::uint64_t layer) {
    // Acquire; partners: the releases in VersionTable::publish_list.
    const std::uint64_t tag = version.dense.tag.load(std::memory_order_acquire);
    if (layer < tag >> 32) {
        if (const std::uint64_t word = version.dense.word(layer); word != CachedPlace::unknown) {
            return version.dense.layer_at(word);
        }
    } else if (const SparseList* const sparse = version.sparse.load(std::memory_order_acquire)) {
        const std::uint64_t place = sparse->find(layer);
        if (place >= CachedPlace::least) [[likely]] {
            return CachedPlace::layer_of(place, sparse->slot_word());
        }
        if (place == CachedPlace::absent) {
            return {};
        }
    }
    const Layer found = ipc::lookup(version.index, layer);
    if (!found) {
        if (ipc::is_damaged(found)) [[unlikely]] {
            fail_damaged(version, layer);
        }
        return {};
    }
    if (LookupCache::learn(version, layer, found)) [[unlikely]] {
        view.session->views().open_list(view, version);
    }
    return found;
}

Layer find_slowly(View& view, const LookupEntry* entry, LayerId id) {
    CachedDimension* const version = entry != nullptr
                                         ? entry->version.load(std::memory_order_relaxed)
                                         : view.session->dimension_of(view, id.dimension);
    return version != nullptr ? find_in_version(view, *version, id.layer) : Layer();
}

}  // namespace strata::consumer_impl

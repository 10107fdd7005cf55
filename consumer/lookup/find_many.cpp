// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/find_many.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "consumer/attachment/session.hpp"
#include "consumer/lookup/find.hpp"
#include "consumer/views/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/index/find_many.hpp"

namespace strata::consumer_impl {

using detail::CachedPlace;
using detail::DenseList;

namespace {

constexpr std::size_t group = 16;  // walks, or look-ups in large lists, under way together
// A list of so few layers is likely to lie in the caches: two lines of each payload are 2 MiB.
constexpr std::uint64_t most_cached = 16384;
// Lists of so many bytes together are likely not to.
constexpr std::uint64_t large_lists = 512 << 10;
// After a shorter run of one dimension, so many are taken one by one.
constexpr std::size_t shortest_run = 2;
constexpr std::size_t mixed_at_once = 64;
// Payloads that are fetched for the caller. More of them would push each other out of the
// innermost cache before the caller comes to them; from there on its own loop overlaps the misses.
constexpr std::size_t most_fetched = 256;

void fetch_ends(const Layer& layer) noexcept {
    __builtin_prefetch(layer.data());
    __builtin_prefetch(layer.data() + layer.size() - 1);  // never faults, also if empty
}

/// Layers that no list leads to, to be walked to together.
class Walks {
public:
    Walks(View& view, std::span<Layer> out) noexcept : view_(view), out_(out) {}

    /// `at`: where the layer goes in `out`.
    void add(CachedDimension& version, std::uint64_t layer, std::size_t at) {
        targets_[count_] = {&version, at};
        descents_[count_++] = ipc::IndexDescent(version.index, layer);
        if (count_ == group) {
            finish();
        }
    }
    void finish() {
        const std::size_t count = std::exchange(count_, 0);
        ipc::finish_together(std::span(descents_).first(count));
        for (std::size_t i = 0; i < count; ++i) {
            const auto [version, at] = targets_[i];
            const ipc::FoundLayer found = descents_[i].result();
            if (found.end == ipc::WalkEnd::corrupt) [[unlikely]] {
                fail_damaged(*version, descents_[i].key());
            }
            out_[at] = found.layer;
            if (found.layer && LookupCache::learn(*version, descents_[i].key(), found.layer)) {
                view_.session->views().open_list(view_, *version);
            }
        }
    }

private:
    struct Target {
        CachedDimension* version = nullptr;
        std::size_t at = 0;
    };

    View& view_;
    std::span<Layer> out_;
    std::array<ipc::IndexDescent, group> descents_{};
    std::array<Target, group> targets_{};
    std::size_t count_ = 0;
};

// Takes words from a dimension's list, for [i, end) as long as it has them. Returns the first that
// it does not have. `fetch`: also has the payloads' first and last line fetched, as most are read
// from end to end and the hardware sees to the rest.
template <bool fetch, class Ids>
std::size_t take_listed(const DenseList& list, Dimension dimension, std::uint64_t count,
                        const Ids& ids, std::size_t i, std::size_t end,
                        std::span<Layer> out) noexcept {
    // Copies: what is stored to `out` could be the list, as far as the compiler knows.
    std::uint64_t* const words = list.words;
    const std::uint64_t slot_word = list.slot_word;
    for (; i < end; ++i) {
        const std::uint64_t layer = ids.layer(i);
        if (ids.dimension(i) != dimension || layer >= count) [[unlikely]] {
            break;
        }
        const std::uint64_t word = DenseList::load(words, layer);
        if (word == 0) [[unlikely]] {
            break;
        }
        const Layer found = CachedPlace::layer_of(word, slot_word);
        out[i] = found;
        if constexpr (fetch) {
            fetch_ends(found);
        }
    }
    return i;
}

// The same for [i, end) of dimensions that change from one to the next.
template <class Ids>
std::size_t take_mixed(const detail::FrontTable& front, const Ids& ids, std::size_t i,
                       std::size_t end, std::span<Layer> out) noexcept {
    for (; i < end; ++i) {
        const DenseList& list = front.list_for(ids.dimension(i));
        const std::uint64_t word = list.word_of({ids.dimension(i), ids.layer(i)});
        if (word == 0) [[unlikely]] {
            break;
        }
        out[i] = list.layer_at(word);
    }
    return i;
}

// What is looked for: layers of any dimensions, or of one.
struct AnyIds {
    std::span<const LayerId> ids;
    std::size_t size() const noexcept { return ids.size(); }
    std::uint64_t layer(std::size_t i) const noexcept { return ids[i].layer; }
    Dimension dimension(std::size_t i) const noexcept { return ids[i].dimension; }
};
struct IdsOfOne {
    Dimension one;
    std::span<const std::uint64_t> layers;
    std::size_t size() const noexcept { return layers.size(); }
    std::uint64_t layer(std::size_t i) const noexcept { return layers[i]; }
    Dimension dimension(std::size_t) const noexcept { return one; }
};

/// The dimensions of a batch: remembers the last one, for they often come in runs.
class Dimensions {
public:
    explicit Dimensions(View& view) noexcept : view_(view) {}

    /// Null if it has no entry in the cache yet, or the generation does not have it.
    const LookupTable::Found& find(Dimension dimension) noexcept {
        if (last_.entry == nullptr || dimension != number_) {
            number_ = dimension;
            last_ = view_.entry_of(dimension);
        }
        return last_;
    }

private:
    View& view_;
    LookupTable::Found last_{};
    Dimension number_ = 0;
};

// What the dimension's entry says, if it has one; else the layer is added to the walks.
void place_one(View& view, std::optional<Walks>& walks, const LookupTable::Found& found, LayerId id,
               std::size_t at, std::span<Layer> out) {
    CachedWord word;
    if (found.entry != nullptr) [[likely]] {
        return_to_front(view, id.dimension, *found.entry);
        word = cached_word(found, id.layer);
    }
    if (word.is_layer()) [[likely]] {
        out[at] = word.layer();
        return;
    }
    out[at] = {};
    if (word.place == CachedPlace::absent) {
        return;
    }
    CachedDimension* const version = found.entry != nullptr
                                         ? found.entry->version.load(std::memory_order_relaxed)
                                         : view.session->dimension_of(view, id.dimension);
    if (version != nullptr) {
        if (!walks) {
            walks.emplace(view, out);
        }
        walks->add(*version, id.layer, at);
    }
}

// A few look-ups whose lists are hardly in the caches: all entries, then all words, then all
// payloads are under way together.
template <class Ids>
std::size_t find_group(View& view, std::optional<Walks>& walks, Dimensions& dimensions,
                       const Ids& ids, std::size_t begin, std::span<Layer> out) {
    const std::size_t count = std::min(group, ids.size() - begin);
    std::array<LookupTable::Found, group> found;
    for (std::size_t i = 0; i < count; ++i) {
        found[i] = dimensions.find(ids.dimension(begin + i));
        if (found[i].entry != nullptr) {
            prefetch_word(found[i], ids.layer(begin + i));
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        const LayerId id{ids.dimension(begin + i), ids.layer(begin + i)};
        place_one(view, walks, found[i], id, begin + i, out);
        if (begin + i < most_fetched && out[begin + i]) {
            fetch_ends(out[begin + i]);
        }
    }
    return begin + count;
}

template <class Ids>
void find_all(View* view, const Ids& ids, std::span<Layer> out) {
    if (out.size() < ids.size()) {
        ipc::bug("Snapshot::find: `out` is shorter than what is looked for");
    }
    if (view == nullptr) {
        std::fill_n(out.begin(), ids.size(), Layer());
        return;
    }
    std::optional<Walks> walks;  // a kilobyte that most batches do not need
    Dimensions dimensions(*view);
    const bool large = view->cache->memory().lists() > large_lists;
    for (std::size_t i = 0; i < ids.size();) {
        const Dimension dimension = ids.dimension(i);
        const DenseList& list = view->list_for(dimension);
        if (const std::uint64_t count = list.count_of(dimension); count != 0) {
            const std::size_t begin = i;
            if (count > most_cached) {
                const std::size_t end = std::min(ids.size(), most_fetched);
                i = take_listed<true>(list, dimension, count, ids, i, end, out);
            }
            i = take_listed<false>(list, dimension, count, ids, i, ids.size(), out);
            if (i <= begin + shortest_run && count <= most_cached) {
                i = take_mixed(*view, ids, i, std::min(i + mixed_at_once, ids.size()), out);
            }
            if (i != begin) {
                continue;
            }
        } else if (large) {
            i = find_group(*view, walks, dimensions, ids, i, out);
            continue;
        }
        const LayerId id{ids.dimension(i), ids.layer(i)};
        place_one(*view, walks, dimensions.find(id.dimension), id, i, out);
        ++i;
    }
    if (walks) {
        walks->finish();
    }
}

}  // namespace

void find_many(View* view, std::span<const LayerId> ids, std::span<Layer> out) {
    find_all(view, AnyIds{ids}, out);
}

void find_many(View* view, Dimension dimension, std::span<const std::uint64_t> layers,
               std::span<Layer> out) {
    find_all(view, IdsOfOne{dimension, layers}, out);
}

}  // namespace strata::consumer_impl

// SPDX-License-Identifier: Apache-2.0
#include "strata/context_index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "consumer/lookup/sorted_blocks.hpp"
#include "ipc/failure.hpp"
#include "strata/changes.hpp"
#include "strata/error.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

// One keyword of one layer. All entries stand in one sorted set, those of a keyword side by side.
struct KeywordEntry {
    std::uint64_t keyword = 0;  // its number in this index
    std::uint64_t layer = 0;

    friend auto operator<=>(const KeywordEntry&, const KeywordEntry&) = default;
};

struct FrequencyEntry {
    double frequency = 0;  // never NaN
    std::uint64_t layer = 0;

    friend bool operator==(const FrequencyEntry&, const FrequencyEntry&) = default;
    friend bool operator<(const FrequencyEntry& a, const FrequencyEntry& b) noexcept {
        return a.frequency < b.frequency || (a.frequency == b.frequency && a.layer < b.layer);
    }
};

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>()(text);
    }
};

struct Keyword {
    std::uint64_t number = 0;
    std::size_t layers = 0;
};

// What a layer brings into the index, read before the index is touched: reading may throw.
struct Context {
    std::uint64_t layer = 0;
    double frequency = 0;
    // Copies, sorted, without duplicates: bytes that change while they are sorted would lead the
    // sort out of the vector.
    std::vector<std::string> keywords;
};

Context context_of(const Layer& layer, std::uint64_t number) {
    const std::vector<std::string_view> shared = layer->keywords();
    Context context{number, layer->frequency(), {shared.begin(), shared.end()}};
    std::sort(context.keywords.begin(), context.keywords.end());
    context.keywords.erase(std::unique(context.keywords.begin(), context.keywords.end()),
                           context.keywords.end());
    return context;
}

constexpr std::uint64_t last_layer = std::numeric_limits<std::uint64_t>::max();

}  // namespace

struct ContextIndex::State {
    Snapshot snapshot;
    Dimension dimension = 0;
    std::unordered_map<std::string, Keyword, TextHash, std::equal_to<>> keywords;
    std::uint64_t next_number = 0;
    std::size_t text_bytes = 0;
    consumer_impl::SortedBlocks<KeywordEntry> by_keyword;
    consumer_impl::SortedBlocks<FrequencyEntry> by_frequency;

    void build() {
        try {
            build_from(snapshot.dimension(dimension));
        } catch (const Error& error) {
            if (error.code() != Errc::dimension_not_found) {
                throw;
            }
        }
    }

    void build_from(const DimensionRange& range) {
        std::vector<KeywordEntry> keyword_entries;
        std::vector<FrequencyEntry> frequency_entries;
        frequency_entries.reserve(range.size());
        for (auto it = range.begin(); it != range.end(); ++it) {
            const Context context = context_of(*it, it.number());
            for (const std::string_view text : context.keywords) {
                keyword_entries.push_back({enter(text).number, context.layer});
            }
            if (!std::isnan(context.frequency)) {
                frequency_entries.push_back({context.frequency, context.layer});
            }
        }
        std::sort(keyword_entries.begin(), keyword_entries.end());
        std::sort(frequency_entries.begin(), frequency_entries.end());
        by_keyword.assign(keyword_entries);
        by_frequency.assign(frequency_entries);
    }

    // One more layer with that keyword.
    Keyword& enter(std::string_view text) {
        auto found = keywords.find(text);
        if (found == keywords.end()) {
            found = keywords.emplace(text, Keyword{next_number++, 0}).first;
            text_bytes += text.size();
        }
        ++found->second.layers;
        return found->second;
    }

    void add(const Context& context) {
        for (const std::string_view text : context.keywords) {
            by_keyword.insert({enter(text).number, context.layer});
        }
        if (!std::isnan(context.frequency)) {
            by_frequency.insert({context.frequency, context.layer});
        }
    }

    void remove(const Context& context) {
        for (const std::string_view text : context.keywords) {
            const auto found = keywords.find(text);
            if (found == keywords.end()) {
                continue;
            }
            by_keyword.erase({found->second.number, context.layer});
            if (--found->second.layers == 0) {
                text_bytes -= text.size();
                keywords.erase(found);
            }
        }
        if (!std::isnan(context.frequency)) {
            by_frequency.erase({context.frequency, context.layer});
        }
    }

    template <class Blocks, class Key>
    std::vector<Layer> layers_in(const Blocks& blocks, const Key& low, const Key& high) const {
        std::vector<LayerId> ids;
        blocks.for_range(low, high, [&](std::span<const Key> keys) {
            for (const Key& key : keys) {
                ids.push_back({dimension, key.layer});
            }
        });
        std::vector<Layer> layers(ids.size());
        snapshot.find(ids, layers);
        return layers;
    }
};

ContextIndex::ContextIndex(const Snapshot& snapshot, Dimension dimension)
    : state_(std::make_unique<State>()) {
    state_->snapshot = snapshot;
    state_->dimension = dimension;
    state_->build();
}

ContextIndex::ContextIndex(ContextIndex&&) noexcept = default;
ContextIndex& ContextIndex::operator=(ContextIndex&&) noexcept = default;
ContextIndex::~ContextIndex() = default;

std::size_t ContextIndex::update(const Snapshot& snapshot) {
    State& state = ipc::part_of(state_, "ContextIndex");
    const std::vector<Change> differences = changes(state.snapshot, snapshot, state.dimension);
    // Read everything before changing anything: damaged metadata must not leave half an update.
    std::vector<Context> gone;
    std::vector<Context> come;
    for (const Change& change : differences) {
        if (change.before) {
            gone.push_back(context_of(change.before, change.id.layer));
        }
        if (change.after) {
            come.push_back(context_of(change.after, change.id.layer));
        }
    }
    for (const Context& context : gone) {
        state.remove(context);
    }
    for (const Context& context : come) {
        state.add(context);
    }
    state.snapshot = snapshot;
    return differences.size();
}

std::vector<Layer> ContextIndex::with_keyword(std::string_view keyword) const {
    const State& state = ipc::part_of(state_, "ContextIndex");
    const auto found = state.keywords.find(keyword);
    if (found == state.keywords.end()) {
        return {};
    }
    const std::uint64_t number = found->second.number;
    return state.layers_in(state.by_keyword, KeywordEntry{number, 0},
                           KeywordEntry{number, last_layer});
}

std::vector<Layer> ContextIndex::with_frequency(double low, double high) const {
    const State& state = ipc::part_of(state_, "ContextIndex");
    if (!(low <= high)) {  // also if one is not a number
        return {};
    }
    return state.layers_in(state.by_frequency, FrequencyEntry{low, 0},
                           FrequencyEntry{high, last_layer});
}

std::size_t ContextIndex::count_keyword(std::string_view keyword) const noexcept {
    const State& state = ipc::part_of(state_, "ContextIndex");
    const auto found = state.keywords.find(keyword);
    return found == state.keywords.end() ? 0 : found->second.layers;
}

std::size_t ContextIndex::count_frequency(double low, double high) const noexcept {
    const State& state = ipc::part_of(state_, "ContextIndex");
    std::size_t count = 0;
    if (low <= high) {
        state.by_frequency.for_range(
            FrequencyEntry{low, 0}, FrequencyEntry{high, last_layer},
            [&](std::span<const FrequencyEntry> part) { count += part.size(); });
    }
    return count;
}

std::vector<std::string_view> ContextIndex::keywords() const {
    const State& state = ipc::part_of(state_, "ContextIndex");
    std::vector<std::string_view> result;
    result.reserve(state.keywords.size());
    for (const auto& [text, keyword] : state.keywords) {
        result.push_back(text);
    }
    std::sort(result.begin(), result.end());
    return result;
}

const Snapshot& ContextIndex::snapshot() const noexcept {
    const State& state = ipc::part_of(state_, "ContextIndex");
    return state.snapshot;
}
Dimension ContextIndex::dimension() const noexcept {
    const State& state = ipc::part_of(state_, "ContextIndex");
    return state.dimension;
}

std::size_t ContextIndex::memory_bytes() const noexcept {
    const State& state = ipc::part_of(state_, "ContextIndex");
    // A node of the table: next, hash, the string and the keyword; and one bucket each.
    using Node = std::pair<std::string, Keyword>;
    constexpr std::size_t node_bytes = sizeof(Node) + 3 * sizeof(void*) + 16;
    return sizeof(State) + state.by_keyword.memory_bytes() + state.by_frequency.memory_bytes() +
           state.keywords.size() * node_bytes + state.text_bytes;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
// The published dimensions by name. Commits make entries ahead, so that publishing cannot fail. Not
// thread-safe: the commit lock guards it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "producer/reserve.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// Knows hashes alone: the names themselves are where the dimensions are.
class DimensionNames {
public:
    using Entries = std::unordered_multimap<std::size_t, Dimension>;  // by hash of the name

    /// An entry to insert later. Throws std::bad_alloc.
    static Entries::node_type entry(std::string_view name, Dimension dimension) {
        Entries one;
        return one.extract(one.emplace(hash_of(name), dimension));
    }
    /// Makes room for `count` more. Throws std::bad_alloc.
    void reserve(std::size_t count) { reserve_buckets(entries_, count); }
    /// Within the room that was reserved.
    void insert(Entries::node_type&& entry) noexcept { entries_.insert(std::move(entry)); }
    void erase(std::string_view name, Dimension dimension) noexcept {
        static_cast<void>(take(name, dimension));
    }
    void rename(std::string_view from, std::string_view to, Dimension dimension) noexcept {
        if (Entries::node_type entry = take(from, dimension)) {
            entry.key() = hash_of(to);
            insert(std::move(entry));
        }
    }

    /// The lowest number of that name. `dimensions`: all, by number, each with its name.
    template <class Dimensions>
    std::optional<Dimension> find(std::string_view name, const Dimensions& dimensions) const {
        std::optional<Dimension> lowest;
        const auto [first, last] = entries_.equal_range(hash_of(name));
        for (auto it = first; it != last; ++it) {
            if ((!lowest || it->second < *lowest) &&
                dimensions.find(it->second)->second.name == name) {
                lowest = it->second;
            }
        }
        return lowest;
    }

private:
    static std::size_t hash_of(std::string_view name) noexcept {
        return std::hash<std::string_view>{}(name);
    }
    Entries::node_type take(std::string_view name, Dimension dimension) noexcept {
        const auto [first, last] = entries_.equal_range(hash_of(name));
        for (auto it = first; it != last; ++it) {
            if (it->second == dimension) {
                return entries_.extract(it);
            }
        }
        return {};
    }

    Entries entries_;
};

}  // namespace strata::producer_impl

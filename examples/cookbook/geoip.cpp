// SPDX-License-Identifier: Apache-2.0
// GeoIP: a sorted table of ranges is one layer, searched in place; the text that the entries share
// is another one. A new edition replaces both at once.
#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <strata/strata.hpp>

namespace {

constexpr strata::Dimension geoip = 1;
constexpr strata::LayerId ranges{geoip, 1};
constexpr strata::LayerId names{geoip, 2};

/// The addresses from `first` up to the next entry's. The name lies at an offset in the other
/// layer.
struct Range {
    std::uint32_t first = 0;
    std::uint32_t name_at = 0;
    std::uint32_t name_size = 0;
};

constexpr std::uint32_t address(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                std::uint32_t d) {
    return a << 24 | b << 16 | c << 8 | d;
}

std::string_view country(const strata::Snapshot& snapshot, std::uint32_t ip) {
    const std::span<const Range> table = snapshot.get(ranges).as_span<Range>();
    const auto after = std::ranges::upper_bound(table, ip, {}, &Range::first);
    if (after == table.begin()) return "?";
    // The bytes came from another process: never believe an offset.
    const Range range = *std::prev(after);
    const std::string_view text = snapshot.get(names).text();
    return range.name_at <= text.size() ? text.substr(range.name_at, range.name_size) : "?";
}

struct Entry {
    std::uint32_t first;
    std::string_view name;
};

void publish(strata::Batch& batch, std::span<const Entry> edition) {
    std::vector<Range> table;
    std::string text;
    for (const Entry& entry : edition) {
        const std::size_t at = std::min(text.find(entry.name), text.size());
        if (at == text.size()) text += entry.name;
        table.push_back({entry.first, static_cast<std::uint32_t>(at),
                         static_cast<std::uint32_t>(entry.name.size())});
    }
    batch.put_values(ranges, table);
    batch.put(names, text);
    batch.crystallize();
}

}  // namespace

int main() try {
    auto producer = strata::Producer::create("cookbook-geoip", {.replace = true});
    auto batch = producer.batch();
    batch.add_dimension(geoip, "geoip");
    publish(batch, std::array<Entry, 3>{{{address(10, 0, 0, 0), "private"},
                                         {address(11, 0, 0, 0), "Norway"},
                                         {address(12, 0, 0, 0), "Chile"}}});

    auto consumer = strata::Consumer::attach("cookbook-geoip");
    const strata::Snapshot first = consumer.snapshot();
    std::cout << "11.1.2.3 is in " << country(first, address(11, 1, 2, 3)) << '\n';
    std::cout << "1.1.1.1 is in " << country(first, address(1, 1, 1, 1)) << '\n';

    publish(batch, std::array<Entry, 4>{{{address(1, 0, 0, 0), "Chile"},
                                         {address(10, 0, 0, 0), "private"},
                                         {address(11, 0, 0, 0), "Kenya"},
                                         {address(12, 0, 0, 0), "Chile"}}});
    const strata::Snapshot second = consumer.snapshot();
    std::cout << "11.1.2.3 is in " << country(second, address(11, 1, 2, 3)) << '\n';
    std::cout << "1.1.1.1 is in " << country(second, address(1, 1, 1, 1)) << '\n';
    std::cout << "a request that began before still sees " << country(first, address(11, 1, 2, 3))
              << '\n';
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

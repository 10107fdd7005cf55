// SPDX-License-Identifier: Apache-2.0
// Feature flags: typed records by name, asked on every request, in nanoseconds and without a lock.
#include <cstdint>
#include <iostream>
#include <string_view>
#include <type_traits>

#include <strata/strata.hpp>

namespace {

constexpr strata::Dimension flags = 1;

struct Flag {
    std::uint32_t percent = 0;  // of the users
    std::uint32_t salt = 0;     // other users for another flag
};
static_assert(std::is_trivially_copyable_v<Flag>);

/// A flag that nobody has published is off.
bool enabled(const strata::Snapshot& snapshot, std::string_view name, std::uint64_t user) {
    const strata::Layer layer = snapshot.find(flags, name);
    if (!layer) return false;
    const Flag& flag = layer.as<Flag>();  // in place; throws if the layer is of another type
    return ((user ^ flag.salt) * 0x9E3779B97F4A7C15U >> 32) % 100 < flag.percent;
}

unsigned count(strata::Consumer& consumer, std::string_view name) {
    unsigned users = 0;
    for (std::uint64_t user = 0; user < 10'000; ++user) {
        // One snapshot a request: all that the request asks belongs to one generation.
        const strata::Snapshot snapshot = consumer.snapshot();
        if (enabled(snapshot, name, user)) ++users;
    }
    return users;
}

}  // namespace

int main() try {
    auto producer = strata::Producer::create("cookbook-flags", {.replace = true});
    auto batch = producer.batch();
    batch.add_dimension(flags, "flags");
    batch.put_value(flags, "new-search", Flag{.percent = 10, .salt = 7});
    batch.crystallize();

    auto consumer = strata::Consumer::attach("cookbook-flags");
    std::cout << "new-search: " << count(consumer, "new-search") << " of 10000 users\n";

    batch.put_value(flags, "new-search", Flag{.percent = 50, .salt = 7});
    batch.crystallize();
    std::cout << "new-search: " << count(consumer, "new-search") << " of 10000 users\n";

    batch.erase(flags, "new-search");
    batch.crystallize();
    std::cout << "new-search: " << count(consumer, "new-search") << " of 10000 users\n";
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

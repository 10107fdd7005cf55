// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/world.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "tests/support/oracle.hpp"

namespace strata::test {

namespace {

// Many small layers that come and go, in three dimensions.
constexpr std::uint64_t small_layers = 240;
constexpr std::uint64_t small_changes = 8;  // a step
// A few large ones: runs of pages, growth, holes.
constexpr Dimension large_dimension = 4;
constexpr std::uint64_t large_layers = 4;
constexpr std::uint64_t large_every = 3;  // steps
// Named ones, with keywords.
constexpr Dimension named_dimension = 5;
constexpr std::uint64_t named_layers = 16;
// Dimensions that appear, stay a step, are replaced, stay a step, and go.
constexpr Dimension first_spare = 90;
constexpr unsigned spares = 3;
constexpr std::uint64_t spare_period = 5;
constexpr std::uint64_t spare_layers = 5;
// One that is cleared: filled anew at once, added to, overwritten, cleared for good, begun again.
constexpr std::uint64_t swept_period = 7;
constexpr std::uint64_t swept_first = 20;  // layers by a clearing step
constexpr std::uint64_t swept_layers = 25;
constexpr std::uint64_t swept_few = 3;

LayerId small_id(std::uint64_t index) noexcept {
    return {static_cast<Dimension>(1 + index % 3), index / 3 * 11};
}
LayerId large_id(std::uint64_t index) noexcept { return {large_dimension, index << 40}; }
LayerId spare_id(unsigned spare, std::uint64_t index) noexcept {
    return {first_spare + spare, index * 1000};
}
LayerId swept_id(std::uint64_t index) noexcept { return {swept_dimension, index * 5}; }
std::string name_of(std::uint64_t index) {
    return std::string("name ").append(std::to_string(index));
}
std::uint64_t spare_phase(unsigned spare, Step s) noexcept { return (s + spare) % spare_period; }
bool spare_begins(unsigned spare, Step s) noexcept { return spare_phase(spare, s) % 2 == 1; }
bool swept_is_cleared(Step s) noexcept { return s % swept_period % 5 == 0; }  // phases 0 and 5

void fill(std::span<std::byte> bytes, std::uint64_t content) noexcept {
    std::uint64_t state = mixed(content);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
        const std::uint64_t word = mixed(state++);
        std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at));
    }
}

bool holds(std::span<const std::byte> bytes, std::uint64_t content) noexcept {
    std::uint64_t state = mixed(content);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
        const std::uint64_t word = mixed(state++);
        if (std::memcmp(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at)) !=
            0) {
            return false;
        }
    }
    return true;
}

// Both are exact in a double: there are no 2^43 generations.
constexpr std::uint64_t frequency_unit = 1000;
double frequency_of(std::uint64_t content, Generation expected) noexcept {
    return static_cast<double>(expected * frequency_unit + content % frequency_unit);
}

/// Collects what a check finds.
class Comparison {
public:
    Comparison(Generation extra, Stamps stamps, World::Verdict& verdict)
        : extra_(extra), stamps_(stamps), verdict_(verdict) {}

    void compare(const Layer& layer, LayerId id, Step since, std::uint64_t content,
                 std::uint64_t bytes) {
        if (verdict_) {
            return;
        }
        const std::string where =
            "layer " + std::to_string(id.dimension) + "/" + std::to_string(id.layer);
        if (since == 0) {
            if (layer) {
                verdict_.text = where + " is there, of generation " +
                                std::to_string(layer.generation()) + ", and should not be";
            }
            return;
        }
        ++verdict_.layers;
        if (!layer) {
            verdict_ = {where + " of step " + std::to_string(since) + " is missing", true, 0};
            return;
        }
        if (!stamped(layer, since)) {
            verdict_.text = where + " is of generation " + std::to_string(layer.generation()) +
                            ", should be of step " + std::to_string(since) + "; its frequency is " +
                            std::to_string(layer.frequency());
        } else if (layer.size() != bytes) {
            verdict_.text = where + " has " + std::to_string(layer.size()) +
                            " bytes, should have " + std::to_string(bytes);
        } else if (!holds(layer.bytes(), content)) {
            verdict_.text = where + " has wrong bytes";
        } else if (layer.id() != id ||
                   layer.frequency() != frequency_of(content, expected_of(layer))) {
            verdict_.text = where + " has a wrong header";
        }
    }

    void compare_count(std::uint64_t found, std::uint64_t expected, const char* what) {
        if (!verdict_ && found != expected) {
            verdict_.text =
                std::to_string(found) + " " + what + " instead of " + std::to_string(expected);
        }
    }

private:
    // 0 if it says nothing that a step could have written.
    static Generation expected_of(const Layer& layer) noexcept {
        const double frequency = layer.frequency();
        return frequency >= 0 && frequency < 0x1p53
                   ? static_cast<std::uint64_t>(frequency) / frequency_unit
                   : 0;
    }
    // Step t is published as generation t + 1, or later by as many as were moved before it.
    bool stamped(const Layer& layer, Step since) const noexcept {
        const Generation stamp = layer.generation();
        const Generation expected = expected_of(layer);
        switch (stamps_) {
            case Stamps::expected:
                return stamp == expected && stamp > since && stamp <= since + 1 + extra_;
            case Stamps::later:
                return stamp >= expected && expected > since && stamp <= since + 1 + extra_;
            case Stamps::anew: return expected > since;
        }
        return false;
    }

    const Generation extra_;
    const Stamps stamps_;
    World::Verdict& verdict_;
};

}  // namespace

// Number k of step s has position s * changes + k and concerns layer "position modulo layers".
World::Expected World::small_layer(std::uint64_t index, Step s) const noexcept {
    const std::uint64_t last = s * small_changes + small_changes - 1;
    if (last < index) {
        return {};
    }
    const std::uint64_t position = last - (last - index) % small_layers;
    const bool erased = position % small_changes != 0 && mixed(position ^ salt_) % 8 == 0;
    if (position < small_changes || erased) {
        return {};
    }
    return {position / small_changes, mixed(position + salt_), 1 + mixed(position) % 800};
}

World::Expected World::large_layer(std::uint64_t index, Step s) const noexcept {
    const std::uint64_t last = s / large_every;  // number of the last change
    if (last < index || last == 0) {
        return {};
    }
    const std::uint64_t number = last - (last - index) % large_layers;
    if (number == 0) {
        return {};
    }
    return {number * large_every, mixed(number ^ (salt_ + 1)),
            4096 + mixed(number ^ salt_) % (48 << 10)};
}

World::Expected World::named_layer(std::uint64_t index, Step s) const noexcept {
    if (s < index || s == 0) {
        return {};
    }
    const Step since = s - (s - index) % named_layers;
    return since == 0 ? Expected{} : Expected{since, mixed(since ^ (salt_ + 2)), since % 300};
}

World::Expected World::spare_layer(unsigned spare, std::uint64_t index, Step s) const noexcept {
    const std::uint64_t phase = spare_phase(spare, s);
    const Step age = phase == 2 || phase == 4 ? 1 : 0;
    if (phase == 0 || s <= age) {
        return {};
    }
    const Step since = s - age;
    return {since, mixed(since * 16 + spare + mixed(salt_ + index)), 100 + index};
}

World::Expected World::swept_layer(std::uint64_t index, Step s) const noexcept {
    const std::uint64_t phase = s % swept_period;
    const Step cleared = s - phase;
    Step since = 0;  // what no step has put
    if (phase == 5) {
        return {};
    }
    if (phase == 6) {
        since = index < swept_few ? s : 0;
    } else if (index >= swept_first) {
        since = phase >= 2 ? cleared + 2 : 0;
    } else if (phase == 4 && index < swept_few) {
        since = s;
    } else {
        since = cleared;
    }
    return since == 0 ? Expected{}
                      : Expected{since, mixed(since ^ (salt_ + 3 + index)),
                                 1 + mixed(since + index) % 500};
}

// What a step puts into the dimension stays, whether it says so before it clears it or afterwards.
void World::prepare_swept(Batch& batch, Step s, Generation expected) const {
    const bool clears_last = mixed(s ^ salt_) % 2 == 0;
    if (swept_is_cleared(s) && !clears_last) {
        batch.clear_dimension(swept_dimension);
    }
    for (std::uint64_t index = 0; index < swept_layers; ++index) {
        const Expected what = swept_layer(index, s);
        if (what.since == s) {
            const Loan loan = batch.loan(swept_id(index), what.bytes,
                                         {.frequency = frequency_of(what.content, expected)});
            fill(loan.bytes(), what.content);
        }
    }
    if (swept_is_cleared(s) && clears_last) {
        batch.clear_dimension(swept_dimension);
    }
}

void World::prepare(Batch& batch, Step s, Generation expected) const {
    const auto put = [&](LayerId id, const Expected& what) {
        const Loan loan =
            batch.loan(id, what.bytes, {.frequency = frequency_of(what.content, expected)});
        fill(loan.bytes(), what.content);
    };
    if (s == 1) {
        for (Dimension dimension = 1; dimension <= swept_dimension; ++dimension) {
            batch.add_dimension(dimension,
                                std::string("number ").append(std::to_string(dimension)));
        }
    }
    for (std::uint64_t position = s * small_changes; position < (s + 1) * small_changes;
         ++position) {
        const Expected what = small_layer(position % small_layers, s);
        if (what.since == 0) {
            batch.erase(small_id(position % small_layers));
        } else {
            put(small_id(position % small_layers), what);
        }
    }
    if (s % large_every == 0) {
        const std::uint64_t index = s / large_every % large_layers;
        put(large_id(index), large_layer(index, s));
    }
    const Expected named = named_layer(s % named_layers, s);
    std::string text(named.bytes, '\0');
    fill(std::as_writable_bytes(std::span(text)), named.content);
    batch.put(
        named_dimension, name_of(s % named_layers), std::as_bytes(std::span(text)),
        {.frequency = frequency_of(named.content, expected), .keywords = {"tortured", "named"}});
    for (unsigned spare = 0; spare < spares; ++spare) {
        if (spare_begins(spare, s) || spare_phase(spare, s) == 0) {
            batch.remove_dimension(first_spare + spare);
        }
        if (spare_begins(spare, s)) {
            for (std::uint64_t index = 0; index < spare_layers; ++index) {
                put(spare_id(spare, index), spare_layer(spare, index, s));
            }
        }
    }
    prepare_swept(batch, s, expected);
    batch.put_value(clock_id, Clock{.salt = salt_, .step = s, .at_least = expected});
}

std::optional<Clock> World::clock_of(const Snapshot& snapshot) {
    if (snapshot.generation() == 1) {
        return std::nullopt;
    }
    return snapshot.get(clock_id).as<Clock>();
}

bool World::fits(const Clock& clock, const Snapshot& snapshot, Stamps stamps) const {
    if (clock.salt != salt_ || clock.step == 0 || clock.at_least < clock.step + 1) {
        return false;
    }
    const Generation generation = snapshot.generation();
    switch (stamps) {
        case Stamps::expected:
            return snapshot.get(clock_id).generation() == clock.at_least &&
                   (generation == clock.at_least || generation == clock.at_least + 1);
        case Stamps::later: return clock.at_least <= generation;
        case Stamps::anew: return true;
    }
    return false;
}

World::Verdict World::check(const Snapshot& snapshot, Stamps stamps) const {
    Verdict verdict;
    const Generation generation = snapshot.generation();
    const std::string label = "generation " + std::to_string(generation) + ": ";
    try {
        const std::optional<Clock> clock = clock_of(snapshot);
        const Step s = clock ? clock->step : 0;
        const Generation extra = clock ? generation - 1 - s : 0;
        Comparison comparison(extra, stamps, verdict);
        if (clock && !fits(*clock, snapshot, stamps)) {
            verdict.text = "the clock says step " + std::to_string(s) + ", at least generation " +
                           std::to_string(clock->at_least);
        }
        const auto compare = [&](LayerId id, const Expected& what) {
            comparison.compare(snapshot.find(id), id, what.since, what.content, what.bytes);
        };
        for (std::uint64_t index = 0; index < small_layers; ++index) {
            compare(small_id(index), small_layer(index, s));
        }
        for (std::uint64_t index = 0; index < large_layers; ++index) {
            compare(large_id(index), large_layer(index, s));
        }
        for (std::uint64_t index = 0; index < named_layers; ++index) {
            const Expected what = named_layer(index, s);
            const std::string name = name_of(index);
            comparison.compare(snapshot.find(named_dimension, name),
                               {named_dimension, layer_number(name)}, what.since, what.content,
                               what.bytes);
        }
        for (std::uint64_t index = 0; index < swept_layers; ++index) {
            compare(swept_id(index), swept_layer(index, s));
        }
        std::uint64_t dimensions = clock ? swept_dimension + 1 : 0;
        for (unsigned spare = 0; spare < spares; ++spare) {
            dimensions += spare_layer(spare, 0, s).since != 0 ? 1 : 0;
            for (std::uint64_t index = 0; index < spare_layers; ++index) {
                compare(spare_id(spare, index), spare_layer(spare, index, s));
            }
        }
        verdict.layers += clock ? 1 : 0;
        comparison.compare_count(snapshot.layer_count(), verdict.layers, "layers");
        comparison.compare_count(snapshot.dimension_count(), dimensions, "dimensions");
        // The directory and a scan know the same.
        std::uint64_t listed = 0;
        for (const DimensionInfo& info : snapshot.dimensions()) {
            std::uint64_t scanned = 0;
            for ([[maybe_unused]] const Layer layer : snapshot.dimension(info.dimension)) {
                ++scanned;
            }
            comparison.compare_count(scanned, info.layers, "layers in a scan");
            listed += scanned;
        }
        comparison.compare_count(listed, verdict.layers, "layers in all scans");
    } catch (const Error& error) {
        verdict.text = error.what();
        verdict.missing = error.code() == Errc::layer_not_found ||
                          error.detail().find("is missing") != std::string::npos;
    }
    if (verdict) {
        verdict.text.insert(0, label);
    }
    return verdict;
}

}  // namespace strata::test

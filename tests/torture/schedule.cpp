// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/schedule.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/crash_points.hpp"

namespace strata::test {

namespace {

bool is_consumers(std::string_view point) noexcept {
    return point.starts_with("pin.") || point.starts_with("view.") || point.starts_with("fork.");
}

bool begins_with_any(std::string_view point, std::initializer_list<std::string_view> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return point.starts_with(prefix); });
}

/// Whether a producer at `place` is likely to come there.
bool leads_to(Place place, std::string_view point) {
    const bool of_brief = begins_with_any(point, {"create.", "remove."});
    const bool of_open = begins_with_any(point, {"open.", "recover."});
    switch (place) {
        case Place::brief: return of_brief || begins_with_any(point, {"commit.", "close."});
        case Place::tight: return !of_brief && !begins_with_any(point, {"history.", "bookmark."});
        case Place::steady: return !of_brief && !point.starts_with("relocate.");
    }
    return of_open;
}

std::string pick(Random& random, const std::vector<std::string_view>& points) {
    return std::string(points[random.below(points.size())]);
}

/// Small numbers often, large ones now and then.
std::uint64_t skewed(Random& random, unsigned bits) {
    return random.below(std::uint64_t{1} << random.below(bits + 1));
}

Microseconds moment(Random& random) {
    // From a quarter of a millisecond to a while: a start takes one or two.
    return Microseconds(250 + skewed(random, 15) * scaled(1U, 10U));
}

Random stream(std::uint64_t seed, std::uint64_t kind, std::uint64_t number) {
    return Random(mixed(seed ^ mixed(kind ^ mixed(number))));
}

}  // namespace

Round round_of(std::uint64_t seed, std::uint64_t number) {
    Random random = stream(seed, 1, number);
    Round round;
    constexpr Place often[] = {Place::steady, Place::steady, Place::steady, Place::tight,
                               Place::tight,  Place::brief,  Place::brief};
    round.place = often[random.below(std::size(often))];
    round.seed = random.below(std::uint64_t{1} << 40);
    round.steps = 10 + skewed(random, 7);
    const std::uint64_t manner = random.below(20);
    if (manner < 10) {
        std::vector<std::string_view> points;
        for (const std::string_view point : crash_points()) {
            if (!is_consumers(point) && leads_to(round.place, point)) {
                points.push_back(point);
            }
        }
        round.death.point = pick(random, points);
        round.death.hit = 1 + skewed(random, 6);
        if (begins_with_any(round.death.point, {"open.", "recover.", "close.", "create."})) {
            round.death.hit = 1;
        } else {
            round.steps = 200;  // until it comes there
        }
    } else if (manner < 15) {
        round.death.after = moment(random);
        round.steps = 100'000;
    } else if (manner < 17) {
        round.steps = 1;  // a producer for a single commit
    }
    if (random.below(10) == 0) {
        round.stop_after = moment(random);
        round.stop_for = Microseconds(random.below(5000));
    }
    switch (random.below(8)) {
        case 0:
        case 1: round.blow = Round::Blow::kill; break;
        case 2: round.blow = Round::Blow::stop; break;
        default: break;
    }
    round.victim = static_cast<unsigned>(random.below(consumer_slots));
    round.blow_after = moment(random);
    round.rounds_stopped = 1 + random.below(8);
    return round;
}

Visit visit_of(std::uint64_t seed, unsigned slot, std::uint64_t number) {
    Random random = stream(seed, 2 + slot, number);
    constexpr Place places_of_slots[] = {Place::steady, Place::steady, Place::tight, Place::tight,
                                         Place::brief};
    const std::uint64_t victims_seed = random.below(std::uint64_t{1} << 40);
    Visit visit;
    if (slot < std::size(places_of_slots)) {
        visit = {
            .place = places_of_slots[slot], .seed = victims_seed, .looks = 20 + skewed(random, 9)};
    } else {
        visit = {.role = "back up",
                 .place = random.below(2) == 0 ? Place::steady : Place::tight,
                 .seed = victims_seed,
                 .looks = 1 + skewed(random, 4)};
    }
    if (random.below(2) == 0) {
        std::vector<std::string_view> points;
        for (const std::string_view point : crash_points()) {
            if (is_consumers(point)) {
                points.push_back(point);
            }
        }
        visit.death = {pick(random, points), 1 + skewed(random, 6), {}};
    }
    return visit;
}

}  // namespace strata::test

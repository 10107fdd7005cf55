// SPDX-License-Identifier: Apache-2.0
// Which dimensions two snapshots do not share, or call by other names.
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::TempStore;

namespace {

/// In one text: "+3 Three" added, "-3 Three" removed, "3 Three>Drei" renamed.
std::string told(const Snapshot& before, const Snapshot& after) {
    std::string text;
    for (const DimensionChange& change : dimension_changes(before, after)) {
        const std::string number = std::to_string(change.dimension) + " ";
        text += text.empty() ? "" : ", ";
        switch (change.kind) {
            case DimensionChange::Kind::added:
                text += "+" + number + change.after;
                CHECK(change.before.empty());
                break;
            case DimensionChange::Kind::removed:
                text += "-" + number + change.before;
                CHECK(change.after.empty());
                break;
            case DimensionChange::Kind::renamed:
                text += number + change.before + ">" + change.after;
                break;
        }
    }
    return text;
}

}  // namespace

TEST_CASE("dimensions that came, went or have another name are told, in order, both ways") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    const Snapshot empty = consumer.snapshot();
    Batch batch = producer.batch();
    batch.put({7, 1}, "unnamed");
    batch.add_dimension(3, "Three");  // without a layer
    batch.add_dimension(5, "Five");
    batch.add_dimension(70'000, "Far");
    batch.crystallize();
    const Snapshot first = consumer.snapshot();
    CHECK(told(empty, first) == "+3 Three, +5 Five, +7 D7, +70000 Far");
    CHECK(told(first, empty) == "-3 Three, -5 Five, -7 D7, -70000 Far");
    CHECK(told(Snapshot(), first) == told(empty, first));
    CHECK(told(first, Snapshot()) == told(first, empty));
    CHECK(told(first, first).empty());
    CHECK(told(Snapshot(), Snapshot()).empty());

    batch.add_dimension(3, "Drei");
    batch.remove_dimension(5);
    batch.put({7, 2}, "more");  // layers alone are no change of the dimension
    batch.add_dimension(8, "Eight");
    batch.crystallize();
    const Snapshot second = consumer.snapshot();
    CHECK(told(first, second) == "3 Three>Drei, -5 Five, +8 Eight");
    CHECK(told(second, first) == "3 Drei>Three, +5 Five, -8 Eight");
    CHECK(changes(first, second).size() == 1);

    // What was gone in between shows as what it ends as.
    batch.add_dimension(5, "Fuenf");
    batch.remove_dimension(8);
    batch.crystallize();
    batch.add_dimension(8, "Eight");
    batch.crystallize();
    CHECK(told(first, consumer.snapshot()) == "3 Three>Drei, 5 Five>Fuenf, +8 Eight");
    CHECK(told(second, consumer.snapshot()) == "+5 Fuenf");
}

TEST_CASE("a dimension that moves to another region file is the same one") {
    const TempStore store;
    Producer producer = store.create();
    producer.add_dimension(1, {.name = "One"});
    Consumer consumer = store.attach();
    const Snapshot before = consumer.snapshot();
    Batch batch = producer.batch();
    batch.remove_dimension(1);
    batch.crystallize();
    producer.add_dimension(1, {.name = "One", .own_region = true});
    const Snapshot after = consumer.snapshot();
    REQUIRE(before.dimensions()[0].region != after.dimensions()[0].region);
    CHECK(told(before, after).empty());
}

TEST_CASE("snapshots of two stores have no dimensions in common to compare") {
    const TempStore a;
    const TempStore b;
    Producer of_a = a.create();
    Producer of_b = b.create();
    const Snapshot one = a.attach().snapshot();
    const Snapshot other = b.attach().snapshot();
    CHECK(code_of([&] { (void)dimension_changes(one, other); }) == "invalid_argument");
}

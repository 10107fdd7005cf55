// SPDX-License-Identifier: Apache-2.0
// What fuzzing starts from is sound, and changing it shows: else the corpus would prove nothing.
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/fuzz/mutated_store.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using strata::test::code_of;

namespace {

VerifyReport verified(const fuzz::MutatedStores& stores, const fuzz::StoreImage& image) {
    return verify(Consumer::attach(image.name, {.base_path = stores.base()}).snapshot());
}

}  // namespace

TEST_CASE("every image is a sound store with all its layers") {
    fuzz::MutatedStores stores(fuzz::load_images(STRATA_FUZZ_IMAGES), fuzz::everything);
    for (std::uint8_t number = 0; number < 3; ++number) {
        const std::vector<std::uint8_t> input = {number};
        const fuzz::StoreImage& image = stores.apply(input);
        CAPTURE(image.name);
        const VerifyReport report = verified(stores, image);
        CHECK(report.ok());
        CHECK(report.layers > 0);
        CHECK(report.layers <= image.ids.size());
        // Right checksums stay right when they are made right.
        const std::vector<std::uint8_t> repaired = {static_cast<std::uint8_t>(number | 48)};
        stores.apply(repaired);
        CHECK(verified(stores, image).ok());
    }
}

TEST_CASE("a changed store is another one, and undoing the change makes it sound again") {
    fuzz::MutatedStores stores(fuzz::load_images(STRATA_FUZZ_IMAGES), fuzz::everything);
    unsigned damaged = 0;
    const fuzz::StoreImage* image = nullptr;
    for (std::uint16_t place = 0; place < 142; ++place) {
        // All bits of a word of the image "lone", which comes second.
        const std::vector<std::uint8_t> input = {1, 9, static_cast<std::uint8_t>(place & 255U),
                                                 static_cast<std::uint8_t>(place >> 8), 2};
        image = &stores.apply(input);
        REQUIRE(image->name == "lone");
        bool sound = false;
        fuzz::typed([&] { sound = verified(stores, *image).ok(); });
        damaged += sound ? 0 : 1;
        stores.undo();
    }
    // Statistics, times and reserved words under no checksum may say what they like.
    CHECK(damaged > 50);
    CHECK(verified(stores, *image).ok());
}

TEST_CASE("a file that is gone or cut off comes back") {
    fuzz::MutatedStores stores(fuzz::load_images(STRATA_FUZZ_IMAGES),
                               static_cast<fuzz::Areas>(fuzz::Area::identity));
    for (const std::vector<std::uint8_t>& input :
         {std::vector<std::uint8_t>{1, 13, 0, 0, 0}, {1, 8, 0, 0, 100, 0, 0, 0}}) {
        const fuzz::StoreImage& image = stores.apply(input);
        CHECK(code_of([&] { verified(stores, image); }) ==
              (input[1] == 13 ? "not_a_store" : "truncated"));
        stores.undo();
        CHECK(verified(stores, image).ok());
    }
}

// SPDX-License-Identifier: Apache-2.0
// What a producer makes of the files that its predecessor left: half grown, with memory that
// belongs to nobody, beside files that are not the store's.
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

void begin(const TempStore& store) {
    Producer producer = store.create();
    publish(producer, {1, 1}, "kept");
}

std::filesystem::path region_file(const TempStore& store) {
    for (const auto& entry : std::filesystem::directory_iterator(store.path())) {
        if (entry.path().filename().string().starts_with("region-")) {
            return entry.path();
        }
    }
    FAIL("the store has no region");
    return {};
}

}  // namespace

TEST_CASE("the last page of a file whose growth was cut short is completed, and is counted") {
    const TempStore store;
    begin(store);
    for (const auto& file : {region_file(store), store.file("control.mmap")}) {
        CAPTURE(file);
        const auto whole = std::filesystem::file_size(file);
        REQUIRE(whole % ipc::page_bytes == 0);
        std::filesystem::resize_file(file, whole + 100);
        Producer producer = store.open();
        CHECK(std::filesystem::file_size(file) == whole + ipc::page_bytes);
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        publish(producer, {1, 2}, payload_of(1, 2, 200'000));
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        CHECK(store.attach().snapshot().get({1, 1}).text() == "kept");
    }
}

TEST_CASE("a file that ends with a whole page is taken over as it is") {
    const TempStore store;
    begin(store);
    const auto region = region_file(store);
    const auto whole = std::filesystem::file_size(region);
    const auto control = std::filesystem::file_size(store.file("control.mmap"));
    const Producer producer = store.open();
    CHECK(std::filesystem::file_size(region) == whole);
    CHECK(std::filesystem::file_size(store.file("control.mmap")) == control);
}

// SPDX-License-Identifier: Apache-2.0
// Where stores are when nobody says so: STRATA_BASE_PATH, read once.
#include <cstdlib>
#include <filesystem>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::publish;
using strata::test::TempBase;

TEST_CASE("the library takes its base path from the environment, like the command") {
    const TempBase base;
    const TempBase other;
    REQUIRE(::setenv("STRATA_BASE_PATH", base.path().c_str(), 1) == 0);
    CHECK(default_base_path() == base.path());
    {
        Producer producer = Producer::create("market", {.region_max_bytes = 64_MiB});
        publish(producer, {1, 1}, "here");
        CHECK(producer.path() == base.path() / "market");
    }
    CHECK(Consumer::attach("market").snapshot().get({1, 1}).text() == "here");
    CHECK(inspect("market").layers == 1);
    CHECK(list_stores() == std::vector<std::string>{"market"});
    // A program that changes its environment does not move its stores.
    REQUIRE(::setenv("STRATA_BASE_PATH", other.path().c_str(), 1) == 0);
    CHECK(default_base_path() == base.path());
    remove_store("market");
}

// SPDX-License-Identifier: Apache-2.0
// Several processes that create, replace and remove one store at the same time.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

constexpr int processes = 4;

std::vector<std::string> entries(const fs::path& base) {
    std::vector<std::string> result;
    for (const fs::directory_entry& entry : fs::directory_iterator(base)) {
        result.push_back(entry.path().filename().string());
    }
    return result;
}

bool is_expected(const Error& error) {
    return error.code() == Errc::store_exists || error.code() == Errc::producer_active ||
           error.code() == Errc::store_not_found || error.code() == Errc::store_replaced;
}

}  // namespace

TEST_CASE("of those who create one name at once one succeeds, the others learn that it exists") {
    const TempStore temp;
    std::vector<Child> creators;
    for (int i = 0; i < processes; ++i) {
        creators.push_back(Child::start([&](const Channel& channel) {
            while (channel.receive_or_end()) {
                try {
                    const Producer producer =
                        Producer::create(temp.name(), temp.producer_options());
                    channel.send(1);
                    channel.receive_or_end();  // holds it until everybody has tried
                } catch (const Error& error) {
                    STRATA_REQUIRE_EQ(to_string(error.code()), "store_exists");
                    channel.send(0);
                    channel.receive_or_end();
                }
                channel.send(2);
            }
        }));
    }
    for (int round = 0; round < scaled(300, 60); ++round) {
        CAPTURE(round);
        for (Child& creator : creators) {
            creator.send(0);
        }
        std::uint64_t succeeded = 0;
        for (Child& creator : creators) {
            succeeded += creator.receive();
        }
        CHECK(succeeded == 1);
        CHECK(entries(temp.base()) == std::vector<std::string>{temp.name()});
        for (Child& creator : creators) {
            creator.send(0);
        }
        for (Child& creator : creators) {
            CHECK(creator.receive() == 2);
        }
        remove_store(temp.name(), temp.base());
        CHECK(entries(temp.base()).empty());
    }
    for (Child& creator : creators) {
        creator.channel().hang_up();
        CHECK(creator.join() == "");
    }
}

TEST_CASE("creating, replacing and removing at once ends with typed errors and nothing left over") {
    const TempStore temp;
    std::vector<Child> crowd;
    for (int i = 0; i < processes; ++i) {
        crowd.push_back(Child::start([&, i](const Channel& channel) {
            ProducerOptions options = temp.producer_options();
            options.replace = i % 2 == 0;
            std::uint64_t succeeded = 0;
            while (!channel.ready()) {
                try {
                    Producer producer = Producer::create(temp.name(), options);
                    Batch batch = producer.batch();
                    batch.put({1, 1}, "whole");
                    batch.crystallize();
                    const Consumer consumer = temp.attach();
                    ++succeeded;
                } catch (const Error& error) {
                    if (!is_expected(error)) {
                        throw;
                    }
                }
                try {
                    remove_store(temp.name(), temp.base());
                } catch (const Error& error) {
                    if (!is_expected(error)) {
                        throw;
                    }
                }
            }
            if (channel.receive_or_end()) {
                channel.send(succeeded);
            }
        }));
    }
    const std::uint64_t enough = scaled(500, 100);
    std::uint64_t seen = 0;
    while (seen < enough) {  // whole stores, again and again, for one who only looks
        try {
            const Snapshot snapshot = temp.attach().snapshot();
            ++seen;
        } catch (const Error& error) {
            CHECK(error.code() == Errc::store_not_found);
        }
    }
    std::uint64_t succeeded = 0;
    for (Child& child : crowd) {
        if (!child.channel().ready()) {  // else it has ended: join() says why
            child.send(0);
            succeeded += child.receive();
        }
        CHECK(child.join() == "");
    }
    CHECK(succeeded > 0);
    try {
        remove_store(temp.name(), temp.base());
    } catch (const Error& error) {
        CHECK(error.code() == Errc::store_not_found);
    }
    CHECK(entries(temp.base()).empty());
}

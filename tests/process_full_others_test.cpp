// SPDX-License-Identifier: Apache-2.0
// Other programs fill the file system to the last page: a store can still shrink, by what its files
// keep back. A small tmpfs; needs root.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/small_tmpfs.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

using Regions = TempStore::Regions;

ProducerOptions options_of(const TempStore& temp, Regions regions) {
    ProducerOptions options = temp.producer_options();
    options.own_regions = regions == Regions::own;
    return options;
}

void put(Producer& producer, const std::vector<LayerId>& ids, std::size_t bytes) {
    Batch batch = producer.batch();
    for (const LayerId& id : ids) {
        batch.put(id, payload_of(id.layer, 1, bytes));
    }
    batch.crystallize();
}

void check_memory(const TempStore& temp, const Producer& producer) {
    STRATA_REQUIRE_EQ(temp.allocated_bytes(), producer.stats().committed_bytes);
}

}  // namespace

TEST_CASE("others fill the file system: layers are erased one by one, in nodes of every size") {
    for (const Regions regions : {Regions::shared, Regions::own}) {
        on_tmpfs("size=4m", [regions](const TempStore& temp) {
            std::mt19937_64 random(7);
            // A node's size comes from its number of children; each count is on the way down.
            for (std::uint64_t children = 1; children <= 70; children += 3) {
                Producer producer = Producer::create(temp.name(), options_of(temp, regions));
                std::vector<LayerId> ids;
                for (std::uint64_t i = 0; i < children; ++i) {
                    ids.push_back({1, i << 6});
                    ids.push_back({1, (i << 6) + 1});
                    ids.push_back({2, (i % 8) << (6 * (i / 8))});
                }
                put(producer, ids, 40);
                producer.trim();
                Ballast ballast(temp.base());
                ballast.leave(0);
                std::ranges::sort(ids);
                ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
                std::ranges::shuffle(ids, random);
                for (std::uint64_t left = ids.size(); left-- > 0;) {
                    Batch batch = producer.batch();
                    batch.erase(ids[left]);
                    batch.crystallize();
                    STRATA_REQUIRE_EQ(producer.stats().layers, left);
                }
                check_memory(temp, producer);
                { const Producer gone = std::move(producer); }
                remove_store(temp.name(), temp.base());
            }
        });
    }
}

TEST_CASE("others fill the file system: dimensions are cleared and removed, a snapshot is held") {
    for (const Regions regions : {Regions::shared, Regions::own}) {
        on_tmpfs("size=8m", [regions](const TempStore& temp) {
            // 32 records fill a page of them.
            for (Dimension dimensions = 29; dimensions <= 34; ++dimensions) {
                Producer producer = Producer::create(temp.name(), options_of(temp, regions));
                std::vector<LayerId> ids;
                for (std::uint64_t i = 0; i < std::uint64_t{20} * dimensions; ++i) {
                    ids.push_back({static_cast<Dimension>(i % dimensions), i << 20});
                }
                put(producer, ids, 300);
                Consumer consumer = temp.attach();
                const Snapshot held = consumer.snapshot();
                producer.trim();
                Ballast ballast(temp.base());
                ballast.leave(0);
                for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
                    Batch batch = producer.batch();
                    if (dimension % 2 == 0) {
                        batch.clear_dimension(dimension);
                    } else {
                        batch.remove_dimension(dimension);
                    }
                    batch.crystallize();
                }
                STRATA_REQUIRE_EQ(producer.stats().layers, 0U);
                STRATA_REQUIRE_EQ(held.layer_count(), ids.size());
                for (const LayerId& id : ids) {
                    STRATA_REQUIRE(held.get(id).text() == payload_of(id.layer, 1, 300));
                }
                check_memory(temp, producer);
                { const Producer gone = std::move(producer); }
                remove_store(temp.name(), temp.base());
            }
        });
    }
}

TEST_CASE("others fill the file system: the next producers find what is kept back as well") {
    for (const Regions regions : {Regions::shared, Regions::own}) {
        on_tmpfs("size=4m", [regions](const TempStore& temp) {
            const ProducerOptions options = options_of(temp, regions);
            std::vector<LayerId> ids;
            for (std::uint64_t i = 0; i < 300; ++i) {
                ids.push_back({static_cast<Dimension>(i % 2), i << 12});
            }
            std::optional<Producer> producer(Producer::create(temp.name(), options));
            put(*producer, ids, 500);
            producer->trim();
            Ballast ballast(temp.base());
            ballast.leave(0);
            for (std::uint64_t left = ids.size(); left-- > 0;) {
                if (left % 16 == 0) {
                    producer.reset();
                    producer.emplace(Producer::open(temp.name(), options));
                    check_memory(temp, *producer);
                    ballast.leave(0);
                }
                Batch batch = producer->batch();
                batch.erase(ids[left]);
                batch.crystallize();
            }
            STRATA_REQUIRE_EQ(temp.attach().snapshot().layer_count(), 0U);
            check_memory(temp, *producer);
        });
    }
}

TEST_CASE("what is kept back is for erasing alone, and is kept back again before anything is put") {
    on_tmpfs("size=4m", [](const TempStore& temp) {
        Producer producer = temp.create();
        std::vector<LayerId> ids;
        for (std::uint64_t i = 0; i < 1024; ++i) {  // full nodes: erasing needs one of another size
            ids.push_back({1, i});
        }
        put(producer, ids, 40);
        Ballast ballast(temp.base());
        std::uint64_t next = 1 << 20;
        for (int round = 0; round < 10; ++round) {
            producer.trim();
            ballast.leave(0);
            // Puts and new dimensions, until there is no room for one more of either.
            for (const bool layer : {true, false}) {
                std::string code = "no error";
                for (int count = 0; code == "no error"; ++count) {
                    STRATA_REQUIRE(count < 10'000);
                    Batch batch = producer.batch();
                    code = code_of([&] {
                        layer ? batch.put({1, next}, payload_of(next, 1, 40))
                              : batch.add_dimension(static_cast<Dimension>(next));
                        batch.crystallize();
                    });
                    next += code == "no error" ? 1 : 0;
                }
                STRATA_REQUIRE_EQ(code, "no_space");
            }
            const std::uint64_t layers = producer.stats().layers;
            for (std::uint64_t i = 0; i < 50; ++i) {
                Batch batch = producer.batch();
                batch.erase({1, static_cast<std::uint64_t>(round) * 100 + i});
                batch.crystallize();
            }
            STRATA_REQUIRE_EQ(producer.stats().layers, layers - 50);
            check_memory(temp, producer);
        }
        ballast.leave_all();
        publish(producer, {1, next}, "x");
    });
}

TEST_CASE("what a reader holds does not come back: erasing goes on when it has released it") {
    on_tmpfs("size=4m", [](const TempStore& temp) {
        Producer producer = temp.create();
        std::vector<LayerId> ids;
        for (std::uint64_t i = 0; i < 8192; ++i) {  // 128 nodes of 512 bytes
            ids.push_back({1, i});
        }
        put(producer, ids, 1);
        Consumer consumer = temp.attach();
        Snapshot held = consumer.snapshot();
        producer.trim();
        Ballast ballast(temp.base());
        ballast.leave(0);
        Batch batch = producer.batch();
        std::uint64_t erased = 0;
        std::optional<Error> error;
        for (; !error && erased < 128; ++erased) {  // in each node one
            batch.erase({1, erased * 64});
            error = error_of([&] { batch.crystallize(); });
        }
        STRATA_REQUIRE(error.has_value());
        --erased;
        STRATA_REQUIRE(erased > 60);
        STRATA_REQUIRE_EQ(to_string(error->code()), "no_space");
        STRATA_REQUIRE_EQ(error->errno_value(), ENOSPC);
        STRATA_REQUIRE(!error->hint().empty());
        STRATA_REQUIRE_EQ(batch.size(), 1U);
        STRATA_REQUIRE_EQ(held.layer_count(), ids.size());
        STRATA_REQUIRE_EQ(consumer.snapshot().layer_count(), ids.size() - erased);
        check_memory(temp, producer);
        held = Snapshot();
        batch.crystallize();
        for (const LayerId& id : ids) {
            if (id.layer % 64 != 0 || id.layer / 64 > erased) {
                batch.erase(id);
                batch.crystallize();
            }
        }
        STRATA_REQUIRE_EQ(temp.attach().snapshot().layer_count(), 0U);
        check_memory(temp, producer);
    });
}

// SPDX-License-Identifier: Apache-2.0
// A real file system that is full: a small tmpfs of the test's own. Needs root.
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/small_tmpfs.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("creating a store on a full file system fails with no_space and leaves nothing") {
    on_tmpfs("size=1m", [](const TempStore& temp) {
        Ballast ballast(temp.base());
        int refused = 0;
        int created = 0;
        for (std::uint64_t free_pages = 0; free_pages < 40; ++free_pages) {
            ballast.leave(free_pages);
            const auto error = error_of([&] { (void)temp.create(); });
            if (error) {
                ++refused;
                STRATA_REQUIRE_EQ(to_string(error->code()), "no_space");
                STRATA_REQUIRE_EQ(error->errno_value(), ENOSPC);
                STRATA_REQUIRE(!error->path().empty());
                STRATA_REQUIRE_EQ(entries(temp.base()), 1U);  // the ballast
                STRATA_REQUIRE_EQ(code_of([&] { (void)temp.attach(); }), "store_not_found");
            } else {
                ++created;
                remove_store(temp.name(), temp.base());
            }
        }
        STRATA_REQUIRE(refused > 10);
        STRATA_REQUIRE(created > 10);
    });
}

TEST_CASE("a file system without free inodes: no_space, and nothing half-made is left") {
    // The root directory and the ballast take two; a store of one dimension takes five.
    for (int inodes = 2; inodes < 7; ++inodes) {
        on_tmpfs("size=4m,nr_inodes=" + std::to_string(inodes), [&](const TempStore& temp) {
            const auto error = error_of([&] {
                Producer producer = temp.create();
                STRATA_REQUIRE_EQ(code_of([&] {
                                      publish(producer, {1, 1}, "x");
                                  }),
                                  inodes < 6 ? "no_space" : "no error");
                STRATA_REQUIRE_EQ(producer.generation(), inodes < 6 ? 1U : 2U);
                STRATA_REQUIRE_EQ(temp.attach().snapshot().layer_count(), inodes < 6 ? 0U : 1U);
            });
            if (error) {
                STRATA_REQUIRE_EQ(to_string(error->code()), "no_space");
                STRATA_REQUIRE_EQ(entries(temp.base()), 0U);
            }
            STRATA_REQUIRE_EQ(error.has_value(), inodes < 5);
        });
    }
}

TEST_CASE("a store that fills its file system fails with no_space, loses nothing, and goes on") {
    on_tmpfs("size=1m", [](const TempStore& temp) {
        Ballast ballast(temp.base());
        for (const std::uint64_t free_pages : {40U, 41U, 47U, 64U, 100U, 150U}) {
            ballast.leave(free_pages);
            Producer producer = temp.create();
            Consumer consumer = temp.attach();
            Batch batch = producer.batch();
            // Each layer in a dimension of its own or in one of two large ones: files are added,
            // and files grow.
            std::uint64_t layer = 0;
            std::optional<Error> error;
            const auto id_of = [](std::uint64_t number) {
                return number % 8 == 0 ? LayerId{static_cast<Dimension>(100 + number / 32), number}
                                       : LayerId{static_cast<Dimension>(number % 2), number};
            };
            for (; !error; ++layer) {
                STRATA_REQUIRE(layer < 10'000);
                error = error_of([&] {
                    batch.put(id_of(layer), text_of(layer, 1));
                    batch.crystallize();
                });
            }
            --layer;
            STRATA_REQUIRE_EQ(to_string(error->code()), "no_space");
            STRATA_REQUIRE_EQ(producer.generation(), layer + 1);
            const auto check = [&](std::uint64_t count) {
                const Snapshot snapshot = consumer.snapshot();
                STRATA_REQUIRE_EQ(snapshot.layer_count(), count);
                for (std::uint64_t i = 0; i < count; ++i) {
                    const Layer found = snapshot.get(id_of(i));
                    STRATA_REQUIRE(found.text() == text_of(i, 1));
                    STRATA_REQUIRE(found.verify());
                }
            };
            check(layer);
            // Nothing is in the files that the producer does not count.
            STRATA_REQUIRE_EQ(temp.allocated_bytes(), producer.stats().committed_bytes);

            // Erasing needs a little memory before it gives some back.
            batch.clear();
            batch.erase(id_of(1));
            batch.crystallize();
            (void)code_of([&] {
                batch.put(id_of(1), text_of(1, 1));
                batch.crystallize();
            });
            const Generation now = producer.generation();

            ballast.leave_all();
            if (!consumer.snapshot().find(id_of(1))) {
                batch.clear();
                batch.put(id_of(1), text_of(1, 1));
                batch.crystallize();
            }
            batch.clear();
            for (std::uint64_t i = 0; i < 20; ++i) {
                batch.put(id_of(layer + i), text_of(layer + i, 1));
            }
            STRATA_REQUIRE(batch.crystallize() > now);
            check(layer + 20);

            // The files can be taken over as they are.
            {
                const Producer gone = std::move(producer);
                const Batch first_gone = std::move(batch);
            }
            Producer next = temp.open();
            check(layer + 20);
            STRATA_REQUIRE_EQ(temp.allocated_bytes(), next.stats().committed_bytes);
            { const Producer gone = std::move(next); }
            remove_store(temp.name(), temp.base());
            STRATA_REQUIRE_EQ(entries(temp.base()), 1U);
        }
    });
}

TEST_CASE("the batch that found no space succeeds unchanged when there is some") {
    on_tmpfs("size=1m", [](const TempStore& temp) {
        Ballast ballast(temp.base());
        ballast.leave(60);
        Producer producer = temp.create();
        publish(producer, {1, 1}, "first");
        Batch batch = producer.batch();
        std::uint64_t layer = 0;
        while (code_of([&] { batch.put({1, 100 + layer}, text_of(layer, 1)); }) == "no error") {
            ++layer;
        }
        STRATA_REQUIRE(layer > 10);
        STRATA_REQUIRE_EQ(batch.size(), layer);
        STRATA_REQUIRE_EQ(producer.generation(), 2U);
        ballast.leave_all();
        for (const std::uint64_t last = layer + 10; layer < last; ++layer) {
            batch.put({1, 100 + layer}, text_of(layer, 1));
        }
        STRATA_REQUIRE_EQ(batch.crystallize(), 3U);
        const Snapshot snapshot = temp.attach().snapshot();
        STRATA_REQUIRE_EQ(snapshot.layer_count(), layer + 1);
        for (std::uint64_t i = 0; i < layer; ++i) {
            STRATA_REQUIRE(snapshot.get({1, 100 + i}).text() == text_of(i, 1));
        }
    });
}

TEST_CASE("memory given back by trim is asked for again, and its absence is an error") {
    on_tmpfs("size=1m", [](const TempStore& temp) {
        Producer producer = temp.create();
        Batch batch = producer.batch();
        for (std::uint64_t layer = 0; layer < 100; ++layer) {
            batch.put({1, layer}, text_of(layer, 1));
        }
        batch.crystallize();
        for (std::uint64_t layer = 0; layer < 100; ++layer) {
            batch.erase({1, layer});
        }
        batch.crystallize();
        STRATA_REQUIRE(producer.trim() > 0);
        Ballast ballast(temp.base());
        ballast.leave(2);
        std::uint64_t layer = 0;
        std::string code = "no error";
        for (; layer < 100 && code == "no error"; ++layer) {
            code = code_of([&] { publish(producer, {1, layer}, text_of(layer, 2)); });
        }
        STRATA_REQUIRE_EQ(code, "no_space");
        ballast.leave_all();
        for (--layer; layer < 100; ++layer) {
            publish(producer, {1, layer}, text_of(layer, 2));
        }
        const Snapshot snapshot = temp.attach().snapshot();
        for (std::uint64_t i = 0; i < 100; ++i) {
            STRATA_REQUIRE(snapshot.get({1, i}).text() == text_of(i, 2));
        }
    });
}

// SPDX-License-Identifier: Apache-2.0
// What a store on a full file system can still do: erase, and shrink. A small tmpfs; needs root.
#include <algorithm>
#include <fcntl.h>
#include <map>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "ipc/os.hpp"
#include "producer/memory/space_reserve.hpp"
#include "tests/support/process.hpp"
#include "tests/support/small_tmpfs.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE(
    "what a file system keeps for erasing: a sixteenth of it or of the limit, or half of that") {
    using producer_impl::leaves_reserve;
    using producer_impl::Reserve;
    on_tmpfs("size=1m", [](const TempStore& temp) {
        Ballast ballast(temp.base());
        const ipc::FileDescriptor file(
            ::open((temp.base() / "file").c_str(), O_RDWR | O_CREAT, 0600));
        STRATA_REQUIRE(file.get() >= 0);
        const auto allowed = [&](Reserve reserve, std::uint64_t limit) {
            std::uint64_t pages = 0;
            while (leaves_reserve(file, (pages + 1) * page, reserve, limit)) {
                ++pages;
            }
            return pages;
        };
        for (const std::uint64_t free_pages : {0U, 3U, 4U, 5U, 8U, 9U, 16U, 17U, 100U}) {
            ballast.leave(free_pages);
            const auto beyond = [&](std::uint64_t kept) {
                return free_pages - std::min(free_pages, kept);
            };
            STRATA_REQUIRE_EQ(allowed(Reserve::keep, 280_MiB), beyond(16));
            STRATA_REQUIRE_EQ(allowed(Reserve::keep_half, 280_MiB), beyond(8));
            STRATA_REQUIRE_EQ(allowed(Reserve::keep, 64 * page), beyond(4));
            STRATA_REQUIRE_EQ(allowed(Reserve::keep_half, 64 * page), beyond(2));
            STRATA_REQUIRE(leaves_reserve(file, 1024_MiB, Reserve::use, 280_MiB));
        }
        STRATA_REQUIRE(leaves_reserve({}, 1024_MiB, Reserve::keep, 280_MiB));  // the system decides
    });
    on_tmpfs("size=0", [](const TempStore& temp) {  // of any size
        const ipc::FileDescriptor file(
            ::open((temp.base() / "file").c_str(), O_RDWR | O_CREAT, 0600));
        STRATA_REQUIRE(leaves_reserve(file, 1024_MiB, Reserve::keep, 280_MiB));
    });
}

TEST_CASE("a store that has filled its file system can shrink, also while a snapshot is held") {
    on_tmpfs("size=2m", [](const TempStore& temp) {
        std::mt19937_64 random(5);
        for (int life = 0; life < 6; ++life) {
            Producer producer = temp.create();
            Consumer consumer = temp.attach();
            std::map<LayerId, std::string> model;
            Batch batch = producer.batch();
            const auto fill = [&] {
                // Down to the smallest, so that no block of any size is left over. Far apart:
                // layers have index nodes of their own.
                for (const std::size_t bytes : {3000U, 700U, 200U, 40U, 1U}) {
                    std::string code;
                    for (;;) {
                        const LayerId id{static_cast<Dimension>(random() % 3), random()};
                        const std::string text = payload_of(id.layer, 1, bytes);
                        code = code_of([&] {
                            batch.put(id, text);
                            batch.crystallize();
                        });
                        if (code != "no error") {
                            break;
                        }
                        model[id] = text;
                    }
                    STRATA_REQUIRE_EQ(code, "no_space");
                    batch.clear();
                }
            };
            const auto erase = [&](std::size_t layers) {  // each by a commit of its own
                for (; layers > 0; --layers) {
                    auto victim =
                        model.lower_bound({static_cast<Dimension>(random() % 3), random()});
                    victim = victim == model.end() ? model.begin() : victim;
                    batch.erase(victim->first);
                    batch.crystallize();
                    model.erase(victim);
                }
            };
            const auto check = [&](const Snapshot& snapshot,
                                   const std::map<LayerId, std::string>& expected) {
                STRATA_REQUIRE_EQ(snapshot.layer_count(), expected.size());
                for (const auto& [id, text] : expected) {
                    STRATA_REQUIRE(snapshot.get(id).text() == text);
                }
            };
            fill();
            {
                const Snapshot held = consumer.snapshot();
                const std::map<LayerId, std::string> before = model;
                erase(3);  // nothing that comes free by it may be used again
                check(held, before);
            }
            for (int round = 0; round < 4; ++round) {
                check(consumer.snapshot(), model);
                erase(model.size() / 10);
                fill();
            }
            erase(model.size());
            STRATA_REQUIRE_EQ(consumer.snapshot().layer_count(), 0U);
            STRATA_REQUIRE_EQ(temp.allocated_bytes(), producer.stats().committed_bytes);
            {
                const Producer gone = std::move(producer);
                const Batch first_gone = std::move(batch);
            }
            remove_store(temp.name(), temp.base());
        }
    });
}

TEST_CASE("others fill the file system: a store erases with what its files have") {
    on_tmpfs("size=4m", [](const TempStore& temp) {
        for (const bool held : {false, true}) {
            Producer producer = temp.create();
            Consumer consumer = temp.attach();
            Batch batch = producer.batch();
            constexpr std::uint64_t layers = 400;
            const auto id_of = [](std::uint64_t layer) {  // far apart: nodes of their own
                return LayerId{static_cast<Dimension>(layer % 3), layer << 30};
            };
            for (std::uint64_t layer = 0; layer < layers; ++layer) {
                batch.put(id_of(layer), text_of(layer, 1));
            }
            batch.crystallize();
            const Snapshot before = held ? consumer.snapshot() : Snapshot();
            Ballast ballast(temp.base());
            ballast.leave(0);
            for (std::uint64_t layer = 0; layer < layers; ++layer) {
                batch.erase(id_of(layer));
                batch.crystallize();
                STRATA_REQUIRE_EQ(consumer.snapshot().layer_count(), layers - layer - 1);
            }
            for (std::uint64_t layer = 0; held && layer < layers; ++layer) {
                STRATA_REQUIRE(before.get(id_of(layer)).text() == text_of(layer, 1));
            }
            STRATA_REQUIRE_EQ(temp.allocated_bytes(), producer.stats().committed_bytes);
            {
                const Producer gone = std::move(producer);
                const Batch first_gone = std::move(batch);
            }
            remove_store(temp.name(), temp.base());
        }
    });
}

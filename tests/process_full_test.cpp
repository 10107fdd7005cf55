// SPDX-License-Identifier: Apache-2.0
// A real file system that is full: a small tmpfs of the test's own. Needs root.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "ipc/os.hpp"
#include "producer/memory/space_reserve.hpp"
#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t page = 4096;

bool own_mounts() {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

bool may_mount() {
    Child child = Child::start([](const Channel&) { STRATA_REQUIRE(own_mounts()); });
    return child.join().empty();
}

/// A tmpfs over `path`, for this process alone.
void mount_tmpfs(const std::filesystem::path& path, const std::string& options) {
    if (!own_mounts() || ::mount("none", path.c_str(), "tmpfs", 0, options.c_str()) != 0) {
        fail_errno("mount a tmpfs");
    }
}

/// A file that takes all of the space but some.
class Ballast {
public:
    explicit Ballast(const std::filesystem::path& directory)
        : path_(directory / "ballast"), fd_(::open(path_.c_str(), O_RDWR | O_CREAT, 0600)) {
        STRATA_REQUIRE(fd_ >= 0);
    }
    Ballast(const Ballast&) = delete;
    Ballast& operator=(const Ballast&) = delete;
    ~Ballast() {
        ::close(fd_);
        ::unlink(path_.c_str());
    }

    void leave(std::uint64_t free_pages) {
        while (::posix_fallocate(fd_, static_cast<off_t>(bytes_), page) == 0) {
            bytes_ += page;
        }
        STRATA_REQUIRE(bytes_ >= free_pages * page);
        bytes_ -= free_pages * page;
        STRATA_REQUIRE_EQ(::ftruncate(fd_, static_cast<off_t>(bytes_)), 0);
    }
    void leave_all() {
        bytes_ = 0;
        STRATA_REQUIRE_EQ(::ftruncate(fd_, 0), 0);
    }

private:
    std::filesystem::path path_;
    int fd_;
    std::uint64_t bytes_ = 0;
};

std::size_t entries(const std::filesystem::path& directory) {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
}

std::string text_of(std::uint64_t layer, std::uint64_t version) {
    return payload_of(layer, version, 100 + (layer * 37 + version * 11) % 3000);
}

/// Runs `body` in a process that has a tmpfs of its own over the store's base directory.
template <class Body>
void on_tmpfs(const std::string& options, Body body) {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!may_mount(), "no mount namespaces to be had");
    const TempStore temp;
    Child child = Child::start([&](const Channel&) {
        mount_tmpfs(temp.base(), options);
        body(temp);
    });
    CHECK(child.join() == "");
}

}  // namespace

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

// What a store leaves free for its last commits is the file system's, and so anybody's.
TEST_CASE("others take what a full store has left for erasing: no_space, until they give it back") {
    on_tmpfs("size=2m", [](const TempStore& temp) {
        Producer producer = temp.create();
        Batch batch = producer.batch();
        std::uint64_t layers = 0;
        for (const std::size_t bytes : {3000U, 700U, 200U, 40U, 1U}) {
            while (code_of([&] {
                       batch.put({1, layers << 30}, payload_of(layers, 1, bytes));
                       batch.crystallize();
                   }) == "no error") {
                ++layers;
            }
            batch.clear();
        }
        Consumer consumer = temp.attach();
        Snapshot held = consumer.snapshot();  // so nothing that comes free may be used again
        producer.trim();
        Ballast ballast(temp.base());
        ballast.leave(0);
        std::uint64_t erased = 0;
        std::optional<Error> error;
        for (; !error && erased < layers; ++erased) {
            batch.erase({1, erased << 30});
            error = error_of([&] { batch.crystallize(); });
        }
        STRATA_REQUIRE(error.has_value());
        --erased;
        STRATA_REQUIRE_EQ(to_string(error->code()), "no_space");
        STRATA_REQUIRE_EQ(error->errno_value(), ENOSPC);
        STRATA_REQUIRE(!error->hint().empty());
        STRATA_REQUIRE_EQ(batch.size(), 1U);
        STRATA_REQUIRE_EQ(held.layer_count(), layers);
        STRATA_REQUIRE_EQ(consumer.snapshot().layer_count(), layers - erased);
        STRATA_REQUIRE_EQ(temp.allocated_bytes(), producer.stats().committed_bytes);
        // A few pages are enough for all that follows.
        held = Snapshot();
        ballast.leave(16);
        batch.crystallize();
        for (++erased; erased < layers; ++erased) {
            batch.erase({1, erased << 30});
            batch.crystallize();
        }
        STRATA_REQUIRE_EQ(temp.attach().snapshot().layer_count(), 0U);
    });
}

// SPDX-License-Identifier: Apache-2.0
// What a store is after a power failure: docs/testing.md. Plays lives of producers on a disk that
// records, then cuts the power at moments within commits and checkpoints and opens what is left.
#include <algorithm>
#include <cstdint>
#include <dlfcn.h>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"
#include "tests/powercut/contents.hpp"
#include "tests/powercut/disk.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::powercut;
namespace fs = std::filesystem;

namespace {

Disk* recording = nullptr;

std::uint64_t inode_of(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/// What was published, and what was promised, at which moment.
struct Life {
    std::map<Generation, Contents> generations;
    struct Promise {
        Disk::Moment since;
        Generation durable;
    };
    std::vector<Promise> promises;
    std::vector<std::pair<Disk::Moment, Generation>> attempts;  // may be seen from then on
};

ProducerOptions options_in(const fs::path& base) {
    return {.base_path = base,
            .memory_limit = 4_MiB,
            .region_max_bytes = 16_MiB,
            .durability = {.policy = DurabilityPolicy::off}};
}

/// The next generation, whoever sees it meanwhile.
void publish_change(Producer& producer, Contents& contents, Life& life, Random& random) {
    Batch batch = producer.batch();
    change(&batch, contents, random);
    life.attempts.emplace_back(recording->look(), producer.generation() + 1);
    const Generation published = batch.crystallize();
    life.generations[published] = contents;
}

/// Several producers, one after the other; the last generation of each is not made durable.
Life play(const fs::path& base, Disk& disk, Random& random, int steps) {
    Life life;
    Contents contents;
    recording = &disk;
    Producer producer = Producer::create("store", options_in(base));
    life.generations[producer.generation()] = contents;
    life.attempts.emplace_back(disk.look(), producer.generation());
    for (int step = 0; step < steps; ++step) {
        publish_change(producer, contents, life, random);
        switch (random() % 6) {
            case 0:
            case 1: {
                const Generation durable = producer.checkpoint();
                life.promises.push_back({disk.look(), durable});
                break;
            }
            case 2:
            case 3: producer.reclaim(); break;
            case 4: producer.trim(); break;
            default: break;
        }
        if (step % 9 == 8) {
            { const Producer ended = std::move(producer); }
            producer = Producer::open("store", options_in(base));
        }
    }
    disk.look();
    recording = nullptr;
    return life;
}

/// Another run of the machine: the slots are of the one before.
void change_boot(const fs::path& store) {
    if (!fs::exists(store / "durable.slots")) return;
    test::FileEditor file(store / "durable.slots");
    for (std::uint64_t place = 0; place < ipc::slot_count; ++place) {
        const std::uint64_t at = place * ipc::page_bytes;
        if (file.size() < at + sizeof(ipc::DurableSlot)) continue;
        const auto slot = file.read<ipc::DurableSlot>(at);
        if (slot.checksum == ipc::record_checksum(slot)) {
            file.forge<ipc::DurableSlot>(at, [](ipc::DurableSlot& s) { s.boot_id[0] ^= 1; });
        }
    }
}

/// Opens what a cut has left, and compares.
void check(const fs::path& base, const Life& life, Disk::Moment cut) {
    Generation durable = 0;
    for (const Life::Promise& promise : life.promises) {
        if (promise.since <= cut) durable = promise.durable;
    }
    Generation newest = 0;
    for (const auto& [since, generation] : life.attempts) {
        if (since <= cut) newest = generation;
    }
    change_boot(base / "store");
    {
        Producer producer = Producer::open("store", options_in(base));
        const Generation found = producer.generation();
        require(found >= durable && found <= newest,
                "generation " + std::to_string(found) + ", durable was " + std::to_string(durable) +
                    ", newest " + std::to_string(newest));
        require(producer.durable_generation() == found, "what was opened is not durable");
        Consumer consumer = Consumer::attach("store", {.base_path = base});
        const Snapshot snapshot = consumer.snapshot();
        const VerifyReport report = verify(snapshot);
        require(report.ok(), report.failures.empty() ? "damaged" : report.failures[0].what);
        const auto expected = life.generations.find(found);
        require(expected != life.generations.end() && contents_of(snapshot) == expected->second,
                "generation " + std::to_string(found) + " has other contents");
        const Generation next = test::publish(producer, {1, 3}, "works on");
        require(next > newest, "generation " + std::to_string(next) + " was given before");
        require(producer.checkpoint() == next, "no checkpoint");
        require(contents_of(snapshot) == expected->second, "a snapshot changed");
    }
    change_boot(base / "store");
    Producer producer = Producer::open("store", options_in(base));
    Consumer consumer = Consumer::attach("store", {.base_path = base});
    require(verify(consumer.snapshot()).ok(), "damaged after a second cut");
    require(consumer.snapshot().find({1, 3}).size() == 8, "the second life is lost");
}

constexpr std::uint64_t default_states = test::scaled(800, 25);

}  // namespace

namespace strata::ipc {
void crash_point(const char*) noexcept;
void crash_point(const char*) noexcept {
    if (recording != nullptr) recording->look();
}
}  // namespace strata::ipc

// In the place of the C library's: what is flushed is durable on the recording disk.
namespace {

int flush(const char* name, int fd) {
    const auto real = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name));
    Disk* const disk = recording;
    if (disk == nullptr) return real(fd);
    const std::uint64_t inode = inode_of(fd);
    const Disk::Moment begun = disk->flush_begins(inode);
    const int result = real(fd);
    disk->flush_ended(inode, begun);
    return result;
}

}  // namespace

extern "C" int fsync(int fd) { return flush("fsync", fd); }
extern "C" int fdatasync(int fd) { return flush("fdatasync", fd); }

TEST_CASE("whatever a power failure leaves opens at a durable generation or a later one, whole") {
    const std::uint64_t states = number_from("STRATA_POWERCUT_STATES", default_states);
    const std::uint64_t seed = number_from("STRATA_POWERCUT_SEED", std::random_device{}());
    constexpr std::uint64_t states_per_life = 250;
    std::uint64_t failures = 0;
    std::uint64_t done = 0;
    std::uint64_t moments = 0;
    for (std::uint64_t life_number = 0; done < states && failures < 10; ++life_number) {
        Random random(seed + life_number);
        const test::TempBase played;
        Disk disk(played.path() / "store");
        const Life life = play(played.path(), disk, random, 40);
        moments += disk.now();
        if (life.promises.empty()) continue;
        const Disk::Moment first = life.promises.front().since;
        for (std::uint64_t i = 0; i < states_per_life && done < states; ++i, ++done) {
            const Disk::Moment cut = first + random() % (disk.now() - first + 1);
            const test::TempBase base;
            try {
                disk.build(cut, base.path() / "store", random);
                check(base.path(), life, cut);
            } catch (const std::exception& error) {
                ++failures;
                MESSAGE("STRATA_POWERCUT_SEED=", seed + life_number, ", state ", i, ", cut at ",
                        cut, ": ", error.what());
            }
        }
    }
    MESSAGE(done, " states of ", moments, " moments, seed ", seed);
    CHECK(done >= std::min<std::uint64_t>(states, 1));
    CHECK(failures == 0);
}

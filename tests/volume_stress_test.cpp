// SPDX-License-Identifier: Apache-2.0
// Many processes work on one volume, one store and its backups at the same time, and are killed at
// any moment. What they leave is whole: each backup, archive and restored store is of one
// generation of the store, and nothing half made outlives the next ones.
//
// STRATA_STRESS_SECONDS: for how long (some seconds if not set); STRATA_TEST_SEED: of another run.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume.hpp>
#include <strata/volume_archive.hpp>
#include <strata/volume_backup.hpp>
#include <strata/volume_transfer.hpp>
#include <strata/volume_verify.hpp>
#if STRATA_TEST_STREAMS
#include <strata/volume_stream.hpp>
#endif

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

constexpr Dimension dimensions = 3;
constexpr std::uint64_t layers = 4;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct World {
    TempStore store{"market"};
    fs::path path = store.base() / "volume";
    fs::path backups = store.base() / "backups";
    fs::path received = store.base() / "received";
    fs::path streams = store.base() / "streams";
    fs::path elsewhere = store.base() / "elsewhere";

    World() {
        fs::create_directory(streams);
        fs::create_directory(elsewhere);
        Producer producer = store.create();
        commit(producer, 1);
        std::ofstream(volume().archive_path(1) / "layers" / "mine") << "kept";
    }
    Volume volume() const { return Volume::init({.base_path = path}); }
    Consumer attach() const {
        return Consumer::attach(store.name(), {.base_path = store.base(), .keep_idle_pin = false});
    }
    static void commit(Producer& producer, std::uint64_t round) {
        Batch batch = producer.batch();
        for (Dimension dimension = 1; dimension <= dimensions; ++dimension) {
            for (std::uint64_t layer = 0; layer < layers; ++layer) {
                // The last dimension changes seldom, so that increments build on one another.
                const std::uint64_t number = dimension == dimensions ? round / 16 : round;
                batch.put({dimension, layer}, std::to_string(round / 16) + " " +
                                                  std::to_string(number) + " " +
                                                  payload_of(dimension, number, 500 + 100 * layer));
            }
        }
        batch.crystallize();
    }
    static std::uint64_t round_of(const Snapshot& snapshot, Dimension dimension) {
        const std::string text(snapshot.get({dimension, 0}).text());
        const std::uint64_t round = std::stoull(text.substr(text.find(' ') + 1));
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            const std::string expected =
                std::to_string(dimension == dimensions ? round : round / 16) + " " +
                std::to_string(round) + " " + payload_of(dimension, round, 500 + 100 * layer);
            STRATA_REQUIRE_EQ(std::string(snapshot.get({dimension, layer}).text()), expected);
        }
        return round;
    }
    /// All of it is of one commit.
    static void check(const Snapshot& snapshot) {
        const std::uint64_t round = round_of(snapshot, 1);
        STRATA_REQUIRE_EQ(round_of(snapshot, 2), round);
        STRATA_REQUIRE_EQ(round_of(snapshot, dimensions), round / 16);
    }
    void check_restored(const std::string& name) const {
        Consumer consumer =
            Consumer::attach(name, {.base_path = elsewhere, .keep_idle_pin = false});
        check(consumer.snapshot());
    }
};

// What may come of others being at work: the same number twice, a producer that is there already, a
// store that has just been replaced, or what is not there yet.
bool is_of_others(Errc code) {
    switch (code) {
        case Errc::file_exists:
        case Errc::file_not_found:
        case Errc::store_exists:
        case Errc::store_not_found:
        case Errc::store_replaced:
        case Errc::producer_active: return true;
        default: return false;
    }
}

using Random = std::mt19937_64;
using Act = std::function<void(const World&, Random&)>;

void write(const World& world, Random&) {
    Producer producer = world.store.open();
    const std::uint64_t round = World::round_of(world.attach().snapshot(), 1);
    for (std::uint64_t i = 1; i <= 20; ++i) {
        World::commit(producer, round + i);
        std::this_thread::yield();
    }
}
void back_up(const World& world, Random&) {
    Consumer consumer = world.attach();
    backup_store(consumer, world.backups, {.threads = 2});
}
void restore(const World& world, Random& random) {
    const std::string name = "copy-" + std::to_string(random() % 2);
    const fs::path& from = random() % 2 == 0 ? world.backups : world.received;
    restore_store(from, name, world.elsewhere, {.replace = true, .threads = 1});
    world.check_restored(name);
}
void transfer(const World& world, Random& random) {
    const Volume volume = world.volume();
    Consumer consumer = world.attach();
    export_dimensions(consumer.snapshot(), volume, {.threads = 2});
    Producer producer = Producer::open_or_create(
        "imported-" + std::to_string(random() % 2),
        {.base_path = volume.live_path(), .memory_limit = 64_MiB, .region_max_bytes = 64_MiB});
    import_dimensions(producer, volume, {.dimensions = {1, 2, dimensions}, .threads = 1});
    const Snapshot snapshot =
        Consumer::attach(producer.name(), {.base_path = volume.live_path(), .keep_idle_pin = false})
            .snapshot();
    for (Dimension dimension = 1; dimension <= dimensions; ++dimension) {
        World::round_of(snapshot, dimension);  // archives are replaced one by one
    }
}
void clean(const World& world, Random&) { world.volume().clean(); }
void verify_all(const World& world, Random&) {
    for (const VolumeReport& report :
         {verify_volume(world.volume(), {.threads = 1}), verify_backups(world.backups)}) {
        if (!report.ok()) {
            const VolumeFailure& failure = report.failures.at(0);
            throw Failure(failure.path.string() + ": " + failure.what);
        }
    }
}
#if STRATA_TEST_STREAMS
void stream(const World& world, Random& random) {
    const fs::path file = world.streams / ("stream-" + std::to_string(random() % 2));
    {
        Consumer consumer = world.attach();
        const bool increment = fs::exists(world.received / "backup-00000001");
        send_backup(consumer, file,
                    {.since = increment ? world.received : fs::path(), .threads = 1});
    }
    receive_backup(file, world.received, {.threads = 1});
}
void unpack(const World& world, Random&) {
    const fs::path file = world.streams / "whole";
    Consumer consumer = world.attach();
    send_backup(consumer, file, {.format = StreamFormat::tar_zst, .threads = 1});
    const UnpackedBackup backup(file, world.streams, {.threads = 1});
    restore_store(backup.directory(), "unpacked", world.elsewhere, {.replace = true, .threads = 1});
    world.check_restored("unpacked");
}
#endif

const std::vector<Act>& acts() {
    static const std::vector<Act> all = {
        write,
        back_up,
        back_up,
        restore,
        clean,
        transfer,
        transfer,
        verify_all,
#if STRATA_TEST_STREAMS
        stream,
        stream,
        unpack,
#endif
    };
    return all;
}

Child start(const World& world, std::size_t act, std::uint64_t seed) {
    return Child::start([&world, act, seed](const Channel&) {
        Random random(seed);
        for (;;) {
            try {
                acts()[act](world, random);
            } catch (const Error& error) {
                if (!is_of_others(error.code())) {
                    throw;
                }
                std::this_thread::yield();
            }
        }
    });
}

std::size_t stages_below(const fs::path& directory) {
    std::size_t found = 0;
    for (const auto& entry : fs::directory_iterator(directory)) {
        found += entry.path().filename().string().starts_with(".strata-new-") ? 1 : 0;
    }
    return found;
}

/// Everything that is there is whole, and what was left half made goes with the next of its kind.
void check_what_is_left(const World& world) {
    std::vector<fs::path> places = {world.backups};
#if STRATA_TEST_STREAMS
    places.push_back(world.received);
#endif
    for (const fs::path& directory : places) {
        const VolumeReport found = verify_backups(directory);
        CHECK(found.ok());
        for (const BackupInfo& info : list_backups(directory)) {
            CAPTURE(info.path.string());
            restore_store(directory, "checked", world.elsewhere,
                          {.number = info.number, .replace = true, .threads = 1});
            CHECK_NOTHROW(world.check_restored("checked"));
        }
    }
    {
        Producer producer = world.store.open();
        World::commit(producer, World::round_of(world.attach().snapshot(), 1) + 1);
    }
    Consumer consumer = world.attach();
    World::check(consumer.snapshot());
    backup_store(consumer, world.backups);
    CHECK(stages_below(world.backups) == 0);
#if STRATA_TEST_STREAMS
    for (const char* const name : {"stream-0", "stream-1", "whole"}) {
        send_backup(consumer, world.streams / name);
    }
    { const UnpackedBackup backup(world.streams / "whole", world.streams); }
    CHECK(stages_below(world.streams) == 0);
    send_backup(consumer, world.streams / "stream-0", {.since = world.received});
    receive_backup(world.streams / "stream-0", world.received);
    CHECK(stages_below(world.received) == 0);
#endif
    CHECK(stages_below(world.elsewhere) == 0);
    const Volume volume = world.volume();
    volume.clean();
    CHECK(verify_volume(volume).ok());
    CHECK(stages_below(volume.archives_path()) == 0);
    CHECK(content_of(volume.archive_path(1) / "layers" / "mine") == "kept");
}

}  // namespace

TEST_CASE("many processes on one volume, killed at any moment, leave nothing that is not whole") {
    const std::uint64_t seed = number_from("STRATA_TEST_SEED", std::random_device()() % 1'000'000);
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::seconds(number_from("STRATA_STRESS_SECONDS", scaled(4, 10)));
    CAPTURE(seed);
    Random random(seed);
    const World world;
    {
        Random first(seed);
        back_up(world, first);
#if STRATA_TEST_STREAMS
        Consumer consumer = world.attach();
        send_backup(consumer, world.streams / "whole");
        receive_backup(world.streams / "whole", world.received);
#endif
    }
    std::vector<Child> children;
    for (std::size_t act = 0; act < acts().size(); ++act) {
        children.push_back(start(world, act, random()));
    }
    std::uint64_t kills = 0;
    std::string reason;
    while (reason.empty() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
        const std::size_t victim = random() % children.size();
        reason = children[victim].kill_and_join();
        children[victim] = start(world, victim, random());
        ++kills;
    }
    for (Child& child : children) {
        const std::string said = child.kill_and_join();
        reason = reason.empty() ? said : reason;
    }
    CHECK(reason == "");
    MESSAGE(kills << " processes were killed");
    CHECK(kills > 10);
    check_what_is_left(world);
}

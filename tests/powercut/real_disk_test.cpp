// SPDX-License-Identifier: Apache-2.0
// Power failures on real file systems: docs/testing.md. A producer and a reader work on ext4 or xfs
// on a loop device, which is shut down in the middle of it; what is left is mounted and opened.
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/powercut/contents.hpp"
#include "tests/powercut/life.hpp"
#include "tests/skip.hpp"
#include "tests/support/loop_disk.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::powercut;
namespace fs = std::filesystem;

namespace {

constexpr DurabilityOptions none{.policy = DurabilityPolicy::off};

/// Of processes that are forked while it lives.
class SharedJournal {
public:
    SharedJournal()
        : memory_(::mmap(nullptr, sizeof(Journal), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
        if (memory_ == MAP_FAILED) test::fail_errno("mmap");
        journal_ = new (memory_) Journal{};
    }
    SharedJournal(const SharedJournal&) = delete;
    SharedJournal& operator=(const SharedJournal&) = delete;
    ~SharedJournal() { ::munmap(memory_, sizeof(Journal)); }
    Journal& operator*() const noexcept { return *journal_; }
    Journal* operator->() const noexcept { return journal_; }

private:
    void* memory_;
    Journal* journal_;
};

/// A machine with one disk: mounts that nobody else sees, and a boot id that the test chooses.
class Machine {
public:
    Machine(test::LoopDisk& disk, std::string type) : disk_(disk), type_(std::move(type)) {
        require(test::own_mounts(), "no mounts of its own");
        start_anew();
        require(::mount(boot_id().c_str(), "/proc/sys/kernel/random/boot_id", nullptr, MS_BIND,
                        nullptr) == 0,
                "the boot id cannot be covered");
    }
    /// An empty file system, and a store with nothing in it that is durable.
    Generation install() {
        if (mounted_) require(disk_.unmount(), "cannot be unmounted");
        require(disk_.format(type_, std::uint64_t{320} << 20), "cannot be formatted");
        mounted_ = disk_.mount();
        require(mounted_, "cannot be mounted");
        Producer producer = Producer::create("store", options_in(base(), none));
        return producer.checkpoint();
    }
    /// What is on the disk now is all that is left.
    void restart(bool other_boot) {
        require(disk_.unmount(), "cannot be unmounted");
        if (other_boot) start_anew();
        mounted_ = disk_.mount();
        require(mounted_, "cannot be mounted again");
    }
    const fs::path base() const { return disk_.mounted(); }

private:
    fs::path boot_id() const { return disk_.path() / "boot_id"; }
    void start_anew() {  // in place: it is mounted
        std::string digits = std::to_string(1'000'000'000 + ++boots_);
        std::ofstream(boot_id()) << "00000000-0000-0000-0000-00" << digits << '\n';
    }

    test::LoopDisk& disk_;
    const std::string type_;
    std::uint64_t boots_ = 0;
    bool mounted_ = false;
};

/// What a store has, which nobody changes.
struct Left {
    Generation generation = 0;
    Contents contents{};
};

/// After a life that began with `before`: opens what is left, compares, and works on.
Left check(const fs::path& base, const Left& before, std::uint64_t seed, const Journal& journal,
           bool other_boot) {
    const auto contents_after = [&](std::uint64_t commits) {
        Contents contents = before.contents;
        replay(seed, contents, commits);
        return contents;
    };
    const auto expected_in = [&](Generation generation) -> std::optional<Contents> {
        const std::uint64_t returned = journal.returned;
        for (std::uint64_t i = returned; i-- > 0;) {
            if (journal.generations[i] == generation) return contents_after(i + 1);
        }
        const Generation last =
            returned > 0 ? journal.generations[returned - 1].load() : before.generation;
        if (generation == before.generation) return before.contents;
        // The one whose commit had not returned.
        if (generation > last && journal.begun > returned) return contents_after(returned + 1);
        return std::nullopt;
    };
    const auto require_right = [&](const Snapshot& snapshot) {
        const std::string name = "generation " + std::to_string(snapshot.generation());
        const VerifyReport report = verify(snapshot);
        require(report.ok(),
                name + ": " + (report.failures.empty() ? "damaged" : report.failures[0].what));
        const auto expected = expected_in(snapshot.generation());
        require(expected.has_value(), name + " never was");
        require(contents_of(snapshot) == *expected, name + " has other contents");
    };

    if (other_boot) {  // a consumer that comes first sees what is right, or nothing
        try {
            Consumer early = Consumer::attach("store", {.base_path = base});
            require_right(early.snapshot());
            require(early.snapshot().generation() >= journal.promised, "an older generation");
        } catch (const Error& error) {
            require(error.code() == Errc::not_recovered, error.what());
        }
    }
    Producer producer = Producer::open("store", options_in(base, none));
    const Generation found = producer.generation();
    require(found >= journal.promised, "generation " + std::to_string(found) + ", durable was " +
                                           std::to_string(journal.promised));
    require(producer.durable_generation() == found, "what was opened is not durable");
    Consumer consumer = Consumer::attach("store", {.base_path = base});
    const Snapshot snapshot = consumer.snapshot();
    require_right(snapshot);
    Left left{.contents = contents_of(snapshot)};
    left.generation = test::publish(producer, {1, 3}, "works on");
    left.contents[{1, 3}] = "works on";
    require(left.generation > journal.seen && left.generation > found,
            "generation " + std::to_string(left.generation) + " was given before");
    for (std::uint64_t i = 0; i < journal.returned; ++i) {
        require(left.generation > journal.generations[i], "a number was given before");
    }
    require(producer.checkpoint() == left.generation, "no checkpoint");
    require_right(snapshot);
    return left;
}

enum class Loss : bool { power, writing };

/// So many lives on one kind of file system.
void lose(const std::string& type, Loss loss, std::uint64_t cuts, std::uint64_t first_seed) {
    test::LoopDisk disk;
    std::uint64_t signals = 0;
    std::uint64_t lost = 0;
    std::uint64_t commits = 0;
    std::uint64_t snapshots = 0;
    const auto run = [&] {
        Machine machine(disk, type);
        Left left;
        for (std::uint64_t cut = 0; cut < cuts; ++cut) {
            const std::uint64_t seed = first_seed + cut;
            try {
                Random lot(seed * 2);
                if (cut % 25 == 0) left = {.generation = machine.install()};
                const SharedJournal journal;
                journal->promise(left.generation);
                const auto strike = [&] {
                    const int fd = ::open(disk.mounted().c_str(), O_RDONLY | O_CLOEXEC);
                    const bool done = loss == Loss::power ? test::shut_down(fd)
                                                          : test::abort_journal(disk.mounted());
                    if (!done) test::fail_errno("the disk does not fail");
                    ::close(fd);
                };
                LifeOptions options{.base = machine.base(), .seed = seed, .strike = strike};
                const bool by_event = lot() % 3 != 0;
                (by_event ? options.strike_at : options.tell_at) =
                    1 + lot() % (by_event ? 900 : 60);
                auto victim = test::Child::start([&](const test::Channel& channel) {
                    live(options, *journal, left.contents, channel);
                });
                auto watcher = test::Child::start(
                    [&](const test::Channel&) { watch(machine.base(), seed, *journal); });
                if (!by_event) {
                    victim.receive();
                    // Some moment of what it does then.
                    const auto until =
                        std::chrono::steady_clock::now() + std::chrono::microseconds(lot() % 3000);
                    while (std::chrono::steady_clock::now() < until) {
                    }
                    journal->struck = true;
                    strike();
                }
                const std::string end = victim.join();
                const bool by_signal = end.ends_with("died of signal 7");
                require(end.empty() || (by_signal && journal->struck), "the producer: " + end);
                const std::string watched = watcher.join();
                require(watched.empty() || watched.ends_with("died of signal 7"),
                        "the reader: " + watched);
                const bool other_boot = lot() % 2 == 0;
                machine.restart(other_boot);
                left = check(machine.base(), left, seed, *journal, other_boot);
                signals += by_signal ? 1 : 0;
                lost += journal->code == static_cast<int>(Errc::durability_lost) ? 1 : 0;
                commits += journal->returned;
                snapshots += journal->snapshots;
            } catch (const std::exception& error) {
                throw test::Failure("STRATA_REALDISKS_SEED=" + std::to_string(seed) + ", cut " +
                                    std::to_string(cut) + " on " + type + ": " + error.what());
            }
        }
    };
    auto child = test::Child::start([&](const test::Channel& channel) {
        run();
        channel.send_text(std::to_string(commits) + " commits, " + std::to_string(snapshots) +
                          " snapshots compared; producers ended with durability_lost: " +
                          std::to_string(lost) + ", by SIGBUS: " + std::to_string(signals));
    });
    // As long as its cuts take: each has a limit of its own.
    while (!child.channel().ready(std::chrono::milliseconds(1000)) && cuts > 0) {
    }
    const std::string figures = child.channel().receive_text();
    const std::string wrong = child.join();
    CHECK(wrong == "");
    if (wrong.empty()) {
        MESSAGE(type, ": ", cuts, " cuts, seed ", first_seed, ": ", figures);
    }
}

bool available(const std::string& type) {
    test::LoopDisk disk;
    auto child = test::Child::start([&](const test::Channel&) {
        Machine machine(disk, type);
        machine.install();
        const int fd = ::open(disk.mounted().c_str(), O_RDONLY | O_CLOEXEC);
        require(test::shut_down(fd), "no FS_IOC_SHUTDOWN");
    });
    return child.join().empty();
}

std::uint64_t cuts() { return number_from("STRATA_REALDISKS_CUTS", test::scaled(6, 2)); }
std::uint64_t seed() { return number_from("STRATA_REALDISKS_SEED", std::random_device{}()); }

}  // namespace

TEST_CASE("ext4 loses its power: the store opens at a durable generation or a later one, whole") {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!available("ext4"), "no loop device, no mkfs.ext4, or no FS_IOC_SHUTDOWN");
    lose("ext4", Loss::power, cuts(), seed());
}

TEST_CASE("xfs loses its power: the store opens at a durable generation or a later one, whole") {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!available("xfs"), "no loop device, no mkfs.xfs, or no FS_IOC_SHUTDOWN");
    lose("xfs", Loss::power, cuts(), seed());
}

TEST_CASE("ext4 becomes read-only in the middle of a commit or a flush") {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!available("ext4"), "no loop device, no mkfs.ext4, or no FS_IOC_SHUTDOWN");
    lose("ext4", Loss::writing, cuts(), seed());
}

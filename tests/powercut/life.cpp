// SPDX-License-Identifier: Apache-2.0
#include "tests/powercut/life.hpp"

#include <cerrno>
#include <chrono>
#include <dlfcn.h>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

namespace strata::powercut {

namespace {

const LifeOptions* running = nullptr;
Journal* events_of = nullptr;

void event() {
    if (events_of == nullptr || events_of->events.fetch_add(1) + 1 != running->strike_at) return;
    events_of->struck = true;
    running->strike();
}

DurabilityOptions policy_by_lot(Random& lot) {
    switch (lot() % 4) {
        case 0: return {.policy = DurabilityPolicy::each_commit};
        case 1:
            return {.policy = DurabilityPolicy::background,
                    .interval = std::chrono::milliseconds(1 + lot() % 5)};
        default: return {.policy = DurabilityPolicy::off};
    }
}

/// Runs `work` again and again until the disk has failed; a typed error before that is passed on.
class Helper {
public:
    Helper(Journal& journal, std::function<void()> work)
        : thread_([this, &journal, work = std::move(work)] {
              try {
                  while (!stopping_ && !journal.struck)
                      work();
              } catch (const Error& error) {
                  if (!journal.struck) wrong_ = error.what();
              }
          }) {}
    void join() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
        require(wrong_.empty(), wrong_);
    }
    ~Helper() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
    }
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;

private:
    std::atomic<bool> stopping_{false};
    std::string wrong_;
    std::thread thread_;
};

void work(Producer& producer, DurabilityPolicy policy, const LifeOptions& options, Journal& journal,
          Contents& contents, Random& changes, Random& lot, const test::Channel& channel) {
    for (std::uint64_t steps = 4 + lot() % 20; steps > 0; --steps) {
        Batch batch = producer.batch();
        change(&batch, contents, changes);
        const std::uint64_t index = journal.begun.fetch_add(1);
        require(index < Journal::most_commits, "the disk did not fail");
        const Generation generation = batch.crystallize();
        journal.generations[index] = generation;
        journal.returned = index + 1;
        if (policy == DurabilityPolicy::each_commit) journal.promise(generation);
        if (index + 1 == options.tell_at) channel.send(1);
        switch (lot() % 6) {
            case 0: journal.promise(producer.checkpoint()); break;
            case 1:
                producer.wait_durable(generation);
                journal.promise(generation);
                break;
            case 2: producer.reclaim(); break;
            case 3: producer.trim(); break;
            default: journal.promise(producer.durable_generation()); break;
        }
    }
}

}  // namespace

ProducerOptions options_in(const fs::path& base, DurabilityOptions durability) {
    return {.base_path = base,
            .memory_limit = 8_MiB,
            .region_max_bytes = 16_MiB,
            .durability = durability};
}

void live(const LifeOptions& options, Journal& journal, Contents contents,
          const test::Channel& channel) try {
    Random changes(options.seed);
    Random lot(~options.seed);
    running = &options;
    events_of = &journal;
    for (;;) {  // one producer after the other, until one of them ends by an error
        const DurabilityOptions durability = policy_by_lot(lot);
        Producer producer = Producer::open("store", options_in(options.base, durability));
        Helper waiting(journal, [&journal, &producer, wanted = lot() % 3 == 0] {
            if (!wanted) return std::this_thread::yield();
            const Generation newest = producer.generation();
            producer.wait_durable(newest);
            journal.promise(newest);
        });
        work(producer, durability.policy, options, journal, contents, changes, lot, channel);
        waiting.join();
    }
} catch (const Error& error) {
    if (!journal.struck) throw;
    journal.code = static_cast<int>(error.code());
    require(error.code() == Errc::durability_lost || error.code() == Errc::system ||
                error.errno_value() == EROFS,
            std::string("a disk that fails is no ") + error.what());
    require(error.path().starts_with(options.base.string()), "no path: " + error.path());
    require(!error.operation().empty() && error.errno_value() != 0, error.what());
}

void replay(std::uint64_t seed, Contents& contents, std::uint64_t commits) {
    Random changes(seed);
    for (; commits > 0; --commits) {
        change(nullptr, contents, changes);
    }
}

void watch(const fs::path& base, std::uint64_t seed, Journal& journal) {
    Random lot(seed);
    const auto write_some = [&] {
        std::vector<fs::path> files;
        std::error_code gone;
        for (const auto& entry : fs::directory_iterator(base / "store", gone)) {
            files.push_back(entry.path());
        }
        if (files.empty()) return;
        const int fd = ::open(files[lot() % files.size()].c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return;
        const auto at = static_cast<off64_t>(lot() % 64 * 4096);
        ::sync_file_range(fd, at, static_cast<off64_t>(1 + lot() % 32) * 4096,
                          SYNC_FILE_RANGE_WRITE);
        ::close(fd);
    };
    try {
        Consumer consumer = Consumer::attach("store", {.base_path = base});
        Snapshot held = consumer.snapshot();
        Contents copy = contents_of(held);
        while (!journal.struck) {
            const Snapshot snapshot = consumer.snapshot();
            journal.saw(snapshot.generation());
            const VerifyReport report = verify(snapshot);
            require(report.ok(), report.failures.empty() ? "damaged" : report.failures[0].what);
            require(contents_of(held) == copy, "a snapshot changed");
            journal.promise(consumer.durable_generation());
            ++journal.snapshots;
            if (lot() % 4 == 0) {
                held = snapshot;
                copy = contents_of(held);
            }
            write_some();
        }
    } catch (const std::exception&) {
        if (!journal.struck) throw;
    }
}

}  // namespace strata::powercut

namespace strata::ipc {
void crash_point(const char*) noexcept;
void crash_point(const char*) noexcept { powercut::event(); }
}  // namespace strata::ipc

// In the place of the C library's: the disk can fail before a flush and after it.
namespace {

int flush(const char* name, int fd) {
    const auto real = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name));
    strata::powercut::event();
    const int result = real(fd);
    strata::powercut::event();
    return result;
}

}  // namespace

extern "C" int fsync(int fd) { return flush("fsync", fd); }
extern "C" int fdatasync(int fd) { return flush("fdatasync", fd); }

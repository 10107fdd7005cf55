// SPDX-License-Identifier: Apache-2.0
// Commits that survive a power failure, on a disk: one thread, 64 that wait at the same time, and
// what checkpoints in the background cost those who do not wait.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <thread>
#include <unistd.h>
#include <vector>

#include "bench/harness/clock.hpp"
#include "bench/harness/disk_directory.hpp"
#include "bench/harness/stats.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr Dataset dataset{10'000, 256};

/// The data set, on a disk; `policy` of its producer.
class DiskStore {
public:
    DiskStore(const std::filesystem::path& base, DurabilityOptions durability)
        : producer_(
              Producer::create(StrataStore::name, {.base_path = base, .durability = durability})) {
        Batch batch = producer_.batch();
        std::vector<std::byte> payload(dataset.payload_bytes);
        for (std::uint64_t key = 0; key < dataset.layers; ++key) {
            fill_payload(key, 0, payload);
            batch.put({StrataStore::dimension, key}, payload);
        }
        batch.crystallize();
        producer_.checkpoint();
    }
    Producer& producer() noexcept { return producer_; }

private:
    Producer producer_;
};

/// A commit is durable when it returns.
class DurableWriter final : public Writer {
public:
    explicit DurableWriter(Producer& producer) : producer_(producer), batch_(producer.batch()) {}
    void begin() override {}
    void put(std::uint64_t key, std::span<const std::byte> payload) override {
        batch_.put({StrataStore::dimension, key}, payload);
    }
    void commit() override { producer_.wait_durable(batch_.crystallize()); }

private:
    Producer& producer_;
    Batch batch_;
};

/// The least that a durable change can be: one sector in place, flushed.
class SectorWriter final : public Writer {
public:
    explicit SectorWriter(const std::filesystem::path& file)
        : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
        if (fd_ < 0 || ::posix_fallocate(fd_, 0, 4096) != 0 || ::fsync(fd_) != 0) {
            throw NotRun("cannot write " + file.string());
        }
    }
    SectorWriter(const SectorWriter&) = delete;
    SectorWriter& operator=(const SectorWriter&) = delete;
    ~SectorWriter() override { ::close(fd_); }
    void begin() override {}
    void put(std::uint64_t, std::span<const std::byte> payload) override {
        if (::pwrite(fd_, payload.data(), payload.size(), 0) < 0) throw NotRun("pwrite failed");
    }
    void commit() override {
        if (::fdatasync(fd_) != 0) throw NotRun("fdatasync failed");
    }

private:
    int fd_;
};

/// Overwrites random layers one by one until the time is up; returns how many.
std::uint64_t churn(Writer& writer, std::uint64_t salt, std::int64_t until_ns) {
    std::vector<std::byte> payload(dataset.payload_bytes);
    std::uint64_t commits = 0;
    do {
        const std::uint64_t key = reduce(mix(salt + ++commits), dataset.layers);
        fill_payload(key, commits, payload);
        writer.begin();
        writer.put(key, payload);
        writer.commit();
    } while (now_ns() < until_ns);
    return commits;
}

/// Microseconds of one commit, of `threads` at the same time.
double us_per_commit(const std::function<std::unique_ptr<Writer>()>& writer, unsigned threads,
                     double seconds) {
    const Stopwatch watch;
    const std::int64_t until = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    std::atomic<std::uint64_t> commits{0};
    std::vector<std::jthread> all;
    for (unsigned t = 0; t < threads; ++t) {
        all.emplace_back(
            [&, t] { commits += churn(*writer(), static_cast<std::uint64_t>(t) << 40, until); });
    }
    all.clear();
    return watch.seconds() * 1e6 / static_cast<double>(commits.load());
}

/// Flushes take milliseconds: rounds are longer than elsewhere.
double seconds_of(const Context& context) { return 10 * context.round_seconds(); }

void run_commits_that_wait(Context& context, const DiskDirectory& disk) {
    DiskStore store(disk.path() / "strata", {.policy = DurabilityPolicy::off});
    const auto strata = [&store]() -> std::unique_ptr<Writer> {
        return std::make_unique<DurableWriter>(store.producer());
    };
    std::function<std::unique_ptr<Writer>()> lmdb;
    std::string lmdb_absent;
    try {
        { const LmdbStore fill(disk.path() / "lmdb", dataset); }
        lmdb = lmdb_durable(disk.path() / "lmdb");
    } catch (const NotRun& reason) {
        lmdb_absent = reason.what();
    }
    const auto entrant = [&](const char* who, Role role, unsigned threads, const auto& writer) {
        return Entrant{who, role, [&context, &writer, &lmdb_absent, role, threads] {
                           if (!writer && role == Role::peer) throw NotRun(lmdb_absent);
                           return us_per_commit(writer, threads, seconds_of(context));
                       }};
    };
    const std::function<std::unique_ptr<Writer>()> ours = strata;
    const std::function<std::unique_ptr<Writer>()> sector = [&disk] {
        return std::make_unique<SectorWriter>(disk.path() / "sector");
    };
    if (context.wants("durable/commit")) {
        Row row{.name = "durable/commit",
                .title = "one durable commit of one layer, one thread",
                .unit = "us"};
        row.at_least(1, "LMDB", "strata");
        std::vector<Entrant> entrants;
        entrants.push_back(entrant("strata", Role::strata, 1, ours));
        entrants.push_back(entrant("LMDB", Role::peer, 1, lmdb));
        entrants.push_back(entrant("a sector in place + fdatasync", Role::ceiling, 1, sector));
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    if (context.wants("durable/commit-64")) {
        Row row{.name = "durable/commit-64",
                .title = "the same, of 64 threads that each wait for theirs",
                .unit = "us"};
        row.at_least(10, "LMDB", "strata");
        row.at_least(20, "strata, one thread", "strata");
        std::vector<Entrant> entrants;
        entrants.push_back(entrant("strata", Role::strata, 64, ours));
        entrants.push_back(entrant("strata, one thread", Role::strata, 1, ours));
        entrants.push_back(entrant("LMDB", Role::peer, 64, lmdb));
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
    if (context.wants("durable/nothing")) {
        Row row{.name = "durable/nothing",
                .title = "a checkpoint when everything is durable already",
                .unit = "us"};
        row.at_most(50, "strata");
        std::vector<Entrant> entrants;
        entrants.push_back({"strata", Role::strata, [&] {
                                store.producer().checkpoint();
                                constexpr int times = 1000;
                                const Stopwatch watch;
                                for (int i = 0; i < times; ++i) {
                                    store.producer().checkpoint();
                                }
                                return static_cast<double>(watch.ns()) / 1e3 / times;
                            }});
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
}

void run_background(Context& context, const DiskDirectory& disk) {
    DiskStore with(disk.path() / "with", {.policy = DurabilityPolicy::background,
                                          .interval = std::chrono::milliseconds(100)});
    DiskStore without(disk.path() / "without", {.policy = DurabilityPolicy::off});
    Row row{.name = "durable/background",
            .title = "one commit of one layer that does not wait, mean",
            .unit = "ns"};
    row.at_most(1.05, "strata, a checkpoint every 100 ms", "strata, none");
    const auto entrant = [&](const char* who, Producer& producer) {
        return Entrant{who, Role::strata, [&] {
                           const auto writer = strata_writer(producer);
                           const Stopwatch watch;
                           const auto until = static_cast<std::int64_t>(
                               static_cast<double>(now_ns()) + seconds_of(context) * 1e9);
                           const std::uint64_t commits = churn(*writer, 0, until);
                           return static_cast<double>(watch.ns()) / static_cast<double>(commits);
                       }};
    };
    std::vector<Entrant> entrants;
    entrants.push_back(entrant("strata, a checkpoint every 100 ms", with.producer()));
    entrants.push_back(entrant("strata, none", without.producer()));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_durable(Context& context) {
    const DiskDirectory disk;
    if (!disk.on_disk()) {
        std::fprintf(stderr,
                     "durable: %s is in memory; set STRATA_BENCH_DISK to a directory on a disk\n",
                     disk.path().c_str());
        return;
    }
    unpin();  // as programs are: flushes have threads of their own, which take the mask over
    for (const char* store : {"strata", "with", "without"}) {
        std::filesystem::create_directory(disk.path() / store);
    }
    if (context.wants("durable/commit") || context.wants("durable/commit-64") ||
        context.wants("durable/nothing")) {
        run_commits_that_wait(context, disk);
    }
    if (context.wants("durable/background")) {
        run_background(context, disk);
    }
    pin_to(usable_cpus().size() - 1);
}

}  // namespace strata::bench

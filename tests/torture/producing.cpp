// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <utility>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/retention.hpp"
#include "tests/torture/victim.hpp"

namespace strata::test {

namespace {

using namespace std::chrono_literals;

// By number, few or more than there are slots; by time, from what a few steps take to what few
// producers live; up to a number of bytes; all, or none.
void retain_by_lot(ProducerOptions& options, Random& random) {
    constexpr std::uint32_t numbers[] = {0, 2, 4, 300, 600};
    options.retain = numbers[random.below(std::size(numbers))];
    if (random.below(2) == 0) {
        options.retain_for = std::chrono::microseconds(scaled(100U, 1000U) << random.below(10));
    }
    if (random.below(3) == 0) {
        options.retain_bytes = random.below(2) == 0 ? 256_KiB : 2_MiB;
    }
}

ProducerOptions options_for(const Orders& orders, Random& random) {
    ProducerOptions options{.base_path = orders.base,
                            .memory_limit = memory_limit(orders.place),
                            .region_max_bytes = region_max_bytes(orders.place)};
    if (orders.place == Place::tight) {
        options.slow_readers.policy = SlowReaderPolicy::relocate;
    } else if (orders.place == Place::steady) {
        retain_by_lot(options, random);
        options.slow_readers.policy =
            random.below(2) == 0 ? SlowReaderPolicy::fail : SlowReaderPolicy::wait;
        options.slow_readers.wait = 20ms;
    }
    return options;
}

/// A producer and the step that comes next.
class Worker {
public:
    Worker(const Orders& orders, Ledger& ledger, Producer producer, std::uint64_t salt,
           const ProducerOptions& options)
        : orders_(orders),
          ledger_(ledger),
          producer_(std::move(producer)),
          world_(salt),
          retention_(options, producer_.generation()) {}

    Producer& producer() noexcept { return producer_; }
    const Retention& retention() const noexcept { return retention_; }

    /// Everything is as the last producer left it, and nothing that was published is lost.
    void take_stock() {
        const Snapshot found = attach().snapshot();
        judge(ledger_, world_.check(found, stamps_of(orders_.place)), "successor");
        const Generation published = ledger_.published[index()].load();
        if (found.generation() != producer_.generation() || found.generation() < published) {
            judge(ledger_,
                  {"generation " + std::to_string(found.generation()) + " after generation " +
                   std::to_string(published) + " was published"},
                  "successor");
        }
        look_at_bookmarks();
        const auto clock = World::clock_of(found);
        step_ = clock ? clock->step : 0;
        moved_ = clock && found.generation() != clock->at_least;
    }

    /// Why there was no room the last time.
    const std::string& refusal() const noexcept { return refusal_; }

    /// Publishes the next step. False: there was no room.
    bool step(Batch& batch) {
        const Generation expected = producer_.generation() + 1;
        try {
            world_.prepare(batch, step_ + 1, expected);
            retention_.begin();
            const Generation published = batch.crystallize();
            retention_.published(published);
            if (published < expected ||
                (stamps_of(orders_.place) == Stamps::expected && published != expected)) {
                judge(ledger_,
                      {"crystallize gave generation " + std::to_string(published) + " instead of " +
                       std::to_string(expected)},
                      "producer");
            }
            ledger_.relocations.fetch_add(published - expected);
            ledger_.published[index()].store(published);
        } catch (const Error& error) {
            if (error.code() != Errc::limit_exceeded) {
                throw;
            }
            ledger_.refused.fetch_add(1);
            refusal_ = error.what();
            batch.clear();
            return false;
        }
        ++step_;
        moved_ = false;
        ledger_.generations.fetch_add(1);
        return true;
    }

    /// Moves a dimension to a file of its own or back, at most once between two steps: so a clock
    /// says how many generations there are. Nobody sees a difference: `watched` tells whether this
    /// process may have a snapshot to look at that.
    void move(Random& random, bool watched) {
        if (moved_ || step_ == 0) {
            return;
        }
        const auto dimension = static_cast<Dimension>(1 + random.below(swept_dimension));
        DimensionOptions options{.own_region = random.below(2) == 0};
        if (options.own_region && random.below(2) == 0) {
            options.max_bytes = region_max_bytes(orders_.place) / (1 + random.below(2));
        }
        Snapshot before;
        if (watched) {
            before = attach().snapshot();
        }
        const Generation expected = producer_.generation() + 1;
        retention_.begin();
        const Generation generation = producer_.move_dimension(dimension, options);
        // Where there is little room, a companion's loan may relocate something at any time.
        const bool alone = stamps_of(orders_.place) == Stamps::expected;
        if (generation + 1 < expected || (alone && generation > expected)) {
            wrong("move_dimension gave generation " + std::to_string(generation) + " after " +
                  std::to_string(expected - 1));
        }
        moved_ = generation >= expected;
        if (!moved_) {
            return;
        }
        ledger_.relocations.fetch_add(generation - expected);
        retention_.published(generation);
        ledger_.published[index()].store(generation);
        ledger_.moves.fetch_add(1);
        if (watched) {
            const Snapshot after = attach().snapshot();
            if (after.generation() < generation || (alone && after.generation() != generation) ||
                !changes(before, after).empty()) {
                wrong("dimension " + std::to_string(dimension) + " was moved, and " +
                      std::to_string(changes(before, after).size()) +
                      " layers differ in generation " + std::to_string(after.generation()));
            }
        }
    }

    /// What a former producer, or this one, has given a name is what it was.
    void look_at_bookmarks() {
        Consumer own = attach();
        for (const Bookmark& bookmark : producer_.bookmarks()) {
            const Snapshot snapshot = own.snapshot_at(bookmark.name);
            if (snapshot.generation() != bookmark.generation) {
                wrong("bookmark " + bookmark.name + " leads to generation " +
                      std::to_string(snapshot.generation()) + " instead of " +
                      std::to_string(bookmark.generation));
            }
            judge(ledger_, world_.check(snapshot, stamps_of(orders_.place)), "bookmarked");
            ledger_.bookmarked.fetch_add(1);
        }
    }

    /// Sets a bookmark, moves one, or removes one.
    void mark(Random& random) {
        const std::string name(1, static_cast<char>('a' + random.below(3)));
        if (random.below(3) != 0) {
            const auto [oldest, newest] = attach().retained();
            const Generation wanted = oldest + random.below(newest - oldest + 1);
            producer_.set_bookmark(name, random.below(2) == 0 ? 0 : wanted);
            return;
        }
        try {
            producer_.remove_bookmark(name);
        } catch (const Error& error) {
            if (error.code() != Errc::bookmark_not_found) {
                throw;
            }
        }
    }
    void remove_bookmarks() {
        for (const Bookmark& bookmark : producer_.bookmarks()) {
            producer_.remove_bookmark(bookmark.name);
        }
    }

    /// What has to be retained is there, and what it was.
    void look_back(Random& random) {
        Consumer own = attach();
        // Statistics read /proc/locks, for which all processors wait: slow on a busy machine.
        const std::uint64_t bytes =
            retention_.limits_bytes() ? statistics(producer_).history_bytes : 0;
        if (std::string found = retention_.wrong(own, bytes); !found.empty()) {
            wrong(std::move(found));
        }
        for (unsigned looks = retention_.enabled() ? 3 : 0; looks > 0; --looks) {
            const Snapshot snapshot = retention_.any(own, random);
            if (snapshot.generation() < retention_.opened()) {
                wrong("generation " + std::to_string(snapshot.generation()) +
                      " of a former producer is retained");
            }
            judge(ledger_, world_.check(snapshot, stamps_of(orders_.place)), "retained");
            ledger_.retained_by_lot.fetch_add(1);
        }
    }

private:
    // Without a pin that stays: what is counted at the end is what others hold.
    Consumer attach() const {
        return Consumer::attach(name_of(orders_.place),
                                {.base_path = orders_.base, .keep_idle_pin = false});
    }
    void wrong(std::string text) { judge(ledger_, {std::move(text)}, "producer"); }
    std::size_t index() const noexcept { return static_cast<std::size_t>(orders_.place); }

    const Orders& orders_;
    Ledger& ledger_;
    Producer producer_;
    World world_;
    Retention retention_;
    Step step_ = 0;
    bool moved_ = false;  // since the last step
    std::string refusal_;
};

/// Another thread of the producer: begins batches and drops them, reclaims, looks at statistics.
class Companion {
public:
    Companion(Producer& producer, std::uint64_t seed)
        : thread_([this, &producer, seed] {
              Random random(seed);
              while (!stop_.load()) {
                  try {
                      Batch batch = producer.batch();
                      for (std::uint64_t i = random.below(20); i > 0; --i) {
                          (void)batch.loan({static_cast<Dimension>(1 + random.below(4)), i},
                                           random.below(5000));
                      }
                      if (random.below(4) == 0) {
                          producer.reclaim();
                      }
                      if (random.below(8) == 0) {
                          (void)statistics(producer);
                      }
                  } catch (const Error& error) {
                      if (error.code() != Errc::limit_exceeded) {
                          throw;
                      }
                  }
                  std::this_thread::yield();
              }
          }) {}
    Companion(const Companion&) = delete;
    Companion& operator=(const Companion&) = delete;
    ~Companion() {
        stop_.store(true);
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/// What a producer does besides. What has no room is left undone. `watched`: this process may look
/// at it with snapshots of its own.
void aside(Worker& worker, Random& random, Place place, bool watched) {
    Producer& producer = worker.producer();
    try {
        switch (random.below(24)) {
            case 0: producer.reclaim(); break;
            case 1: producer.trim(); break;
            case 2: {
                Batch dropped = producer.batch();
                dropped.put({2, 7}, std::string(random.below(30'000), 'x'));
                dropped.put({77, 7}, "a dimension that is never published");
                break;
            }
            case 3:  // lower, and back
                producer.set_memory_limit(memory_limit(place) * 3 / 4);
                producer.set_memory_limit(memory_limit(place));
                break;
            case 4: (void)statistics(producer); break;
            case 5: worker.move(random, watched); break;
            case 6:
            case 7:
                if (watched && place == Place::steady) {
                    worker.look_back(random);
                }
                break;
            case 8:
                if (watched && place == Place::steady) {
                    worker.mark(random);
                    worker.look_at_bookmarks();
                }
                break;
            default: break;
        }
    } catch (const Error& error) {
        if (error.code() != Errc::limit_exceeded) {
            throw;
        }
    }
}

void work(const Orders& orders, Worker& worker, Random& random) {
    std::optional<Companion> companion;
    if (random.below(4) == 0) {
        companion.emplace(worker.producer(), random.below(1 << 30));
    }
    Batch batch = worker.producer().batch();
    unsigned refused = 0;
    // One that ends by itself lives until its slots in the control file are used again.
    const bool long_lived = worker.retention().most() > 254 && orders.point.empty();
    const std::uint64_t steps =
        orders.steps > 1 && long_lived
            ? std::max<std::uint64_t>(orders.steps, worker.retention().most() * 5 / 4)
            : orders.steps;
    for (std::uint64_t i = 0; i < steps && refused < 20; ++i) {
        aside(worker, random, orders.place, true);
        if (!worker.step(batch)) {
            ++refused;  // readers hold too much; they release it in a while
            std::this_thread::sleep_for(500us);
        }
    }
    if (orders.place == Place::steady) {
        worker.look_back(random);
    }
}

/// A brief store's lives: made, used, left, replaced, removed.
void produce_briefly(const Orders& orders, Ledger& ledger, Random& random) {
    ProducerOptions options = options_for(orders, random);
    options.replace = true;
    for (std::uint64_t life = 0; life < 1 + orders.steps / 8; ++life) {
        {
            const std::uint64_t salt = orders.seed * 1000 + life;
            Worker worker(orders, ledger, Producer::create(name_of(orders.place), options), salt,
                          options);
            ledger.created.fetch_add(1);
            ledger.published[static_cast<std::size_t>(orders.place)].store(0);
            Batch batch = worker.producer().batch();
            for (std::uint64_t i = random.below(6); i > 0; --i) {
                aside(worker, random, orders.place, false);
                if (!worker.step(batch)) {
                    break;
                }
            }
        }
        if (random.below(2) == 0) {
            remove_store(name_of(orders.place), orders.base);
            ledger.removed.fetch_add(1);
        }
    }
}

std::uint64_t kernel_bytes(const std::filesystem::path& directory, std::uint64_t& region_files) {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        struct stat status {};
        if (::lstat(entry.path().c_str(), &status) == 0) {
            bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
        }
        region_files += entry.path().filename().string().starts_with("region-") ? 1 : 0;
    }
    return bytes;
}

}  // namespace

void produce(const Orders& orders, Ledger& ledger) {
    Random random(orders.seed);
    if (orders.place == Place::brief) {
        produce_briefly(orders, ledger, random);
        return;
    }
    const ProducerOptions options = options_for(orders, random);
    Worker worker(orders, ledger, Producer::open_or_create(name_of(orders.place), options),
                  lasting_salt, options);
    ledger.opened.fetch_add(1);
    worker.take_stock();
    work(orders, worker, random);
}

void settle(const Orders& orders, Ledger& ledger) {
    Random random(orders.seed);
    ProducerOptions options = options_for(orders, random);
    options.retain = 0;
    options.retain_for = {};
    Worker worker(orders, ledger, Producer::open_or_create(name_of(orders.place), options),
                  lasting_salt, options);
    ledger.opened.fetch_add(1);
    worker.take_stock();
    worker.remove_bookmarks();
    ledger.settling.store(true);
    {
        Batch batch = worker.producer().batch();
        while (!ledger.finish.load()) {
            aside(worker, random, orders.place, false);
            if (!worker.step(batch)) {
                std::this_thread::sleep_for(1ms);
            }
        }
        // In the tight store free pages may lie scattered, too few of them side by side.
        if (!worker.step(batch) && orders.place != Place::tight) {
            throw Failure("all consumers are gone, and yet: " + worker.refusal());
        }
    }
    worker.producer().trim();
    const StoreStatistics found = statistics(worker.producer());
    Ledger::Balance& balance = ledger.balance[static_cast<std::size_t>(orders.place)];
    std::uint64_t used = 0;
    for (const RegionStatistics& region : found.regions) {
        used += region.memory.used_bytes;
    }
    std::uint64_t files = 0;
    balance.kernel_bytes = kernel_bytes(worker.producer().path(), files);
    balance.generation = found.generation;
    balance.live_bytes = found.live_bytes;
    balance.committed_bytes = found.committed_bytes;
    balance.limbo_bytes =
        found.limbo_unscanned_bytes + found.limbo_held_bytes + found.retired_file_bytes;
    balance.used_bytes = used;
    balance.files = files;
    balance.regions = found.regions.size();
}

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <thread>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/victim.hpp"

namespace strata::test {

namespace {

using namespace std::chrono_literals;

ProducerOptions options_for(const Orders& orders, Random& random) {
    ProducerOptions options{.base_path = orders.base,
                            .memory_limit = memory_limit(orders.place),
                            .region_max_bytes = region_max_bytes(orders.place)};
    if (orders.place == Place::tight) {
        options.slow_readers.policy = SlowReaderPolicy::move_on;
    } else if (orders.place == Place::steady) {
        options.retain = static_cast<std::uint32_t>(random.below(3) * 2);
        options.slow_readers.policy =
            random.below(2) == 0 ? SlowReaderPolicy::fail : SlowReaderPolicy::wait;
        options.slow_readers.wait = 20ms;
    }
    return options;
}

/// A producer and the step that comes next.
class Worker {
public:
    Worker(const Orders& orders, Ledger& ledger, Producer producer, std::uint64_t salt)
        : orders_(orders), ledger_(ledger), producer_(std::move(producer)), world_(salt) {}

    Producer& producer() noexcept { return producer_; }

    /// Everything is as the last producer left it, and nothing that was published is lost.
    void take_stock() {
        Consumer own = Consumer::attach(name_of(orders_.place), {.base_path = orders_.base});
        const Snapshot found = own.snapshot();
        judge(ledger_, world_.check(found, steps_are_generations(orders_.place)), "successor");
        const Generation published = ledger_.published[index()].load();
        if (found.generation() != producer_.generation() || found.generation() < published) {
            judge(ledger_,
                  {"generation " + std::to_string(found.generation()) + " after generation " +
                   std::to_string(published) + " was published"},
                  "successor");
        }
        const auto clock = World::clock_of(found);
        step_ = clock ? clock->step : 0;
    }

    /// Why there was no room the last time.
    const std::string& refusal() const noexcept { return refusal_; }

    /// Publishes the next step. False: there was no room.
    bool step(Batch& batch) {
        const Generation expected = producer_.generation() + 1;
        try {
            world_.prepare(batch, step_ + 1, expected);
            const Generation published = batch.crystallize();
            if (published < expected ||
                (steps_are_generations(orders_.place) && published != expected)) {
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
        ledger_.generations.fetch_add(1);
        return true;
    }

private:
    std::size_t index() const noexcept { return static_cast<std::size_t>(orders_.place); }

    const Orders& orders_;
    Ledger& ledger_;
    Producer producer_;
    World world_;
    Step step_ = 0;
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
                          batch.loan({static_cast<Dimension>(1 + random.below(4)), i},
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

/// What a producer does besides. What has no room is left undone.
void aside(Producer& producer, Random& random, Place place) {
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
    for (std::uint64_t i = 0; i < orders.steps && refused < 20; ++i) {
        aside(worker.producer(), random, orders.place);
        if (!worker.step(batch)) {
            ++refused;  // readers hold too much; they let go in a while
            std::this_thread::sleep_for(500us);
        }
    }
}

/// A brief store's lives: made, used, left, replaced, removed.
void produce_briefly(const Orders& orders, Ledger& ledger, Random& random) {
    ProducerOptions options = options_for(orders, random);
    options.replace = true;
    for (std::uint64_t life = 0; life < 1 + orders.steps / 8; ++life) {
        {
            const std::uint64_t salt = orders.seed * 1000 + life;
            Worker worker(orders, ledger, Producer::create(name_of(orders.place), options), salt);
            ledger.created.fetch_add(1);
            ledger.published[static_cast<std::size_t>(orders.place)].store(0);
            Batch batch = worker.producer().batch();
            for (std::uint64_t i = random.below(6); i > 0; --i) {
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
                  lasting_salt);
    ledger.opened.fetch_add(1);
    worker.take_stock();
    work(orders, worker, random);
}

void settle(const Orders& orders, Ledger& ledger) {
    Random random(orders.seed);
    ProducerOptions options = options_for(orders, random);
    options.retain = 0;
    Worker worker(orders, ledger, Producer::open_or_create(name_of(orders.place), options),
                  lasting_salt);
    ledger.opened.fetch_add(1);
    worker.take_stock();
    {
        Batch batch = worker.producer().batch();
        while (!ledger.finish.load()) {
            aside(worker.producer(), random, orders.place);
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
        found.limbo_fresh_bytes + found.limbo_parked_bytes + found.retired_file_bytes;
    balance.used_bytes = used;
    balance.files = files;
    balance.dimensions = found.dimensions;
}

}  // namespace strata::test

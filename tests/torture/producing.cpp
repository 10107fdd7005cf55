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

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/victim.hpp"
#include "tests/torture/worker.hpp"

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

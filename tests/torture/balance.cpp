// SPDX-License-Identifier: Apache-2.0
// The part of the driver that asks where the memory is.
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/driver.hpp"
#include "tests/torture/victim.hpp"
#include <strata/leftovers.hpp>

namespace strata::test {

namespace {

using namespace std::chrono_literals;

/// What a store may hold beyond 1.4 x its live bytes, whatever its size: in each of up to ten files
/// a header page, for some size classes a slab that is not full, and what is kept for erasing.
constexpr std::uint64_t fixed_bytes = 512_KiB + 10 * 32_KiB;

}  // namespace

// A producer works on while consumers come and are killed; then all consumers go for good.
void Driver::balance(Place place) {
    no_consumers_ = false;
    ledger_.settling.store(false);
    ledger_.finish.store(false);
    Random random(seed_ ^ tally_.rounds);
    start_producer({.role = "settle", .place = place, .seed = random.below(1 << 30)}, false);
    // Until then it is a reader itself: it holds a snapshot of what it compares.
    const auto limit = Clock::now() + patience;
    while (!ledger_.settling.load() && producer_ > 0 && Clock::now() < limit) {
        await_child(Clock::now() + 1ms);
    }
    const auto until = Clock::now() + scaled(150ms, 600ms);
    while (Clock::now() < until && producer_ > 0) {
        start_missing_consumers();
        await_child(Clock::now() + Microseconds(random.below(10'000)));
        const pid_t victim = consumers_[random.below(consumer_slots)].pid;
        if (victim > 0) {
            ::kill(victim, SIGKILL);
        }
    }
    no_consumers_ = true;
    for (const Consumer& consumer : consumers_) {
        if (consumer.pid > 0) {
            ::kill(consumer.pid, SIGKILL);
        }
    }
    // Forked children end by themselves. Whoever was waited for has closed all of its files.
    while (children() > 1 && producer_ > 0 && Clock::now() < limit) {
        await_child(Clock::now() + 1ms);
    }
    if (producer_ > 0 && children() > 1) {
        wrong("consumers are left although nobody starts any");
    }
    for (const ReaderInfo& reader : readers(name_of(place), base_)) {
        wrong("process " + std::to_string(reader.pid) + " pins epoch " +
              std::to_string(reader.epoch) + " although there are no consumers; the producer is " +
              std::to_string(producer_));
    }
    ledger_.finish.store(true);
    if (await_end_of_producer("the producer that settles")) {
        judge_balance(place);
    }
}

void Driver::judge_balance(Place place) {
    const Ledger::Balance& b = ledger_.balance[static_cast<std::size_t>(place)];
    const std::uint64_t allowed = b.live_bytes * 14 / 10 + fixed_bytes;
    const std::string where = std::string(name_of(place)) + " store, generation " +
                              std::to_string(b.generation.load()) + ": ";
    if (b.committed_bytes > allowed) {
        tally_.leaked_bytes += b.committed_bytes - allowed;
        wrong(where + "holds " + std::to_string(b.committed_bytes.load()) + " bytes, live are " +
              std::to_string(b.live_bytes.load()));
    }
    if (b.used_bytes > b.live_bytes) {
        tally_.leaked_bytes += b.used_bytes - b.live_bytes;
        wrong(where + "blocks of " + std::to_string(b.used_bytes.load()) +
              " bytes are in use, live are " + std::to_string(b.live_bytes.load()));
    }
    if (b.kernel_bytes != b.committed_bytes) {
        wrong(where + "counts " + std::to_string(b.committed_bytes.load()) +
              " bytes, the kernel counts " + std::to_string(b.kernel_bytes.load()));
    }
    if (b.limbo_bytes != 0 || b.files != b.regions) {
        wrong(where + std::to_string(b.limbo_bytes.load()) + " bytes wait in limbo; " +
              std::to_string(b.files.load()) + " region files for " +
              std::to_string(b.regions.load()) + " regions");
    }
    tally_.most_committed_percent =
        std::max(tally_.most_committed_percent, b.committed_bytes * 100 / allowed);
}

// What creators and removers that died have left must go with the next creation.
void Driver::clear_brief() {
    const char* const name = name_of(Place::brief);
    (void)Producer::create(
        name,
        {.base_path = base_, .region_max_bytes = region_max_bytes(Place::brief), .replace = true});
    for (const Leftover& leftover : leftovers(base_)) {
        ++tally_.leftovers;
        if (leftover.allocated_bytes > 0) {
            tally_.leaked_bytes += leftover.allocated_bytes;
            wrong(leftover.path.string() + " keeps " + std::to_string(leftover.allocated_bytes) +
                  " bytes");
        }
        remove_leftover(leftover.path);
    }
    remove_store(name, base_);
    for (const auto& entry : std::filesystem::directory_iterator(base_)) {
        const std::string found = entry.path().filename().string();
        if (found != name_of(Place::steady) && found != name_of(Place::tight)) {
            wrong("nobody's: " + entry.path().string());
        }
    }
}

bool Driver::draw_balance() {
    for (const Place place : {Place::steady, Place::tight}) {
        if (findings_.empty()) {
            balance(place);
        }
    }
    ++tally_.balances;
    if (findings_.empty() && ledger_.mismatches.load() == 0) {
        clear_brief();
    }
    no_consumers_ = false;
    return findings_.empty() && ledger_.mismatches.load() == 0;
}

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/victim.hpp"

namespace strata::test {

namespace {

using namespace std::chrono_literals;

/// One attachment: takes snapshots, compares them, holds a few, and compares those again.
class Reader {
public:
    Reader(const Orders& orders, Ledger& ledger, Random& random, Consumer consumer)
        : orders_(orders), ledger_(ledger), random_(random), consumer_(std::move(consumer)) {
        ledger_.attached.fetch_add(1);
    }

    /// False: the store was replaced or removed.
    bool look(std::string_view who) {
        const Generation published = ledger_.published[place()].load();
        Snapshot snapshot = consumer_.snapshot();
        const Generation generation = snapshot.generation();
        if (generation < seen_ || (lasting() && generation < published)) {
            judge(ledger_,
                  {"generation " + std::to_string(generation) + " after " +
                   std::to_string(std::max(seen_, published))},
                  who);
        }
        seen_ = generation;
        if (!compare(snapshot, who)) {
            return false;
        }
        ledger_.snapshots.fetch_add(1);
        if (random_.below(16) == 0) {
            verify_all(snapshot, who);
        }
        if (random_.below(3) == 0) {
            held_.push_back(std::move(snapshot));
        }
        const std::size_t most = orders_.place == Place::tight ? 5 : 2;
        if (held_.size() > most || (!held_.empty() && random_.below(4) == 0)) {
            const bool there = compare(held_.front(), who);
            held_.pop_front();
            ledger_.rechecks.fetch_add(1);
            return there;
        }
        return true;
    }

    void look_back() {
        const auto [oldest, newest] = consumer_.retained();
        if (newest == 0 || oldest >= newest) {
            return;
        }
        const Generation wanted = oldest + random_.below(newest - oldest);
        try {
            const Snapshot snapshot = consumer_.snapshot(wanted);
            if (snapshot.generation() != wanted) {
                judge(ledger_, {"asked for generation " + std::to_string(wanted)}, "retained");
            }
            retain(snapshot);
        } catch (const Error& error) {
            if (error.code() != Errc::generation_not_retained) {
                throw;
            }
        }
    }

    void look_back_in_time() {
        const auto time = std::chrono::system_clock::now() -
                          std::chrono::microseconds(random_.below(std::uint64_t{50'000}));
        try {
            const Snapshot snapshot = consumer_.snapshot_at(time);
            if (snapshot.published_at() > time) {
                judge(ledger_,
                      {"generation " + std::to_string(snapshot.generation()) +
                       " was published after the time that was asked for"},
                      "retained");
            }
            retain(snapshot);
        } catch (const Error& error) {
            if (error.code() != Errc::generation_not_retained) {
                throw;
            }
        }
    }

    void look_at_bookmark() {
        const std::vector<Bookmark> bookmarks = consumer_.bookmarks();
        if (bookmarks.empty()) {
            return;
        }
        try {
            // It may have been moved or removed since.
            retain(consumer_.snapshot_at(bookmarks[random_.below(bookmarks.size())].name));
        } catch (const Error& error) {
            if (error.code() != Errc::bookmark_not_found) {
                throw;
            }
        }
    }

    /// A child goes on with what it inherits, while the parent releases it at once or does not.
    void fork_reader() {
        if constexpr (address_sanitized) {  // its allocator may be locked by a thread that is gone
            return;
        }
        const std::uint64_t childs_seed = random_.below(std::uint64_t{1} << 40);
        const pid_t child = ::fork();
        if (child < 0) {
            fail_errno("fork");
        }
        if (child == 0) {
            childhood(childs_seed);
        }
        ledger_.forks.fetch_add(1);
        if (random_.below(2) == 0) {
            held_.clear();
        }
        (void)consumer_.wait(seen_, std::chrono::microseconds(random_.below(1000)));
    }

    WaitResult wait(std::chrono::microseconds most) const { return consumer_.wait(seen_, most); }
    bool replaced() const { return consumer_.store_replaced(); }

private:
    // Held as others are: it stays what it is when the producer lets the generation go.
    void retain(const Snapshot& snapshot) {
        if (compare(snapshot, "retained")) {
            ledger_.retained.fetch_add(1);
            if (random_.below(4) == 0) {
                held_.push_back(snapshot);
            }
        }
    }

    std::size_t place() const noexcept { return static_cast<std::size_t>(orders_.place); }
    bool lasting() const noexcept { return orders_.place != Place::brief; }

    bool compare(const Snapshot& snapshot, std::string_view who) {
        std::uint64_t salt = lasting_salt;
        World::Verdict verdict;
        if (!lasting()) {
            try {
                const auto clock = World::clock_of(snapshot);
                salt = clock ? clock->salt : 0;
            } catch (const Error& error) {
                verdict = {error.what(), true, 0};
            }
        }
        if (!verdict) {
            verdict = World(salt).check(snapshot, stamps_of(orders_.place));
        }
        // Of a store that was removed, a reader keeps what it has mapped.
        if (verdict.missing && !lasting() && consumer_.store_replaced()) {
            ledger_.vanished.fetch_add(1);
            return false;
        }
        judge(ledger_, verdict, who);
        return true;
    }

    void verify_all(const Snapshot& snapshot, std::string_view who) {
        const VerifyReport report = verify(snapshot);
        if (!report.ok() && (lasting() || !consumer_.store_replaced())) {
            const VerifyFailure& first = report.failures.at(0);
            judge(ledger_,
                  {"verify: generation " + std::to_string(snapshot.generation()) + ": " +
                   first.file + " at " + std::to_string(first.offset) + ": " + first.what},
                  who);
        }
        ledger_.verified.fetch_add(1);
    }

    [[noreturn]] void childhood(std::uint64_t seed) {
        int code = 0;
        try {
            Random random(seed);
            const std::uint64_t looks = random.below(12);
            for (std::uint64_t i = 0; i < looks; ++i) {
                for (const Snapshot& snapshot : held_) {
                    (void)compare(snapshot, "forked child, inherited");
                }
                if (!look("forked child")) {
                    break;
                }
                if (random.below(12) == 0) {
                    ledger_.suicides.fetch_add(1);
                    std::raise(SIGKILL);
                }
            }
        } catch (const std::exception& error) {
            complain(ledger_, std::string("forked child: ").append(error.what()));
            code = 3;
        }
        ::_exit(code);
    }

    const Orders& orders_;
    Ledger& ledger_;
    Random& random_;
    Consumer consumer_;
    std::deque<Snapshot> held_;
    Generation seen_ = 0;
};

}  // namespace

void consume(const Orders& orders, Ledger& ledger) {
    Random random(orders.seed);
    std::uint64_t looks = orders.steps;
    while (looks > 0) {
        std::optional<Reader> reader;
        try {
            reader.emplace(
                orders, ledger, random,
                Consumer::attach(name_of(orders.place), {.base_path = orders.base,
                                                         .wait_for_store = 20ms,
                                                         .keep_idle_pin = random.below(4) != 0}));
        } catch (const Error& error) {
            // A brief store is not there half of the time.
            if (error.code() != Errc::store_not_found || orders.place != Place::brief) {
                throw;
            }
            --looks;
            continue;
        }
        for (std::uint64_t left = 1 + random.below(200); left > 0 && looks > 0; --left, --looks) {
            if (!reader->look("consumer") || reader->replaced()) {
                break;
            }
            switch (random.below(24)) {
                case 0: reader->fork_reader(); break;
                case 1:
                case 2: reader->look_back(); break;
                case 3: reader->look_back_in_time(); break;
                case 4:
                case 5: reader->look_at_bookmark(); break;
                default: break;
            }
            if (reader->wait(std::chrono::microseconds(random.below(3000))) ==
                WaitResult::producer_gone) {
                // Until the driver has started another one.
                std::this_thread::sleep_for(std::chrono::microseconds(random.below(2000)));
            }
        }
    }
}

}  // namespace strata::test

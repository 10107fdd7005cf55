// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/driver.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "tests/support/process.hpp"

namespace strata::test {

namespace {

using namespace std::chrono_literals;

sigset_t child_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGCHLD);
    return signals;
}

int make_ledger_file() {
    const int file = ::memfd_create("torture-ledger", 0);  // inherited by the victims
    if (file < 0 || ::ftruncate(file, sizeof(Ledger)) != 0) {
        fail_errno("make the ledger");
    }
    return file;
}

std::string shown_death(const Round& round) {
    if (!round.death.point.empty()) {
        return "to die at " + round.death.point + " (" + std::to_string(round.death.hit) + ")";
    }
    return round.death.after ? "to die at a random time" : "to end by itself";
}

}  // namespace

Driver::Driver(std::filesystem::path base, std::uint64_t seed)
    : base_(std::move(base)),
      seed_(seed),
      ledger_file_(make_ledger_file()),
      ledger_(map_ledger(ledger_file_)) {
    const sigset_t signals = child_signals();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    adopt_orphans();
    // The lasting stores are there from now on, so that consumers may insist on them.
    for (const Place place : {Place::steady, Place::tight}) {
        start_producer({.role = "produce", .place = place, .seed = seed, .steps = 3}, false);
        await_end_of_producer("first producer");
    }
    no_consumers_ = false;
}

Driver::~Driver() {
    for (const Consumer& consumer : consumers_) {
        if (consumer.pid > 0) {
            ::kill(consumer.pid, SIGKILL);
        }
    }
    if (producer_ > 0) {
        ::kill(producer_, SIGKILL);
    }
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    ::munmap(&ledger_, sizeof(Ledger));
    ::close(ledger_file_);
}

pid_t Driver::start(const Orders& orders, bool with_crash_points) {
    const char* const program = with_crash_points ? STRATA_VICTIM_WITH_CRASH_POINTS : STRATA_VICTIM;
    Orders complete = orders;
    complete.base = base_.string();
    complete.ledger = ledger_file_;
    std::vector<std::string> words = words_of(complete);
    words.insert(words.begin(), program);
    std::vector<char*> pointers;
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) {
        fail_errno("fork");
    }
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const sigset_t signals = child_signals();
        ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
        ::execv(program, pointers.data());
        ::_exit(127);
    }
    return pid;
}

pid_t Driver::start_producer(const Orders& orders, bool with_crash_points) {
    ++tally_.producers_started;
    producer_ = start(orders, with_crash_points);
    return producer_;
}

void Driver::start_consumer(unsigned slot) {
    Consumer& consumer = consumers_[slot];
    const Visit visit = visit_of(seed_, slot, consumer.visits++);
    consumer.stopped_until = 0;
    consumer.pid = start({.role = visit.role,
                          .place = visit.place,
                          .seed = visit.seed,
                          .steps = visit.looks,
                          .point = visit.death.point,
                          .hit = visit.death.hit},
                         !visit.death.point.empty());
    ++tally_.consumers_started;
}

void Driver::start_missing_consumers() {
    for (unsigned slot = 0; slot < consumer_slots && !no_consumers_; ++slot) {
        if (consumers_[slot].pid < 0) {
            start_consumer(slot);
        }
    }
}

void Driver::wrong(std::string text) {
    findings_.push_back("round " + std::to_string(tally_.rounds) + ": " + std::move(text));
}

void Driver::buried(pid_t pid, int status) {
    std::string who = "a forked child";
    std::uint64_t* kills = &tally_.child_kills;
    if (pid == producer_) {
        producer_ = -1;
        who = "the producer";
        kills = &tally_.producer_kills;
    } else {
        for (Consumer& consumer : consumers_) {
            if (consumer.pid == pid) {
                consumer.pid = -1;
                who = "a consumer";
                kills = &tally_.consumer_kills;
            }
        }
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        ++*kills;
    } else if (WIFSIGNALED(status)) {
        wrong(who + " died of signal " + std::to_string(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != 0) {
        wrong(who + " exited with " + std::to_string(WEXITSTATUS(status)));
    } else if (kills != &tally_.child_kills) {
        ++tally_.orderly_ends;
    }
}

void Driver::reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        buried(pid, status);
    }
    start_missing_consumers();
}

void Driver::await_child(Clock::time_point until) {
    const auto left =
        std::max<std::chrono::nanoseconds>(std::chrono::nanoseconds(0), until - Clock::now());
    const timespec timeout{.tv_sec = static_cast<time_t>(left / 1s),
                           .tv_nsec = static_cast<long>((left % 1s).count())};
    const sigset_t signals = child_signals();
    ::sigtimedwait(&signals, nullptr, &timeout);
    reap();
}

void Driver::strike(const Round& round) {
    Consumer& victim = consumers_[round.victim];
    if (victim.pid < 0) {
        return;
    }
    if (round.blow == Round::Blow::kill) {
        ::kill(victim.pid, SIGKILL);
    } else if (round.blow == Round::Blow::stop && victim.stopped_until == 0) {
        ::kill(victim.pid, SIGSTOP);
        victim.stopped_until = tally_.rounds + round.rounds_stopped;
        ++tally_.stops;
    }
}

// Grows with whatever a producer does: one that lives for long, on a machine that is slow, is none
// that hangs.
std::uint64_t Driver::progress() const noexcept {
    return ledger_.generations + ledger_.refused + ledger_.created + ledger_.retained_by_lot;
}

// Carries out the blows in the order of their times, until the producer is gone.
bool Driver::await_producer(const Round& round, Clock::time_point begun) {
    struct Act {
        Clock::time_point at;
        enum { kill, stop, go_on, blow } what;
    };
    std::vector<Act> acts;
    if (round.death.after) {
        acts.push_back({begun + *round.death.after, Act::kill});
    }
    if (round.stop_after) {
        acts.push_back({begun + *round.stop_after, Act::stop});
        acts.push_back({begun + *round.stop_after + round.stop_for, Act::go_on});
    }
    if (round.blow != Round::Blow::none) {
        acts.push_back({begun + round.blow_after, Act::blow});
    }
    // Stable: it may be continued at the very time that it is stopped.
    std::ranges::stable_sort(acts, {}, &Act::at);
    auto next = acts.begin();
    Clock::time_point heard = begun;
    std::uint64_t reached = progress();
    while (producer_ > 0) {
        if (const std::uint64_t now = progress(); now != reached) {
            reached = now;
            heard = Clock::now();
        }
        if (Clock::now() > heard + patience) {
            wrong("the producer hangs, " + shown_death(round));
            return false;
        }
        if (next == acts.end() || Clock::now() < next->at) {
            await_child(next == acts.end() ? heard + patience + 1s : next->at);
            continue;
        }
        switch (next++->what) {
            case Act::kill: ::kill(producer_, SIGKILL); break;
            case Act::stop:
                ::kill(producer_, SIGSTOP);
                ++tally_.stops;
                break;
            case Act::go_on: ::kill(producer_, SIGCONT); break;
            case Act::blow: strike(round); break;
        }
    }
    for (; next != acts.end(); ++next) {
        if (next->what == Act::blow) {
            strike(round);
        }
    }
    return true;
}

bool Driver::run_round() {
    const Round round = round_of(seed_, ++tally_.rounds);
    for (Consumer& consumer : consumers_) {
        if (consumer.pid > 0 && consumer.stopped_until != 0 &&
            consumer.stopped_until <= tally_.rounds) {
            ::kill(consumer.pid, SIGCONT);
            consumer.stopped_until = 0;
        }
    }
    start_missing_consumers();
    start_producer({.role = "produce",
                    .place = round.place,
                    .seed = round.seed,
                    .steps = round.steps,
                    .point = round.death.point,
                    .hit = round.death.hit},
                   !round.death.point.empty());
    const bool ended = await_producer(round, Clock::now());
    if (!ended || !findings_.empty() || ledger_.mismatches.load() != 0) {
        wrong(std::string("this round's producer was at the ") + name_of(round.place) + " store, " +
              shown_death(round));
        return false;
    }
    return true;
}

bool Driver::await_end_of_producer(std::string_view role) {
    const auto limit = Clock::now() + patience;
    while (producer_ > 0 && Clock::now() < limit) {
        await_child(limit);
    }
    if (producer_ > 0) {
        wrong(std::string(role).append(" hangs"));
    }
    return producer_ < 0 && findings_.empty() && ledger_.mismatches.load() == 0;
}

// Including adopted ones.
std::size_t Driver::children() const {
    std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    return static_cast<std::size_t>(
        std::distance(std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()));
}

}  // namespace strata::test

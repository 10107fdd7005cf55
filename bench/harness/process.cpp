// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/process.hpp"

#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness/machine.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/workload.hpp"

namespace strata::bench {

namespace {

constexpr int exit_not_run = 3;
constexpr int exit_wrong = 4;

}  // namespace

SharedMemory::SharedMemory(std::size_t bytes)
    : data_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
      bytes_(bytes) {
    if (data_ == MAP_FAILED) {
        throw std::bad_alloc();
    }
}

SharedMemory::~SharedMemory() { munmap(data_, bytes_); }

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t while_it_is) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAIT, while_it_is, nullptr, nullptr, 0);
}

void futex_wake(const std::atomic<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

double cpu_seconds() noexcept {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

Crew::Crew(std::size_t count, std::function<void(Member&)> body)
    : memory_(sizeof(Shared) + 64 + count * sizeof(Slot)) {
    std::fflush(nullptr);
    shared().missing.store(static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        const pid_t parent = getpid();
        const pid_t pid = fork();
        if (pid < 0) {
            throw NotRun(std::string("fork: ") + std::strerror(errno));
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) {
                _exit(1);
            }
            unpin();
            run_member(i, body);
        }
        pids_.push_back(pid);
    }
}

Crew::~Crew() {
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        kill_member(i);
        if (pids_[i] != 0) {
            waitpid(pids_[i], nullptr, 0);
        }
    }
}

void Crew::run_member(std::size_t index, const std::function<void(Member&)>& body) {
    int status = 0;
    Slot& own = slot(index);
    try {
        Member member(*this, index);
        body(member);
    } catch (const NotRun& reason) {
        std::snprintf(own.error, sizeof own.error, "%s", reason.what());
        status = exit_not_run;
    } catch (const std::exception& error) {
        std::snprintf(own.error, sizeof own.error, "%s", error.what());
        status = exit_wrong;
    }
    _exit(status);
}

Crew::Slot& Crew::slot(std::size_t member) const noexcept {
    auto* const first = static_cast<std::byte*>(memory_.data()) + 64;
    return reinterpret_cast<Slot*>(first)[member];
}

void Crew::Member::ready_to_start() {
    crew_.shared().ready.fetch_add(1);
    while (crew_.shared().go.load() == 0) {
        futex_wait(crew_.shared().go, 0);
    }
}

void Crew::Member::wait_for_all() {
    std::atomic<std::uint32_t>& missing = crew_.shared().missing;
    if (missing.fetch_sub(1) == 1) {
        futex_wake(missing);
    }
    for (std::uint32_t seen = missing.load(); seen > 0; seen = missing.load()) {
        futex_wait(missing, seen);
    }
}

bool Crew::Member::stopped() const noexcept {
    return crew_.shared().stop.load(std::memory_order_relaxed) != 0;
}

void Crew::Member::report(std::size_t slot, double value) noexcept {
    crew_.slot(index_).values[slot] = value;
}

void Crew::start() {
    while (shared().ready.load() < pids_.size()) {
        for (std::size_t i = 0; i < pids_.size(); ++i) {
            reap(i, false);
        }
        if (!failure_.empty()) {
            join();
        }
        usleep(200);
    }
    shared().go.store(1);
    futex_wake(shared().go);
}

void Crew::stop() noexcept { shared().stop.store(1); }

void Crew::kill_member(std::size_t index) noexcept {
    if (pids_[index] != 0) {
        kill(pids_[index], SIGKILL);
    }
}

void Crew::reap(std::size_t member, bool block) {
    int status = 0;
    if (pids_[member] == 0 || waitpid(pids_[member], &status, block ? 0 : WNOHANG) <= 0) {
        return;
    }
    pids_[member] = 0;
    if (status != 0) {
        failure_ = slot(member).error[0] != '\0' ? slot(member).error : "a process died";
        wrong_answer_ = !WIFEXITED(status) || WEXITSTATUS(status) != exit_not_run;
    }
}

void Crew::join() {
    if (!failure_.empty()) {  // the others may wait for the one that died
        for (std::size_t i = 0; i < pids_.size(); ++i) {
            kill_member(i);
        }
    }
    const std::string first = failure_;
    const bool first_wrong = wrong_answer_;
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        reap(i, true);
    }
    const std::string text = first.empty() ? failure_ : first;
    if (!text.empty()) {
        if (first.empty() ? wrong_answer_ : first_wrong) {
            throw WrongAnswer(text);
        }
        throw NotRun(text);
    }
}

double Crew::value(std::size_t member, std::size_t index) const noexcept {
    return slot(member).values[index];
}

double Crew::sum(std::size_t index) const noexcept {
    double total = 0;
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        total += value(i, index);
    }
    return total;
}

}  // namespace strata::bench

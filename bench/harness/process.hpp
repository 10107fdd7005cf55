// SPDX-License-Identifier: Apache-2.0
// Processes that start together, work, and hand numbers back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <sys/types.h>
#include <vector>

namespace strata::bench {

/// Zeroed memory that children of fork() share.
class SharedMemory {
public:
    explicit SharedMemory(std::size_t bytes);
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    ~SharedMemory();

    void* data() const noexcept { return data_; }

private:
    void* data_;
    std::size_t bytes_;
};

/// Children of fork(), each running `body`. The body prepares, calls `Member::ready_to_start`, and
/// works; usually until `Member::stopped`. Children die with their parent.
class Crew {
public:
    static constexpr std::size_t values_per_member = 8;

    /// A child's view of itself.
    class Member {
    public:
        std::size_t index() const noexcept { return index_; }
        /// Blocks (asleep) until everybody is ready and `start` was called.
        void ready_to_start();
        bool stopped() const noexcept;
        /// Blocks (asleep) until every member has come here. Once.
        void wait_for_all();
        /// A number for the parent.
        void report(std::size_t slot, double value) noexcept;

    private:
        friend class Crew;
        Member(Crew& crew, std::size_t index) : crew_(crew), index_(index) {}
        Crew& crew_;
        std::size_t index_;
    };

    Crew(std::size_t count, std::function<void(Member&)> body);
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    /// Kills and reaps whoever still runs.
    ~Crew();

    /// Waits until all are ready, then releases them. Throws what `join` throws if one died before.
    void start();
    void stop() noexcept;
    /// Waits for all. Throws NotRun or WrongAnswer with the text of a child's exception.
    void join();
    void kill_member(std::size_t index) noexcept;

    double value(std::size_t member, std::size_t slot) const noexcept;
    double sum(std::size_t slot) const noexcept;

private:
    struct Slot {
        double values[values_per_member];
        char error[240];
    };
    struct Shared {
        std::atomic<std::uint32_t> ready;
        std::atomic<std::uint32_t> go;
        std::atomic<std::uint32_t> stop;
        std::atomic<std::uint32_t> missing;  // of wait_for_all
    };
    Shared& shared() const noexcept { return *static_cast<Shared*>(memory_.data()); }
    Slot& slot(std::size_t member) const noexcept;
    [[noreturn]] void run_member(std::size_t index, const std::function<void(Member&)>& body);
    void reap(std::size_t member, bool block);

    SharedMemory memory_;
    std::vector<pid_t> pids_;  // 0: reaped
    std::string failure_;
    bool wrong_answer_ = false;
};

/// Raw futex calls on a word that processes share.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t while_it_is) noexcept;
void futex_wake(const std::atomic<std::uint32_t>& word) noexcept;

/// CPU seconds that the calling process has used.
double cpu_seconds() noexcept;

}  // namespace strata::bench

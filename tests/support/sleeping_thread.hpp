// SPDX-License-Identifier: Apache-2.0
// A thread that is known to sleep in the kernel.
#pragma once

#include <atomic>
#include <fstream>
#include <limits>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace strata::test {

/// Whether a thread of this process sleeps in the kernel.
inline bool is_asleep(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    file.ignore(std::numeric_limits<std::streamsize>::max(), ')');  // the name ends there
    std::string state;
    file >> state;
    return state == "S";
}

/// Runs `sleep`, which is to block in a system call; once constructed, it does, or has ended.
class SleepingThread {
public:
    template <class Sleep>
    explicit SleepingThread(Sleep sleep)
        : thread_([this, sleep = std::move(sleep)] {
              id_.store(static_cast<pid_t>(::syscall(SYS_gettid)));
              sleep();
              ended_.store(true);
          }) {
        while (!ended_.load() && (id_.load() == 0 || !is_asleep(id_.load()))) {
            std::this_thread::yield();
        }
    }
    SleepingThread(const SleepingThread&) = delete;
    SleepingThread& operator=(const SleepingThread&) = delete;
    ~SleepingThread() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    void join() { thread_.join(); }

private:
    std::atomic<pid_t> id_{0};
    std::atomic<bool> ended_{false};
    std::thread thread_;
};

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
// Telling a forked child from its parent, and forks at moments when other threads hold the
// library's process-wide locks.
#include "ipc/fork_hooks.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <sched.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sleeping_thread.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("a mark knows its process, not the child, nor the child's child") {
    const ipc::ProcessMark mark;
    const std::uint64_t forks = ipc::fork_count();
    CHECK(mark.of_this_process());
    Child child = Child::start([&](const Channel&) {
        STRATA_REQUIRE(!mark.of_this_process());
        STRATA_REQUIRE_EQ(ipc::fork_count(), forks + 1);
        const ipc::ProcessMark own;
        STRATA_REQUIRE(own.of_this_process());
        Child grandchild = Child::start([&](const Channel&) {
            STRATA_REQUIRE(!mark.of_this_process());
            STRATA_REQUIRE(!own.of_this_process());
        });
        STRATA_REQUIRE_EQ(grandchild.join(), "");
        STRATA_REQUIRE(own.of_this_process());
    });
    CHECK(child.join() == "");
    CHECK(mark.of_this_process());
    CHECK(ipc::fork_count() == forks);
}

TEST_CASE("a mark is not fooled by a child that has its parent's pid") {
    // The first process of a pid namespace is number 1 there; so is its child's in a further one.
    enum : int { as_expected = 0, fooled = 1, not_to_be_had = 77 };
    const auto exit_code_of = [](pid_t pid) {
        int status = 0;
        return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    };
    Child child = Child::start([&](const Channel& channel) {
        const auto in_new_namespace = [&](auto body) {
            if (::unshare(CLONE_NEWPID) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
                return static_cast<int>(not_to_be_had);
            }
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::_exit(body());
            }
            return exit_code_of(pid);
        };
        channel.send(static_cast<std::uint64_t>(in_new_namespace([&] {
            const ipc::ProcessMark mark;
            const pid_t own = ::getpid();
            return in_new_namespace([&] {
                return ::getpid() == own && !mark.of_this_process() ? as_expected : fooled;
            });
        })));
    });
    const auto result = static_cast<int>(child.receive());
    CHECK(child.join() == "");
    STRATA_SKIP_IF(result == not_to_be_had, "no pid namespaces to be had");
    CHECK(result == as_expected);
}

TEST_CASE("hooks run while they are registered; one that is not takes no other with it") {
    struct Hook final : ipc::ForkHook {
        int before = 0;
        int after = 0;
        void prepare_fork() noexcept override { ++before; }
        void parent_after_fork() noexcept override { ++after; }
        using ForkHook::register_hook;
        using ForkHook::unregister_hook;
    };
    const auto fork_once = [] {
        Child child = Child::start([](const Channel&) {});
        CHECK(child.join() == "");
    };
    Hook first;
    Hook second;
    Hook never;
    first.register_hook();
    second.register_hook();
    never.unregister_hook();
    fork_once();
    CHECK(never.before == 0);
    for (const Hook* hook : {&first, &second}) {
        CHECK(hook->before == 1);
        CHECK(hook->after == 1);
    }
    second.unregister_hook();
    second.unregister_hook();
    fork_once();
    CHECK(second.before == 1);
    CHECK(first.before == 2);
    first.unregister_hook();
    fork_once();
    CHECK(first.after == 2);
}

TEST_CASE("whichever hook goes, the others run: once each, in the child as well") {
    struct Hook final : ipc::ForkHook {
        int before = 0;
        int in_parent = 0;
        int in_child = 0;
        void prepare_fork() noexcept override { ++before; }
        void parent_after_fork() noexcept override { ++in_parent; }
        void child_after_fork() noexcept override { ++in_child; }
        using ForkHook::register_hook;
        using ForkHook::unregister_hook;
    };
    constexpr std::size_t count = 4;
    std::array<std::size_t, count> order{0, 1, 2, 3};
    do {
        std::array<Hook, count> hooks;
        for (Hook& hook : hooks) {
            hook.register_hook();
        }
        for (std::size_t gone = 0; gone <= count; ++gone) {
            std::array<int, count> expected{};
            for (std::size_t i = gone; i < count; ++i) {
                expected[order[i]] = 1;
            }
            const pid_t child = ::fork();
            if (child == 0) {
                bool right = true;
                for (std::size_t i = 0; i < count; ++i) {
                    right = right && hooks[i].before == expected[i] &&
                            hooks[i].in_child == expected[i] && hooks[i].in_parent == 0;
                }
                ::_exit(right ? 0 : 1);
            }
            int status = -1;
            REQUIRE(::waitpid(child, &status, 0) == child);
            REQUIRE(status == 0);
            for (std::size_t i = 0; i < count; ++i) {
                REQUIRE(hooks[i].before == expected[i]);
                REQUIRE(hooks[i].in_parent == expected[i]);
                REQUIRE(hooks[i].in_child == 0);
                hooks[i].before = hooks[i].in_parent = 0;
            }
            if (gone < count) {
                hooks[order[gone]].unregister_hook();
            }
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a fork waits until no thread holds a lock that the process has once") {
    const TempStore store;
    { const Producer producer = store.create(); }
    using Lock = ipc::ProcessLock;
    for (const Lock held : {Lock::fork_hooks, Lock::sessions, Lock::hazard_slots,
                            Lock::mapping_slots, Lock::mapped_ranges, Lock::fault_handler}) {
        CAPTURE(static_cast<int>(held));
        std::string failed = "not run";
        std::atomic<bool> forked{false};
        std::unique_lock lock(ipc::process_mutex(held));
        SleepingThread forking([&] {
            Child child = Child::start([&](const Channel&) {
                const std::unique_lock free(ipc::process_mutex(held), std::try_to_lock);
                STRATA_REQUIRE(free.owns_lock());
            });
            forked.store(true);
            failed = child.join();
        });
        CHECK_FALSE(forked.load());  // it sleeps: in fork, for the lock
        lock.unlock();
        forking.join();
        CHECK(failed == "");
        CHECK(store.attach().snapshot().generation() == 1);  // and everything is free here, too
    }
}

TEST_CASE("a child forked while others attach, look and detach finds every lock free") {
    STRATA_SKIP_IF(test::sanitized, "GCC 12's sanitizers do not survive forks beside threads");
    const TempStore store;
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put({1, 1}, "one");
        batch.put({2, 1}, "two");
        batch.crystallize();
    }
    const auto use = [&] {
        const ReadGuard guard;
        Consumer consumer = store.attach();
        const Snapshot first = consumer.snapshot();
        const Snapshot second = consumer.snapshot();
        return first.get({1, 1}).text() == "one" && second.get({2, 1}).text() == "two";
    };
    Child parent = Child::start([&](const Channel&) {
        std::atomic<bool> stop{false};
        std::atomic<bool> right{true};
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&] {
                while (!stop.load()) {
                    // A new thread each time: its slots are made, and end.
                    std::thread([&] { right = right && use(); }).join();
                }
            });
        }
        std::string failed;
        for (int i = 0; i < scaled(400, 20) && failed.empty(); ++i) {
            Child child = Child::start([&](const Channel&) { STRATA_REQUIRE(use()); });
            failed = child.join();  // "hung" if it does not come back
        }
        stop = true;
        for (std::thread& thread : threads) {
            thread.join();
        }
        STRATA_REQUIRE_EQ(failed, "");
        STRATA_REQUIRE(right.load());
    });
    CHECK(parent.join() == "");
}

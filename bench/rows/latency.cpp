// SPDX-License-Identifier: Apache-2.0
// From publishing in one process to seeing in another, one way.
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/harness/stats.hpp"
#include "bench/peers/channel.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

enum class Placement : unsigned char { one_core, two_cores };

struct Setting {
    const char* name;
    const char* title;
    Waiting waiting;
    Placement placement;
};

void busy_wait(std::int64_t ns) {
    const Stopwatch watch;
    while (watch.ns() < ns) {
        relax();
    }
}

/// One round: two fresh processes, `count` messages, each sent when the one before was confirmed
/// and the subscriber waits again. Returns the latencies in ns.
std::vector<double> exchange(Channel& channel, const Setting& setting, std::size_t count) {
    const bool asleep = setting.waiting == Waiting::asleep;
    const bool one_core = setting.placement == Placement::one_core;
    struct Shared {
        std::atomic<std::uint32_t> publisher_is_there;
        std::atomic<std::uint32_t> confirmed;
    };
    const SharedMemory words(sizeof(Shared));
    const SharedMemory samples(count * sizeof(double));
    auto& shared = *static_cast<Shared*>(words.data());
    auto* const latencies = static_cast<double*>(samples.data());

    const auto publish = [&](Crew::Member& member) {
        pin_to(0);
        const std::unique_ptr<Publisher> publisher = channel.publisher();
        shared.publisher_is_there.store(1);
        futex_wake(shared.publisher_is_there);
        member.ready_to_start();
        for (std::uint32_t serial = 1; serial <= count; ++serial) {
            // Time for the subscriber to wait again.
            if (one_core) {
                usleep(50);
            } else {
                busy_wait(asleep ? 60'000 : 3'000);
            }
            publisher->publish(serial);
            while (shared.confirmed.load(std::memory_order_acquire) != serial) {
                asleep ? futex_wait(shared.confirmed, serial - 1) : relax();
            }
        }
    };
    const auto subscribe = [&](Crew::Member& member) {
        pin_to(one_core ? 0 : 1);
        while (shared.publisher_is_there.load() == 0) {
            futex_wait(shared.publisher_is_there, 0);
        }
        const std::unique_ptr<Subscriber> subscriber = channel.subscriber();
        member.ready_to_start();
        for (std::uint32_t serial = 1; serial <= count; ++serial) {
            latencies[serial - 1] = static_cast<double>(subscriber->next());
            shared.confirmed.store(serial, std::memory_order_release);
            if (asleep) {
                futex_wake(shared.confirmed);
            }
        }
    };
    Crew crew(2, [&](Crew::Member& member) {
        member.index() == 0 ? publish(member) : subscribe(member);
    });
    crew.start();
    crew.join();
    return {latencies, latencies + count};
}

void measure(Context& context, const Setting& setting, const RouDi* roudi,
             const std::string& no_roudi) {
    const std::string name = std::string("latency/") + setting.name;
    const ScratchDirectory scratch(context, "latency");
    const bool asleep = setting.waiting == Waiting::asleep;
    const char* const raw = asleep ? "raw futex" : "raw atomic";
    const char* const iceoryx = asleep ? "iceoryx WaitSet" : "iceoryx polling";
    Row p50{.name = name, .title = std::string(setting.title) + ", median", .unit = "ns"};
    Row p99{.name = name + "/p99", .title = std::string(setting.title) + ", 99 %", .unit = "ns"};
    Row p999{
        .name = name + "/p99.9", .title = std::string(setting.title) + ", 99.9 %", .unit = "ns"};
    p50.at_most(1.5, "strata store to seen", raw);
    p50.at_most(1, "strata put to read", iceoryx);
    p50.notes.emplace_back(
        "store to seen: from the time stamp that the producer writes into the root record, just "
        "before it publishes it; put to read: the whole of put, crystallize, wake, snapshot, find");
    const std::size_t count = asleep ? 500 : 5000;
    const auto entrant = [&](const char* who, Role role,
                             std::function<std::unique_ptr<Channel>()> make) {
        p99.contestant(who, role);
        p999.contestant(who, role);
        return Entrant{who, role, [&, who, role, make = std::move(make)] {
                           const std::unique_ptr<Channel> channel = make();
                           const std::vector<double> all = exchange(*channel, setting, count);
                           if (!context.warming_up()) {
                               p99.value(who, role, quantile(all, 0.99));
                               p999.value(who, role, quantile(all, 0.999));
                           }
                           return median(all);
                       }};
    };
    std::vector<Entrant> entrants;
    entrants.push_back(entrant("strata store to seen", Role::strata, [&] {
        return strata_channel(scratch.path(), setting.waiting, Span::store_to_seen);
    }));
    entrants.push_back(entrant("strata put to read", Role::strata, [&] {
        return strata_channel(scratch.path(), setting.waiting, Span::put_to_read);
    }));
    entrants.push_back(entrant(iceoryx, Role::peer, [&] {
        if (roudi == nullptr) {
            throw NotRun(no_roudi);
        }
        return iceoryx_channel(setting.waiting);
    }));
    entrants.push_back(entrant(raw, Role::ceiling, [&] { return raw_channel(setting.waiting); }));
    run_rounds(context, p50, entrants);
    p99.others_busy = p999.others_busy = p50.others_busy;
    context.finish(std::move(p50));
    context.finish(std::move(p99));
    context.finish(std::move(p999));
}

}  // namespace

void run_latency(Context& context) {
    constexpr Setting settings[] = {
        {"spinning", "publish to seen by a process that polls, two cores", Waiting::spinning,
         Placement::two_cores},
        {"waiting/one_core", "publish to seen by a process that sleeps, both on one core",
         Waiting::asleep, Placement::one_core},
        {"waiting/two_cores", "publish to seen by a process that sleeps on another core",
         Waiting::asleep, Placement::two_cores},
    };
    const ScratchDirectory scratch(context, "roudi");
    std::unique_ptr<RouDi> roudi;
    std::string no_roudi;
    try {
        roudi = std::make_unique<RouDi>(scratch.path() / "log");
    } catch (const NotRun& reason) {
        no_roudi = reason.what();
    }
    for (const Setting& setting : settings) {
        if (!context.wants(std::string("latency/") + setting.name)) {
            continue;
        }
        if (setting.placement == Placement::two_cores && usable_cpus().size() < 2) {
            Row row{.name = std::string("latency/") + setting.name, .unit = "ns"};
            row.not_run("strata store to seen", Role::strata, "there is only one CPU");
            context.finish(std::move(row));
            continue;
        }
        measure(context, setting, roudi.get(), no_roudi);
    }
}

}  // namespace strata::bench

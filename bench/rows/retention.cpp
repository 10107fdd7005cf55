// SPDX-License-Identifier: Apache-2.0
// What retained generations cost: each commit, taking an earlier one, the producer's heap.
#include <malloc.h>
#include <string>
#include <vector>

#include "bench/harness/clock.hpp"
#include "bench/harness/workload.hpp"
#include "bench/rows/groups.hpp"
#include <strata/strata.hpp>

namespace strata::bench {

namespace {

constexpr std::uint64_t layers = 10'000;
constexpr std::uint32_t most_retained = 10'000;

std::uint64_t heap_in_use() { return ::mallinfo2().uordblks; }

/// A store of 10,000 layers of 256 bytes, the producer of which retains so many generations, and
/// has published more than that.
class RetainingStore {
public:
    RetainingStore(const Context& context, std::uint32_t retain, std::uint64_t layers_each = 1)
        : scratch_(context, "retention"),
          producer_(Producer::create(
              "bench", {.base_path = scratch_.path(), .memory_limit = 1_GiB, .retain = retain})),
          batch_(producer_.batch()),
          consumer_(Consumer::attach("bench", {.base_path = scratch_.path()})) {
        commit(layers);
        const std::uint64_t before = heap_in_use();
        for (std::uint32_t i = 0; i < retain; ++i) {
            commit(layers_each);
        }
        heap_bytes_ = heap_in_use() - before;
    }

    void commit(std::uint64_t count = 1) {
        for (std::uint64_t i = 0; i < count; ++i) {
            batch_.put({1, next_++ * 7919 % layers}, payload_);
        }
        batch_.crystallize();
    }
    /// What the generations that are retained have added to the heap.
    std::uint64_t heap_bytes() const noexcept { return heap_bytes_; }
    Generation generation() const noexcept { return producer_.generation(); }
    Consumer& consumer() noexcept { return consumer_; }

private:
    ScratchDirectory scratch_;
    std::vector<std::byte> payload_{256};
    Producer producer_;
    Batch batch_;
    Consumer consumer_;
    std::uint64_t next_ = 0;
    std::uint64_t heap_bytes_ = 0;
};

template <class Work>
double ns_each(double seconds, Work&& work) {
    constexpr std::uint64_t at_once = 64;
    const CpuStopwatch watch;
    std::uint64_t repeats = 0;
    do {
        for (std::uint64_t i = 0; i < at_once; ++i) {
            work();
        }
        repeats += at_once;
    } while (watch.seconds() < seconds);
    return static_cast<double>(watch.ns()) / static_cast<double>(repeats);
}

void commits(Context& context, const std::string& name) {
    Row row{.name = name,
            .title = "commit of one layer among 10,000, so many generations retained",
            .unit = "ns"};
    RetainingStore none(context, 0);
    RetainingStore few(context, 254);
    RetainingStore many(context, most_retained);
    std::vector<Entrant> entrants;
    const auto add = [&](const char* who, RetainingStore& store) {
        entrants.push_back({who, Role::strata, [&context, &store] {
                                return ns_each(context.round_seconds(), [&] { store.commit(); });
                            }});
    };
    add("none", none);
    add("254 retained", few);
    add("10,000 retained", many);
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void takes(Context& context, const std::string& name) {
    Row row{
        .name = name, .title = "take a retained generation by number, release it", .unit = "ns"};
    RetainingStore store(context, most_retained);
    std::vector<Entrant> entrants;
    for (const Generation back :
         {Generation{1}, Generation{250}, Generation{1000}, Generation{most_retained}}) {
        entrants.push_back({std::to_string(back) + " ago", Role::strata, [&, back] {
                                return ns_each(context.round_seconds(), [&] {
                                    const Generation wanted = store.generation() - back;
                                    const Snapshot taken = store.consumer().snapshot(wanted);
                                    if (taken.generation() != wanted) {
                                        throw WrongAnswer("another generation");
                                    }
                                });
                            }});
    }
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void heap(Context& context, const std::string& name) {
    Row row{.name = name,
            .title = "the producer's heap for each retained generation of so many layers",
            .unit = "B"};
    for (const std::uint64_t each : {std::uint64_t{1}, std::uint64_t{100}}) {
        constexpr std::uint32_t retain = 1000;
        const RetainingStore store(context, retain, each);
        row.value(std::to_string(each), Role::strata,
                  static_cast<double>(store.heap_bytes()) / retain);
    }
    context.finish(std::move(row));
}

}  // namespace

void run_retention(Context& context) {
    if (context.wants("retention/commit")) {
        commits(context, "retention/commit");
    }
    if (context.wants("retention/take")) {
        takes(context, "retention/take");
    }
    if (context.wants("retention/heap")) {
        heap(context, "retention/heap");
    }
}

}  // namespace strata::bench

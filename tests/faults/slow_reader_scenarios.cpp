// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>

#include "tests/faults/scenarios.hpp"
#include "tests/faults/writer.hpp"

namespace strata::test {

namespace {

// A held snapshot, and commits up to the limit and beyond: they end in limit_exceeded, or not.
void at_the_limit(Subject& self, SlowReaderPolicy policy) {
    const auto until_full = [](Producer& producer) {
        Batch batch = producer.batch();
        try {
            for (std::uint64_t i = 0; i < 12; ++i) {
                batch.put({30, i % 3}, payload_of(i, 0, 100'000));
                batch.crystallize();
            }
        } catch (const Error& error) {
            if (error.code() != Errc::limit_exceeded) {
                throw;
            }
        }
    };
    Writer writer(self);
    writer.options.memory_limit = 2_MiB;
    writer.options.slow_readers = {.max_age = std::chrono::nanoseconds(1),
                                   .max_epochs = 1,
                                   .max_held_bytes = 1,
                                   .on_slow_reader = [](const SlowReader&) {},
                                   .policy = policy,
                                   .wait = std::chrono::milliseconds(3)};
    writer.open();
    self.must("fill", [&] { until_full(writer.producer()); });
    self.request(Request::hold);
    self.arm();
    writer.step("past the limit", [&] { until_full(writer.producer()); });
    writer.step("past the limit again", [&] { until_full(writer.producer()); });
    self.request(Request::release);
    writer.step("with room", [&] { until_full(writer.producer()); });
    self.heal();
    self.must("end", [&] {
        Batch batch = writer.producer().batch();
        batch.remove_dimension(30);
        batch.crystallize();
        writer.close();
    });
    writer.prove();
}

}  // namespace

std::vector<Scenario> slow_reader_scenarios() {
    return {
        {.name = "slow-fail",
         .run = [](Subject& self) { at_the_limit(self, SlowReaderPolicy::fail); }},
        {.name = "slow-wait",
         .run = [](Subject& self) { at_the_limit(self, SlowReaderPolicy::wait); }},
        {.name = "slow-relocate",
         .run = [](Subject& self) { at_the_limit(self, SlowReaderPolicy::relocate); }},
    };
}

}  // namespace strata::test

// SPDX-License-Identifier: Apache-2.0
// What a user compiles of the headers: calls into the libraries, and functions that each program
// that includes them has a copy of.
#include <unordered_set>

#include <strata/strata.hpp>

#ifndef STRATA_VERSION
#error "strata.hpp does not bring version.hpp"
#endif

struct Quote {
    double bid = 0;
};

void publish(const std::string& name) {
    auto producer = strata::Producer::open_or_create(name);
    strata::Batch batch = producer.batch();
    batch.put({1, 5}, "joy", {.frequency = 1.5, .keywords = {"emotion"}});
    batch.put_value({1, 6}, Quote{1.5});
    batch.crystallize();
    strata::Crystallizer crystallizer(producer);
}

double read(const std::string& name, std::unordered_set<strata::LayerId>& seen) {
    strata::Result<strata::Consumer> consumer = strata::Consumer::attach(std::nothrow, name);
    strata::Snapshot before;
    strata::Snapshot snapshot = consumer->snapshot();
    for (const strata::Layer& layer : snapshot.dimension(1)) {
        seen.insert(layer.id());
    }
    for (const strata::Change& change : strata::changes(before, snapshot)) {
        seen.insert(change.id);
    }
    const auto found = snapshot.in(1).find(6);
    return found && strata::verify(snapshot).failures.empty() ? found->as<Quote>().bid : 0;
}

std::uint32_t search(const std::string& folder) {
    const strata::MappedDirectory index(folder);
    strata::MappedInput input = index.open("terms", {.context = strata::ReadContext::look_up});
    return input.read_u32_le() + static_cast<std::uint32_t>(input.view(4, 8).size());
}

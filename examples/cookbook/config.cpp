// SPDX-License-Identifier: Apache-2.0
// Configuration: named texts that belong together. Readers see all of a change or nothing of it,
// and are told what changed; an earlier state can be read and published again.
#include <iostream>
#include <string>

#include <strata/strata.hpp>

namespace {

constexpr strata::Dimension config = 1;

void print(const strata::Snapshot& snapshot) {
    std::cout << "generation " << snapshot.generation() << ':';
    for (const strata::Layer& layer : snapshot.dimension(config)) {
        std::cout << ' ' << layer.name() << '=' << layer.text();
    }
    std::cout << '\n';
}

}  // namespace

int main() try {
    // The process that owns the configuration. Three earlier generations stay readable.
    auto producer = strata::Producer::create("cookbook-config", {.retain = 3, .replace = true});
    auto batch = producer.batch();
    batch.add_dimension(config, "config");
    batch.put(config, "url", "db-1.internal");
    batch.put(config, "timeout", "30s");
    const strata::Generation good = batch.crystallize();

    // Any other process.
    auto consumer = strata::Consumer::attach("cookbook-config");
    strata::Snapshot before = consumer.snapshot();
    print(before);

    batch.put(config, "url", "db-2.internal");  // both or neither
    batch.put(config, "timeout", "5s");
    batch.crystallize();

    const strata::Snapshot now = consumer.snapshot();
    for (const strata::Change& change : strata::changes(before, now, config)) {
        std::cout << "changed: " << change.after.name() << " from " << change.before.text()
                  << " to " << change.after.text() << '\n';
    }
    print(now);

    // That was a mistake: what the good generation had is published again.
    const strata::Snapshot old = consumer.snapshot(good);
    for (const strata::Layer& layer : old.dimension(config)) {
        batch.put(config, layer.name(), layer.text());
    }
    batch.crystallize();
    print(consumer.snapshot());
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

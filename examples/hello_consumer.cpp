// SPDX-License-Identifier: Apache-2.0
// Prints every layer, then whatever changes, until the producer is gone. Start it first or second.
#include <chrono>
#include <iostream>

#include <strata/strata.hpp>

int main() try {
    using namespace std::chrono_literals;
    auto consumer = strata::Consumer::attach("hello", {.wait_for_store = 60s});
    strata::Snapshot seen;  // empty: everything is new
    do {
        strata::Snapshot now = consumer.snapshot();
        for (const strata::Change& change : strata::changes(seen, now)) {
            std::cout << now.generation() << ": layer " << change.id.layer << " of dimension "
                      << change.id.dimension << " = " << change.after.text() << std::endl;
        }
        seen = now;
    } while (consumer.wait(seen.generation(), 60s) == strata::WaitResult::changed);
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

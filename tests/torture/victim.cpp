// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/victim.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <unistd.h>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/torture/crash_points.hpp"

// Forked consumers go on using a store that has a thread.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }

// The leak checker is a process of its own, which would outlive a victim that is killed at its end.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

namespace strata::test {

void judge(Ledger& ledger, const World::Verdict& verdict, std::string_view who) {
    if (verdict) {
        complain(ledger, std::string(who).append(": ").append(verdict.text));
        ::_exit(3);
    }
    ledger.layers.fetch_add(verdict.layers);
}

}  // namespace strata::test

int main(int argc, char** argv) {
    using namespace strata::test;
    Ledger* ledger = nullptr;
    try {
        const Orders orders = orders_of({argv + 1, argv + argc});
        ledger = &map_ledger(orders.ledger);
        ::close(orders.ledger);
        arm(*ledger, orders.point, orders.hit);
        if (orders.role == "produce") {
            produce(orders, *ledger);
        } else if (orders.role == "consume") {
            consume(orders, *ledger);
        } else if (orders.role == "back up") {
            if constexpr (with_backups) {
                back_up(orders, *ledger);
            }
        } else {
            settle(orders, *ledger);
        }
        return 0;
    } catch (const std::exception& error) {
        const std::string text =
            std::string(argc > 1 ? argv[1] : "?").append(": ").append(error.what());
        if (ledger != nullptr) {
            complain(*ledger, text);
        } else {
            std::fprintf(stderr, "%s\n", text.c_str());
        }
        return 4;
    }
}

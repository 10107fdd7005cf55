// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/arguments.hpp"

#include "tests/support/process.hpp"

namespace strata::test {

std::vector<std::string> words_of(const Orders& orders) {
    return {orders.role,
            orders.base,
            std::to_string(orders.ledger),
            std::to_string(static_cast<unsigned>(orders.place)),
            std::to_string(orders.seed),
            std::to_string(orders.steps),
            orders.point,
            std::to_string(orders.hit)};
}

Orders orders_of(const std::vector<std::string>& words) {
    if (words.size() != 8) {
        throw Failure("usage: ROLE BASE LEDGER PLACE SEED STEPS POINT HIT (started by torture)");
    }
    return {.role = words[0],
            .base = words[1],
            .ledger = std::stoi(words[2]),
            .place = static_cast<Place>(std::stoul(words[3])),
            .seed = std::stoull(words[4]),
            .steps = std::stoull(words[5]),
            .point = words[6],
            .hit = std::stoull(words[7])};
}

}  // namespace strata::test

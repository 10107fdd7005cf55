// SPDX-License-Identifier: Apache-2.0
// The processes that are tortured. Each ends by itself at some time, unless it is killed before.
#pragma once

#include <string_view>

#include "tests/torture/arguments.hpp"
#include "tests/torture/ledger.hpp"
#include "tests/torture/world.hpp"
#include <strata/strata.hpp>

namespace strata::test {

void produce(const Orders& orders, Ledger& ledger);
void consume(const Orders& orders, Ledger& ledger);
/// Backs a lasting store up beside its producer, restores what it has, and compares that. Only
/// `with_backups`.
void back_up(const Orders& orders, Ledger& ledger);
/// The last producer of a round of killing: works until all consumers are gone, then draws up the
/// balance.
void settle(const Orders& orders, Ledger& ledger);

/// The salt of a store's contents. That of a brief store changes with each of its lives.
inline constexpr std::uint64_t lasting_salt = 0x5A17;

constexpr std::uint64_t region_max_bytes(Place place) noexcept {
    return place == Place::tight ? 512_KiB : 16_MiB;
}
constexpr std::uint64_t memory_limit(Place place) noexcept {
    return place == Place::tight ? 3_MiB : 48_MiB;
}
constexpr Stamps stamps_of(Place place) noexcept {
    return place == Place::tight ? Stamps::later : Stamps::expected;
}

/// Counts a verdict; if it is bad, notes it and ends the process.
void judge(Ledger& ledger, const World::Verdict& verdict, std::string_view who);

}  // namespace strata::test

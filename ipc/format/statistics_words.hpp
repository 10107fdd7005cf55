// SPDX-License-Identifier: Apache-2.0
// The one list of the numbers that a store's files keep for people: what dumps call each, its word
// in the file (layout.hpp) and its field in <strata/statistics.hpp>. A number that is added here is
// read and dumped; producer/statistics/ writes it.
#pragma once

#include <array>
#include <cstdint>

#include "ipc/format/atomic_word.hpp"
#include "ipc/format/layout.hpp"
#include "strata/statistics.hpp"

namespace strata::ipc {

template <class Words, class Fields>
struct StatisticsWord {
    const char* name;
    std::uint64_t Words::*word;
    std::uint64_t Fields::*field;
};

inline constexpr auto store_words = std::to_array<StatisticsWord<ControlStats, StoreStatistics>>({
    {"memory_limit", &ControlStats::memory_limit, &StoreStatistics::memory_limit},
    {"committed_bytes", &ControlStats::committed_bytes, &StoreStatistics::committed_bytes},
    {"warning_bytes", &ControlStats::warning_bytes, &StoreStatistics::warning_bytes},
    {"limbo_unscanned_bytes", &ControlStats::limbo_unscanned_bytes,
     &StoreStatistics::limbo_unscanned_bytes},
    {"limbo_held_bytes", &ControlStats::limbo_held_bytes, &StoreStatistics::limbo_held_bytes},
    {"history_bytes", &ControlStats::history_bytes, &StoreStatistics::history_bytes},
    {"retired_file_bytes", &ControlStats::retired_file_bytes, &StoreStatistics::retired_file_bytes},
    {"commits", &ControlStats::commits, &StoreStatistics::commits},
    {"recovered_blocks", &ControlStats::recovered_blocks, &StoreStatistics::recovered_blocks},
    {"allocations", &ControlStats::allocations, &StoreStatistics::allocations},
    {"deallocations", &ControlStats::deallocations, &StoreStatistics::deallocations},
    {"allocation_failures", &ControlStats::allocation_failures,
     &StoreStatistics::allocation_failures},
    {"reclaims", &ControlStats::reclaims, &StoreStatistics::reclaims},
    {"relocations", &ControlStats::relocations, &StoreStatistics::relocations},
    {"sampled_peak_readers", &ControlStats::peak_readers, &StoreStatistics::sampled_peak_readers},
});

inline constexpr auto memory_words = std::to_array<StatisticsWord<MemoryStats, MemoryStatistics>>({
    {"updated_generation", &MemoryStats::generation, &MemoryStatistics::updated_generation},
    {"managed_bytes", &MemoryStats::managed_bytes, &MemoryStatistics::managed_bytes},
    {"committed_bytes", &MemoryStats::committed_bytes, &MemoryStatistics::committed_bytes},
    {"hole_bytes", &MemoryStats::hole_bytes, &MemoryStatistics::hole_bytes},
    {"used_blocks", &MemoryStats::used_blocks, &MemoryStatistics::used_blocks},
    {"used_bytes", &MemoryStats::used_bytes, &MemoryStatistics::used_bytes},
    {"requested_bytes", &MemoryStats::requested_bytes, &MemoryStatistics::requested_bytes},
    {"slab_bytes", &MemoryStats::slab_bytes, &MemoryStatistics::slab_bytes},
    {"runs", &MemoryStats::runs, &MemoryStatistics::runs},
    {"run_bytes", &MemoryStats::run_bytes, &MemoryStatistics::run_bytes},
    {"free_runs", &MemoryStats::free_runs, &MemoryStatistics::free_runs},
    {"free_bytes", &MemoryStats::free_bytes, &MemoryStatistics::free_bytes},
    {"largest_free_bytes", &MemoryStats::largest_free_bytes, &MemoryStatistics::largest_free_bytes},
});

inline constexpr auto pool_words =
    std::to_array<StatisticsWord<MemoryStats::Pool, PoolStatistics>>({
        {"block_bytes", &MemoryStats::Pool::block_bytes, &PoolStatistics::block_bytes},
        {"used_blocks", &MemoryStats::Pool::used_blocks, &PoolStatistics::used_blocks},
        {"used_bytes", &MemoryStats::Pool::used_bytes, &PoolStatistics::used_bytes},
        {"requested_bytes", &MemoryStats::Pool::requested_bytes, &PoolStatistics::requested_bytes},
        {"slab_bytes", &MemoryStats::Pool::slab_bytes, &PoolStatistics::slab_bytes},
        {"free_blocks", &MemoryStats::Pool::free_blocks, &PoolStatistics::free_blocks},
        {"available_blocks", &MemoryStats::Pool::available_blocks,
         &PoolStatistics::available_blocks},
    });

inline constexpr auto size_class_words =
    std::to_array<StatisticsWord<MemoryStats::SizeClass, SizeClassStatistics>>({
        {"block_bytes", &MemoryStats::SizeClass::block_bytes, &SizeClassStatistics::block_bytes},
        {"used_blocks", &MemoryStats::SizeClass::used_blocks, &SizeClassStatistics::used_blocks},
        {"free_blocks", &MemoryStats::SizeClass::free_blocks, &SizeClassStatistics::free_blocks},
        {"slabs", &MemoryStats::SizeClass::slabs, &SizeClassStatistics::slabs},
    });

/// Relaxed, both: advisory numbers of no common moment.
template <class List, class Words, class Fields>
void load_words(const List& list, const Words& words, Fields& fields) noexcept {
    for (const auto& entry : list) {
        fields.*entry.field = load_relaxed(words.*entry.word);
    }
}
template <class List, class Words, class Fields>
void save_words(const List& list, const Fields& fields, Words& words) noexcept {
    for (const auto& entry : list) {
        store_relaxed(words.*entry.word, fields.*entry.field);
    }
}

}  // namespace strata::ipc

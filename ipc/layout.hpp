// SPDX-License-Identifier: Apache-2.0
// Every byte that processes share, and nothing else. docs/format.md is kept equal to this file.
// Little-endian fixed-width integers, no pointers, no bool, no padding. Offsets count from the
// start of the file; 0 is never the offset of a block.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "strata/types.hpp"

namespace strata::ipc {

static_assert(std::endian::native == std::endian::little,
              "shared integers are little-endian and are used in place");

inline constexpr std::uint64_t control_magic = 0x31434154'41525453;  // "STRATAC1"
inline constexpr std::uint64_t region_magic = 0x31524154'41525453;   // "STRATAR1"
inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint32_t byte_order_mark = 0x0A0B0C0D;
inline constexpr std::uint32_t foreign_byte_order_mark = 0x0D0C0B0A;

inline constexpr std::uint64_t page_bytes = 4096;
inline constexpr std::uint64_t block_unit = 64;  // all blocks start at multiples of it
inline constexpr std::uint64_t header_bytes =
    page_bytes;  // both file kinds; blocks start behind it
inline constexpr std::uint64_t max_control_bytes = std::uint64_t{16} << 30;

/// Start of control.mmap. Written once, before the store gets its name.
///
///   0        8             12          16        20        24          40
///   | magic  | version u32 | order u32 | hdr u32 | page u32| store_id  | region_max u64
///   48            56               64             120
///   | control_max | created_at_ns  | reserved 7x8 | checksum (XXH3-64 of bytes 0..119)
struct ControlIdentity {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint32_t header_bytes;
    std::uint32_t page_bytes;
    std::uint64_t store_id[2];  // random; every region file carries it too
    std::uint64_t region_max_bytes;
    std::uint64_t control_max_bytes;
    std::int64_t created_at_ns;  // CLOCK_REALTIME
    std::uint64_t reserved[7];
    std::uint64_t checksum;
};
static_assert(sizeof(ControlIdentity) == 128 && offsetof(ControlIdentity, checksum) == 120);

/// The only mutable words that readers look at; one cache line, at offset 128 of control.mmap.
/// Accessed only through the functions of atomic_word.hpp.
struct ControlCells {
    std::uint64_t root;        // offset of the current RootRecord in control.mmap
    std::uint64_t generation;  // its generation; stored after `root`; low half is a futex word
    std::uint64_t epoch;       // reclamation clock; low half is a futex word
    std::uint64_t reserved[5];
};
static_assert(sizeof(ControlCells) == 64);

inline constexpr std::uint64_t cells_offset = 128;

/// What the producer tells about itself: at 256 of control.mmap. Advisory: single words, written
/// with relaxed stores, of no common moment, checked by nobody. All zero: never written. Counters
/// count from the producer's start.
///
///   256         264        272         280    288     296           304           312
///   | updated_at| generation| committed | live | layers| limbo_fresh | limbo_parked| commits
///   320           328          336         344        352       360       368
///   | allocations | deallocations| failures | started_at| limit   | warning | history_bytes
///   376           384       392          400         408           416         424        432 -
///   511 | retired_file| reclaims| relocations| pin_epoch | pin_since   | peak_rdrs | dimensions|
///   reserved
struct ControlStats {
    // Written by every commit: two cache lines.
    std::uint64_t updated_at_ns;  // CLOCK_REALTIME
    std::uint64_t generation;
    std::uint64_t committed_bytes;
    std::uint64_t live_bytes;
    std::uint64_t layers;
    std::uint64_t limbo_fresh_bytes;
    std::uint64_t limbo_parked_bytes;
    std::uint64_t commits;
    std::uint64_t allocations;
    std::uint64_t deallocations;
    std::uint64_t allocation_failures;
    // Written now and then.
    std::uint64_t started_at_ns;  // CLOCK_REALTIME
    std::uint64_t memory_limit;
    std::uint64_t warning_bytes;
    std::uint64_t history_bytes;
    std::uint64_t retired_file_bytes;
    std::uint64_t reclaims;
    std::uint64_t relocations;
    std::uint64_t oldest_pinned_epoch;     // at the last reclaim; 0: none
    std::uint64_t oldest_pinned_since_ns;  // when the epoch moved on from it; CLOCK_REALTIME
    std::uint64_t peak_readers;
    std::uint64_t dimensions;
    std::uint64_t reserved[10];
};
static_assert(sizeof(ControlStats) == 256 && offsetof(ControlStats, started_at_ns) == 88 &&
              offsetof(ControlStats, reserved) == 176);

inline constexpr std::uint64_t control_stats_offset = 256;
inline constexpr std::size_t stats_pools = 5;     // up to 4, 16, 64, 256 KiB, and larger
inline constexpr std::size_t stats_classes = 28;  // size classes of slabs; some unused

/// Where the memory of one file is: at 1024 of a region, at 512 of control.mmap. Advisory as
/// ControlStats is; rewritten as a whole now and then.
///
///   0           8           16      24         32    40           48          56          64
///   | updated_at| generation| managed| committed| hole| used_blocks| used_bytes| requested | slab
///   72    80         88         96          104           112 - 127
///   | runs| run_bytes| free_runs| free_bytes| largest_free| reserved
///   128 - 447: 5 pools of 64 bytes          448 - 1343: 28 size classes of 32 bytes
struct MemoryStats {
    struct Pool {
        std::uint64_t block_bytes;  // largest; 0: no bound
        std::uint64_t used_blocks;
        std::uint64_t used_bytes;
        std::uint64_t requested_bytes;
        std::uint64_t slab_bytes;
        std::uint64_t free_blocks;       // in slabs
        std::uint64_t available_blocks;  // of block_bytes, in free pages
        std::uint64_t reserved;
    };
    struct SizeClass {
        std::uint64_t block_bytes;
        std::uint64_t used_blocks;
        std::uint64_t free_blocks;
        std::uint64_t slabs;
    };
    std::uint64_t updated_at_ns;  // CLOCK_REALTIME
    std::uint64_t generation;
    std::uint64_t managed_bytes;
    std::uint64_t committed_bytes;
    std::uint64_t hole_bytes;
    std::uint64_t used_blocks;
    std::uint64_t used_bytes;
    std::uint64_t requested_bytes;
    std::uint64_t slab_bytes;
    std::uint64_t runs;
    std::uint64_t run_bytes;
    std::uint64_t free_runs;
    std::uint64_t free_bytes;
    std::uint64_t largest_free_bytes;
    std::uint64_t reserved[2];
    Pool pools[stats_pools];
    SizeClass classes[stats_classes];
};
static_assert(sizeof(MemoryStats) == 1344 && offsetof(MemoryStats, pools) == 128 &&
              offsetof(MemoryStats, classes) == 448);

inline constexpr std::uint64_t control_memory_offset = 512;
inline constexpr std::uint64_t region_memory_offset = 1024;

inline constexpr std::uint64_t history_offset = 2048;
inline constexpr std::uint64_t history_slots =
    256;  // slot g % 256: root offset of generation g, or 0
static_assert(history_offset + history_slots * 8 == header_bytes);
static_assert(control_stats_offset + sizeof(ControlStats) <= control_memory_offset &&
              control_memory_offset + sizeof(MemoryStats) <= history_offset &&
              region_memory_offset + sizeof(MemoryStats) <= header_bytes);

/// One published generation. A block of control.mmap; immutable.
struct RootRecord {
    std::uint64_t generation;
    std::uint64_t directory;  // entry word: dimension number -> DimensionRecord
    std::uint32_t directory_levels;
    std::uint32_t dimensions;
    std::uint64_t layers;
    std::uint64_t live_bytes;         // blocks that this generation reaches, all files
    std::uint64_t committed_bytes;    // all files
    std::uint64_t control_bytes;      // committed size of control.mmap
    std::int64_t published_at_ns;     // CLOCK_REALTIME
    std::uint64_t layout_generation;  // last generation that added or removed a region file
    std::uint64_t oldest_retained;    // generations from here on can be asked for
    std::uint64_t next_serial;        // region files get ever new numbers
    std::uint64_t epoch;              // epoch in which it was published
    std::uint64_t memory_limit;
    std::uint64_t reserved[2];
    std::uint64_t checksum;  // XXH3-64 of bytes 0..119
};
static_assert(sizeof(RootRecord) == 128 && offsetof(RootRecord, checksum) == 120);

/// One dimension in one generation. A block of control.mmap; immutable. Its first word is its key,
/// as in a layer block, so that one trie serves both.
struct DimensionRecord {
    std::uint64_t dimension;
    std::uint64_t serial;  // names the region file: region-<dimension>-<serial>.mmap
    std::uint64_t index;   // entry word: layer number -> layer block
    std::uint32_t index_levels;
    std::uint32_t name_bytes;
    std::uint64_t layers;
    std::uint64_t live_bytes;       // blocks reached in the region, index included
    std::uint64_t committed_bytes;  // size of the region file when this was published
    std::uint64_t generation;       // that changed this dimension last
    char name[56];
    std::uint64_t checksum;  // XXH3-64 of bytes 0..119
};
static_assert(sizeof(DimensionRecord) == 128 && offsetof(DimensionRecord, checksum) == 120);
static_assert(sizeof(DimensionRecord::name) > max_dimension_name_bytes);

/// Start of a region file. Written once.
struct RegionHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint64_t store_id[2];
    std::uint64_t serial;
    std::uint32_t dimension;
    std::uint32_t reserved0;
    std::uint64_t max_bytes;
    std::int64_t created_at_ns;
    std::uint64_t reserved[7];
    std::uint64_t checksum;  // XXH3-64 of bytes 0..119
};
static_assert(sizeof(RegionHeader) == 128 && offsetof(RegionHeader, checksum) == 120);

/// Start of a layer block; the payload follows at +64, the metadata at +64 + (payload rounded up to
/// 8).
///
///   0      8              16           24        32             36                   40
///   | layer| payload_bytes| frequency  | type_tag| dimension u32| metadata_bytes u32 | generation
///   48        56                 60
///   | checksum| alignment u32    | reserved u32
///
/// Metadata (absent if metadata_bytes is 0):
///   u32 name_bytes, u32 keywords, name, then per keyword: u32 bytes, the bytes. No alignment.
struct LayerHeader {
    std::uint64_t layer;
    std::uint64_t payload_bytes;
    double frequency;
    std::uint64_t type_tag;
    std::uint32_t dimension;
    std::uint32_t metadata_bytes;
    std::uint64_t generation;  // not covered by the checksum: known only when published
    std::uint64_t checksum;    // see checksum.hpp
    std::uint32_t alignment;   // 64..4096; the block's allocation starts (alignment - 64) before it
    std::uint32_t reserved;
};
static_assert(sizeof(LayerHeader) == 64 && alignof(LayerHeader) == 8);

/// Index: a trie of 6 bits a level over 64-bit keys, most significant digit first; `levels` digits
/// are used (0 for an empty or single-layer index). A node is 64 entry words (array node) or a
/// bitmap word followed by one entry word per set bit (bitmap node).
///
/// Entry word:  bits 0-1 kind | 2-4 alignment, layers only | 5 zero | 6-39 offset (a multiple of
/// 64) |
///              40-63 size, layers only
///   kind 0: nothing (the whole word is 0)
///   kind 1: a layer (in the directory: a DimensionRecord); size = payload bytes, or 0xFFFFFF: look
///           into the header. Above the lowest level the key has to be compared with the header's.
///   kind 2: an array node     kind 3: a bitmap node
inline constexpr unsigned index_bits = 6;
inline constexpr unsigned index_fanout = 64;
inline constexpr unsigned max_index_levels = 11;
inline constexpr std::uint64_t array_node_bytes = index_fanout * 8;

enum class EntryKind : std::uint32_t { nothing = 0, layer = 1, array_node = 2, bitmap_node = 3 };

inline constexpr std::uint64_t entry_offset_mask = 0xFF'FFFF'FFC0;
inline constexpr std::uint64_t entry_size_unknown = 0xFF'FFFF;

constexpr EntryKind entry_kind(std::uint64_t word) noexcept {
    return static_cast<EntryKind>(word & 3);
}
constexpr std::uint64_t entry_offset(std::uint64_t word) noexcept {
    return word & entry_offset_mask;
}
constexpr std::uint64_t entry_size(std::uint64_t word) noexcept { return word >> 40; }
constexpr std::uint64_t node_entry(EntryKind kind, std::uint64_t offset) noexcept {
    return offset | static_cast<std::uint64_t>(kind);
}
/// The payload's alignment: 64 << bits 2-4.
constexpr std::uint64_t entry_alignment(std::uint64_t word) noexcept {
    return block_unit << ((word >> 2) & 7);
}
constexpr std::uint64_t layer_entry(std::uint64_t offset, std::uint64_t payload_bytes,
                                    std::uint64_t alignment = block_unit) noexcept {
    const std::uint64_t size =
        payload_bytes < entry_size_unknown ? payload_bytes : entry_size_unknown;
    const auto code = static_cast<std::uint64_t>(std::countr_zero(alignment / block_unit));
    return (size << 40) | offset | (code << 2) | static_cast<std::uint64_t>(EntryKind::layer);
}

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) noexcept {
    return (value + multiple - 1) & ~(multiple - 1);  // multiple is a power of two
}

static_assert(std::is_trivially_copyable_v<ControlIdentity> &&
              std::is_trivially_copyable_v<ControlStats> &&
              std::is_trivially_copyable_v<MemoryStats> &&
              std::is_trivially_copyable_v<RootRecord> &&
              std::is_trivially_copyable_v<DimensionRecord> &&
              std::is_trivially_copyable_v<RegionHeader> &&
              std::is_trivially_copyable_v<LayerHeader>);

/// Lock bytes of control.mmap (open-file-description locks; the bytes themselves do not exist).
/// A consumer's pin: shared lock on epoch << 22 | pid. The producer's sign of life: exclusive lock
/// on life_lock_base + pid. A consumer that sleeps on the generation word: shared lock on
/// waiter_lock_base + pid. Linux pids are below 2^22; epochs stay below 2^40.
inline constexpr unsigned pin_pid_bits = 22;
inline constexpr std::uint64_t life_lock_base = std::uint64_t{1} << 62;
inline constexpr std::uint64_t waiter_lock_base = life_lock_base + (std::uint64_t{1} << 32);
inline constexpr std::uint64_t pid_span = std::uint64_t{1} << pin_pid_bits;

}  // namespace strata::ipc

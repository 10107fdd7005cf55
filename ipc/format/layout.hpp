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

inline constexpr std::uint64_t control_magic = 0x31434154'41525453;   // "STRATAC1"
inline constexpr std::uint64_t region_magic = 0x31524154'41525453;    // "STRATAR1"
inline constexpr std::uint64_t slot_magic = 0x31444154'41525453;      // "STRATAD1"
inline constexpr std::uint64_t bookmark_magic = 0x31424154'41525453;  // "STRATAB1"
inline constexpr std::uint32_t format_version = 3;
inline constexpr std::uint32_t byte_order_mark = 0x0A0B0C0D;
inline constexpr std::uint32_t foreign_byte_order_mark = 0x0D0C0B0A;

inline constexpr std::uint64_t page_bytes = 4096;
inline constexpr std::uint64_t block_unit = 16;            // all blocks start at multiples of it
inline constexpr std::uint64_t header_bytes = page_bytes;  // of a region; blocks start behind it
inline constexpr std::uint64_t control_header_bytes = 3 * page_bytes;  // the same of control.mmap
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

/// The only mutable words that readers load; one cache line, at offset 128 of control.mmap.
/// Accessed only through the functions of atomic_word.hpp.
struct ControlCells {
    std::uint64_t root;        // offset of the current RootRecord in control.mmap
    std::uint64_t generation;  // its generation; stored after `root`; low half is a futex word
    std::uint64_t epoch;       // reclamation clock; low half is a futex word
    std::uint64_t life;        // number of the last producer's life file; 0: there was none yet
    std::uint64_t oldest;      // generation; readers of `epoch` have none before it
    std::uint64_t durable;     // last generation that survives a power failure; 0: none
    std::uint64_t durability;  // 0: no slots yet; 1: there are; more: lost, errno << 8 | 1
    std::uint64_t reserved;
};
static_assert(sizeof(ControlCells) == 64);

inline constexpr std::uint64_t cells_offset = 128;

/// What the producer tells about itself: at 256 of control.mmap. Advisory: single words, written
/// with relaxed stores, of no common moment, checked by nobody. All zero: never written. Counters
/// count from the producer's start.
///
///   256         264        272         280    288     296           304           312
///   | updated_at| generation| committed | live | layers| limbo_unscanned | limbo_held| commits
///   320           328          336         344        352       360       368
///   | allocations | deallocations| failures | started_at| limit   | warning | history_bytes
///   376           384       392          400         408           416         424
///   | retired_file| reclaims| relocations| pin_epoch | pin_since   | peak_rdrs | dimensions
///   432           440 - 471                   472 - 511
///   | recovered   | pool_budget_bytes[4]      | reserved
struct ControlStats {
    // Written by every commit: two cache lines.
    std::uint64_t updated_at_ns;  // CLOCK_REALTIME
    std::uint64_t generation;
    std::uint64_t committed_bytes;
    std::uint64_t live_bytes;
    std::uint64_t layers;
    std::uint64_t limbo_unscanned_bytes;
    std::uint64_t limbo_held_bytes;
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
    std::uint64_t recovered_blocks;
    std::uint64_t pool_budget_bytes[4];  // of the pools up to 4, 16, 64 and 256 KiB
    std::uint64_t reserved[5];
};
static_assert(sizeof(ControlStats) == 256 && offsetof(ControlStats, started_at_ns) == 88 &&
              offsetof(ControlStats, reserved) == 216);

inline constexpr std::uint64_t control_stats_offset = 256;
inline constexpr std::size_t stats_pools = 5;     // up to 4, 16, 64, 256 KiB, and larger
inline constexpr std::size_t stats_classes = 34;  // size classes of slabs; some unused

/// Where the memory of one file is: at 1024 of a region, at 512 of control.mmap. Advisory as
/// ControlStats is; rewritten as a whole now and then.
///
///   0           8           16      24         32    40           48          56          64
///   | updated_at| generation| managed| committed| hole| used_blocks| used_bytes| requested | slab
///   72    80         88         96          104           112 - 127
///   | runs| run_bytes| free_runs| free_bytes| largest_free| reserved
///   128 - 447: 5 pools of 64 bytes          448 - 1535: 34 size classes of 32 bytes
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
static_assert(sizeof(MemoryStats) == 1536 && offsetof(MemoryStats, pools) == 128 &&
              offsetof(MemoryStats, classes) == 448);

inline constexpr std::uint64_t control_memory_offset = 512;
inline constexpr std::uint64_t region_memory_offset = 1024;

inline constexpr std::uint64_t history_offset = 2048;
inline constexpr std::uint64_t history_slots =
    256;  // slot g % 256: root offset of generation g, or 0
static_assert(history_offset + history_slots * 8 == page_bytes);

/// The root that was current when an epoch ended, for each epoch that a reader may still pin; at
/// 4096 of control.mmap. From there the roots' `previous` lead to all others that such a reader can
/// have, back to generation `oldest`. Only a producer's successor reads it. `epoch` is stored last.
///
///   0            8            16       24
///   | epoch; 0: -| root offset| oldest | reserved |   256 times
struct ClosingRoot {
    std::uint64_t epoch;   // 0: not in use
    std::uint64_t root;    // offset of a RootRecord
    std::uint64_t oldest;  // the first generation that the epoch's readers can have
    std::uint64_t reserved;
};
inline constexpr std::uint64_t closing_roots_offset = page_bytes;
inline constexpr std::size_t closing_root_slots = 256;
static_assert(sizeof(ClosingRoot) == 32 &&
              closing_roots_offset + closing_root_slots * sizeof(ClosingRoot) ==
                  control_header_bytes);
static_assert(control_stats_offset + sizeof(ControlStats) <= control_memory_offset &&
              control_memory_offset + sizeof(MemoryStats) <= history_offset &&
              region_memory_offset + sizeof(MemoryStats) <= header_bytes);

/// One published generation. A block of control.mmap; immutable.
///
/// `digest` is the sum of all dimensions' digests, equal wherever the same layers are; `records` is
/// the sum of mix_checksum over the checksums of all dimension records, which tells whether the
/// directory leads to the very records that this generation has.
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
    std::uint64_t layout_generation;  // last that added, removed, renamed or relocated a
                                      // dimension
    std::uint64_t oldest_retained;    // generations from here on can be asked for
    std::uint64_t next_serial;        // region files get ever new numbers
    std::uint64_t epoch;              // epoch in which it was published
    std::uint64_t memory_limit;
    std::uint64_t previous;  // offset of the root record of the generation before; only right as
                             // long as a reader can have that one. 0: this is the first
    std::uint64_t previous_generation;  // the number of that one: some may have been skipped
    std::uint64_t digest;
    std::uint64_t records;
    std::uint64_t origin;       // reserved: offset of a block that says where it was made; 0: here
    std::uint64_t policy;       // reserved: how blocks and pages are sized; 0: as described here
    std::uint64_t reserved[4];  // 0
    std::uint64_t checksum;     // XXH3-64 of bytes 0..183
};
static_assert(sizeof(RootRecord) == 192 && offsetof(RootRecord, digest) == 120 &&
              offsetof(RootRecord, checksum) == 184);

/// One dimension in one generation. A block of control.mmap; immutable. Its first word is its key,
/// as in a layer block, so that one trie serves both. `digest` is the sum of mix_checksum over the
/// checksums of all its layers.
struct DimensionRecord {
    std::uint64_t dimension;
    std::uint64_t serial;  // names the region file: region-<serial>.mmap
    std::uint64_t index;   // entry word: layer number -> layer block
    std::uint16_t index_levels;
    std::uint16_t name_bytes;
    std::uint32_t committed_pages;  // size of the region file when this was published
    std::uint64_t layers;
    std::uint64_t live_bytes;  // blocks reached in the region, index included
    std::uint64_t digest;
    std::uint64_t generation;  // that changed this dimension last
    char name[56];
    std::uint64_t checksum;  // XXH3-64 of bytes 0..119

    std::uint64_t committed_bytes() const noexcept { return committed_pages * page_bytes; }
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
    std::uint32_t dimension;  // the only one that lies in it, if it is no shared one; else 0
    std::uint32_t shared;     // 1: any number of dimensions may lie in it
    std::uint64_t max_bytes;
    std::int64_t created_at_ns;
    std::uint64_t reserved[7];
    std::uint64_t checksum;  // XXH3-64 of bytes 0..119
};
static_assert(sizeof(RegionHeader) == 128 && offsetof(RegionHeader, checksum) == 120);

inline constexpr std::uint64_t short_checksum_mask = 0xFF'FFFF;  // see LayerHeader

/// Head of a layer's block; the payload follows at +24, the tail directly behind that.
///
///   -16             -8         0      8              12         16
///   | payload_bytes | checksum | layer| dimension u32| shape u32| stamp
///   `---- LayerPrefix, of payloads from 512 bytes on
///
///   shape: bits 0-3 log2 of the payload's alignment, less 3 | 4-23 payload bytes, or 0xFFFFF: look
///          into the prefix | 24 type tag | 25 frequency | 26-27 metadata; 1, 2, 3: its size takes
///          1, 2, 4 bytes | 28 keywords | 29-31 zero
///   stamp: bits 0-23 of the checksum | 24-63 generation
///
/// Tail, without gaps, each part only if `shape` says so: u64 type tag, f64 frequency in Hz, size
/// of the metadata, metadata: the name alone; with keywords: the name, then each keyword, each
/// after its length: one byte, or 0xFF and a u32.
struct LayerHeader {
    std::uint64_t layer;
    std::uint32_t dimension;
    std::uint32_t shape;
    std::uint64_t stamp;

    /// 0 until it is published; not covered by the checksum.
    std::uint64_t generation() const noexcept { return stamp >> 24; }
    /// Of the payload. From shared bytes: perhaps none that there is.
    std::uint64_t alignment() const noexcept { return std::uint64_t{8} << (shape & 0xF); }
    /// All that small layers keep of their checksum.
    std::uint64_t short_checksum() const noexcept { return stamp & short_checksum_mask; }
};
static_assert(sizeof(LayerHeader) == 24 && alignof(LayerHeader) == 8 &&
              offsetof(LayerHeader, shape) == 12);

struct LayerPrefix {
    std::uint64_t payload_bytes;
    std::uint64_t checksum;  // see checksum.hpp
};
static_assert(sizeof(LayerPrefix) == 16);

inline constexpr std::uint64_t prefixed_payload_bytes = 512;  // from here on there is a LayerPrefix
inline constexpr std::uint64_t generation_end = std::uint64_t{1} << 40;  // all stay below it

/// Index: a trie of 6 bits a level over 64-bit keys, most significant digit first; `levels` digits
/// are used (0 for an empty or single-layer index). A node is 64 entry words (array node) or a
/// bitmap word followed by one entry word per set bit (bitmap node).
///
/// Entry word:  bits 0-1 kind | 2 zero | 3-39 offset, of a layer's header a multiple of 8, of a
/// node
///              one of 16 | 40-63 of layers only: bits 0-23 of their `shape`
///   kind 0: nothing (the whole word is 0)
///   kind 1: a layer (in the directory: a DimensionRecord). Above the lowest level the key has to
///   be
///           compared with the header's.
///   kind 2: an array node     kind 3: a bitmap node
inline constexpr unsigned index_bits = 6;
inline constexpr unsigned index_fanout = 64;
inline constexpr unsigned max_index_levels = 11;
inline constexpr std::uint64_t array_node_bytes = index_fanout * 8;

enum class EntryKind : std::uint32_t { nothing = 0, layer = 1, array_node = 2, bitmap_node = 3 };

inline constexpr std::uint64_t entry_offset_mask = 0xFF'FFFF'FFF8;
inline constexpr std::uint64_t entry_size_unknown = 0xF'FFFF;
inline constexpr unsigned entry_shape_bits = 24;  // that an entry has of a layer's shape

constexpr EntryKind entry_kind(std::uint64_t word) noexcept {
    return static_cast<EntryKind>(word & 3);
}
constexpr std::uint64_t entry_offset(std::uint64_t word) noexcept {
    return word & entry_offset_mask;
}
constexpr std::uint64_t entry_size(std::uint64_t word) noexcept { return word >> 44; }
constexpr std::uint64_t node_entry(EntryKind kind, std::uint64_t offset) noexcept {
    return offset | static_cast<std::uint64_t>(kind);
}
/// The first 24 bits of a layer's shape.
constexpr std::uint32_t entry_shape(std::uint64_t payload_bytes,
                                    std::uint64_t alignment = 8) noexcept {
    const std::uint64_t size =
        payload_bytes < entry_size_unknown ? payload_bytes : entry_size_unknown;
    return static_cast<std::uint32_t>(size << 4) |
           static_cast<std::uint32_t>(std::countr_zero(alignment / 8));
}
/// To the layer at `offset` with that shape.
constexpr std::uint64_t layer_entry(std::uint64_t offset, std::uint32_t shape) noexcept {
    return std::uint64_t{shape} << 40 | offset | static_cast<std::uint64_t>(EntryKind::layer);
}

/// In the directory: to a DimensionRecord, as if that were a layer whose payload ends with it.
constexpr std::uint64_t record_entry(std::uint64_t offset) noexcept {
    return layer_entry(offset, entry_shape(sizeof(DimensionRecord) - sizeof(LayerHeader)));
}

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) noexcept {
    return (value + multiple - 1) & ~(multiple - 1);  // multiple is a power of two
}

/// What a store opens at when the power failed: a page each of durable.slots, written in turn,
/// never both at once. The newest whose checksum is right counts. Fits one sector, so that a torn
/// write leaves the one before or a checksum that is wrong.
///
///   0       8            12        16        24    32          40     48     56            72
///   | magic | version u32| order u32| sequence| root| generation| epoch| lease| boot_id 2x8 |
///   device 80      88            96              120            248 | mount | written_at  |
///   reserved 3x8  | identity     | checksum (XXH3-64 of bytes 0..247)
struct DurableSlot {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint64_t sequence;      // from 1; stands in slot sequence % 2
    std::uint64_t root;          // offset of a RootRecord that is durable with all that it reaches
    std::uint64_t generation;    // its generation
    std::uint64_t epoch;         // in which it was current: pinned until a newer slot is durable
    std::uint64_t lease;         // no generation beyond it was published; who opens at this slot
                                 // after a cut goes on above it
    std::uint64_t boot_id[2];    // of the machine's run in which it was written
    std::uint64_t device;        // of the store's directory then
    std::uint64_t mount;         // that it was reached by, a number never used twice; 0: unknown
    std::int64_t written_at_ns;  // CLOCK_REALTIME
    std::uint64_t reserved[3];
    ControlIdentity identity;  // a copy: it shares its sector with words that change
    std::uint64_t checksum;
};
static_assert(sizeof(DurableSlot) == 256 && offsetof(DurableSlot, identity) == 120 &&
              offsetof(DurableSlot, checksum) == 248);
inline constexpr std::uint64_t slot_count = 2;

/// Start of the file `bookmarks`, which is written whole under another name and then renamed;
/// behind it stand `entries` records, and nothing else.
///
///   0       8             12          16          32         48        56
///   | magic | version u32 | order u32 | store_id  | boot_id  | entries | checksum (of 0..55)
struct BookmarkHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint64_t store_id[2];
    std::uint64_t boot_id[2];  // of the run of the machine in which it was written: in any other
                               // one nothing of it counts
    std::uint64_t entries;     // from 1 to most_bookmarks
    std::uint64_t checksum;
};
static_assert(sizeof(BookmarkHeader) == 64 && offsetof(BookmarkHeader, checksum) == 56);

/// A generation that has a name, or had one that some reader may still be reading it by.
///
///   0            8      16      24        32        40               44    48    56      120
///   | generation | root | epoch | removed | made_at | name_bytes u32 | 0   | 0   | name  |
///   checksum
struct BookmarkRecord {
    std::uint64_t generation;
    std::uint64_t root;        // offset of its RootRecord
    std::uint64_t epoch;       // pinned for it: all that it reaches was there in it
    std::uint64_t removed;     // epoch in which the name was taken away; 0: it stands
    std::int64_t made_at_ns;   // CLOCK_REALTIME
    std::uint32_t name_bytes;  // from 1 to 63
    std::uint32_t reserved;
    std::uint64_t reserved2;
    char name[64];  // not terminated
    std::uint64_t checksum;
};
static_assert(sizeof(BookmarkRecord) == 128 && offsetof(BookmarkRecord, name) == 56 &&
              offsetof(BookmarkRecord, checksum) == 120);
inline constexpr std::uint64_t most_bookmarks = 64;

static_assert(
    std::is_trivially_copyable_v<ControlIdentity> && std::is_trivially_copyable_v<ControlStats> &&
    std::is_trivially_copyable_v<MemoryStats> && std::is_trivially_copyable_v<ClosingRoot> &&
    std::is_trivially_copyable_v<RootRecord> && std::is_trivially_copyable_v<DimensionRecord> &&
    std::is_trivially_copyable_v<RegionHeader> && std::is_trivially_copyable_v<DurableSlot> &&
    std::is_trivially_copyable_v<LayerHeader> && std::is_trivially_copyable_v<LayerPrefix> &&
    std::is_trivially_copyable_v<BookmarkHeader> && std::is_trivially_copyable_v<BookmarkRecord>);

/// Lock bytes of control.mmap (open-file-description locks; the bytes themselves do not exist).
/// A consumer's pin: shared lock on epoch << 22 | pid. A consumer that sleeps on the generation
/// word: shared lock on waiter_lock_base + pid. Linux pids are below 2^22; epochs stay below 2^40.
/// The producer's sign of life is an exclusive lock on byte `pid` of its life file.
inline constexpr unsigned pin_pid_bits = 22;
inline constexpr std::uint64_t waiter_lock_base = std::uint64_t{1} << 62;
inline constexpr std::uint64_t pid_span = std::uint64_t{1} << pin_pid_bits;

}  // namespace strata::ipc

// SPDX-License-Identifier: Apache-2.0
// Producer: the one writer of a store.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "strata/audit_log.hpp"
#include "strata/batch.hpp"
#include "strata/bookmark.hpp"
#include "strata/detail/lifetime.hpp"
#include "strata/proto_dimension.hpp"
#include "strata/result.hpp"
#include "strata/slow_reader.hpp"
#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {
class OpenStore;
}  // namespace strata::producer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

struct StoreStatistics;

/// The memory of a store passed its warning threshold.
struct MemoryWarning {
    std::uint64_t committed_bytes = 0;
    std::uint64_t memory_limit = 0;
    std::uint64_t threshold_bytes = 0;
};

/// The blocks of one pool, in all files together, passed the pool's soft budget.
struct PoolWarning {
    std::uint64_t block_bytes = 0;  ///< largest block of the pool
    std::uint64_t used_bytes = 0;   ///< blocks in use, retired ones that wait included
    std::uint64_t budget_bytes = 0;
    std::uint64_t memory_limit = 0;
};

/// When what is published becomes durable: when it survives the machine, not only its processes.
/// See docs/durability.md.
enum class DurabilityPolicy : unsigned char {
    automatic,    ///< `off` where files are in memory alone (tmpfs), else `background`
    off,          ///< only Producer::checkpoint and wait_durable
    background,   ///< by a thread, as DurabilityOptions say
    each_commit,  ///< `crystallize` returns when its generation is durable
};

struct DurabilityOptions {
    DurabilityPolicy policy = DurabilityPolicy::automatic;
    /// `background`: the longest time between publishing a generation and starting to make it
    /// durable; earlier when an eighth of the memory limit waits for that.
    std::chrono::milliseconds interval{1000};
    /// `background`: also after so many generations. 0: that does not matter.
    std::uint64_t every_generations = 0;
};

struct ProducerOptions {
    std::filesystem::path base_path = default_base_path();
    /// Total memory of the store, index and bookkeeping included; never exceeded. From 128 KiB on.
    /// A new store takes 64 KiB, a new region file `region_initial_bytes`; trimmed, they take what
    /// they hold. A sixteenth (256 KiB at most) is kept for commits that erase.
    std::uint64_t memory_limit = 280_MiB;
    /// Address space that each region reserves (no memory): no region can grow beyond it. A
    /// multiple of 4096 up to 1 TiB. Fixed when a store is created.
    std::uint64_t region_max_bytes = 16_GiB;
    /// Memory that a new region file starts with; at least 64 KiB, a multiple of 4096
    /// (rounded up). Files then grow by 64 to 128 KiB at a time.
    std::uint64_t region_initial_bytes = 64_KiB;
    /// Every new dimension gets a region file of its own (DimensionOptions::own_region): at least
    /// `region_initial_bytes` of memory, an address range and an open file for each.
    bool own_regions = false;
    /// How many earlier generations stay readable through Consumer::snapshot(generation), as long
    /// as this producer lives. Each keeps what it does not share with its successor, which counts
    /// as all memory of the store does: what is retained does not give way to a commit, so a commit
    /// that finds no room is refused. What is retained is not used again, so a commit's blocks come
    /// cold: of one layer, 1.2 times the time with 254, 1.7 times with 10,000. The producer's own
    /// heap has 400 bytes for each generation of one layer, 100 more for each further layer.
    std::uint32_t retain = 0;
    /// Those that were current in the last so long stay readable, too, however many they are
    /// (checked with every commit: an idle store keeps what it has; the time that the machine is
    /// suspended does not count, nor do jumps of the wall clock). 0: that does not matter.
    std::chrono::nanoseconds retain_for{0};
    /// The most that both may keep; the oldest are evicted first. Checked with every commit, before
    /// what it supersedes counts, and at most 64 give way at a time. 0: bounded by memory_limit
    /// alone.
    std::uint64_t retain_bytes = 0;
    /// `create` only: take the place of an existing store whose producer is gone.
    bool replace = false;
    /// Share of the memory limit from which on the store counts as nearly full; 0 to 1.
    double warning_threshold = 0.75;
    /// Called once each time that the committed memory passes the threshold, and again only after
    /// it was below. In the thread whose put, commit or other call noticed it, without any lock: it
    /// may raise the limit. Must not throw.
    std::function<void(const MemoryWarning&)> on_memory_warning{};
    /// Soft budgets of the pools with blocks of up to 4, 16, 64 and 256 KiB (PoolStatistics), as
    /// shares of the memory limit, whatever that is at the time; 0 to 1 each. Of 280 MiB these are
    /// 32, 128, 80 and 40. A pool beyond its budget goes on: statistics show it, and:
    std::array<double, 4> pool_shares{32.0 / 280, 128.0 / 280, 80.0 / 280, 40.0 / 280};
    /// Called as `on_memory_warning` is, once each time that a pool passes its budget. Noticed when
    /// the files' tables are written (by a commit if they are 50 ms old, by `reclaim`, `trim` and
    /// `statistics`), not by each allocation.
    std::function<void(const PoolWarning&)> on_pool_warning{};
    /// Heap that all proto-dimensions of this producer may take together, in bytes, their layers
    /// still held by readers included; put and append throw limit_exceeded beyond it. It is not
    /// part of `memory_limit`: crystallizing needs room for both. 0: as much as `memory_limit`, and
    /// it follows that.
    std::uint64_t proto_memory_limit = 0;
    /// Who may attach (`create` only), and who may read the dimensions that are added without an
    /// access of their own. Without permission to open the control file nothing of the store is
    /// visible.
    FileAccess access{};
    /// Readers that hold on to old snapshots.
    SlowReaderOptions slow_readers{};
    DurabilityOptions durability{};
    /// Told of what changes the store, and what came of it: `create`, `open` (that a producer takes
    /// it over), `commit` and `checkpoint` (as AuditOptions::commits says), `move dimension`, `set
    /// memory limit`, `set bookmark`, `remove bookmark`, `lose durability` (a flush failed),
    /// `close`. In the order of generations, after the fact. Nothing waits for it, or fails with
    /// it.
    std::shared_ptr<AuditLog> audit{};
};

/// Counters of one producer since it opened the store, and the state of the store. In bytes where
/// not said otherwise.
struct ProducerStats {
    Generation generation = 0;
    std::uint64_t epoch = 0;  ///< reclamation clock
    std::uint64_t memory_limit = 0;
    std::uint64_t committed_bytes = 0;  ///< memory that all files hold now; never above the limit
    std::uint64_t live_bytes = 0;       ///< blocks that the current generation uses
    std::uint64_t limbo_bytes = 0;      ///< retired blocks that wait for readers or for reuse
    std::uint64_t proto_bytes = 0;      ///< heap of the proto-dimensions
    std::uint64_t proto_limit = 0;      ///< ProducerOptions::proto_memory_limit
    std::uint64_t layers = 0;
    std::uint64_t dimensions = 0;
    std::uint64_t commits = 0;
    std::uint64_t allocations = 0;    ///< blocks that commits have published
    std::uint64_t deallocations = 0;  ///< published blocks that were reclaimed since
    std::uint64_t allocation_failures = 0;
    std::uint64_t audit_dropped = 0;  ///< AuditStatistics::dropped of its log, if it has one
};

/// Creates or opens a store for writing. There is one producer per store at a time, in any process;
/// the kernel drops its lock however it dies, and the next one carries on from the last published
/// generation in the same files, unnoticed by attached consumers.
///
/// Thread safety: all members but assignment and destruction may be called from any thread at once;
/// commits are serial. From the sixteenth commit on (or the first that wakes more than two) it has
/// a thread, without signals and asleep except when consumers begin or cease to wait, that knows
/// whether a commit has anybody to wake, and wakes all but the first few of many. Fork: a child
/// cannot use an inherited Producer (wrong_process).
class Producer {
public:
    /// A new store; never leaves half a store behind. Throws store_exists, producer_active (with
    /// `replace`), invalid_name, invalid_argument, permission_denied, no_space, limit_exceeded,
    /// system.
    [[nodiscard]] static Producer create(std::string_view name,
                                         const ProducerOptions& options = {});
    /// An existing store: takes over where the last producer stopped. Throws store_not_found,
    /// producer_active (with the pid of the other), corrupt, truncated, format_version, ...;
    /// limit_exceeded if more than `memory_limit` is in use, also after reclaiming and trimming:
    /// needed() says how much, nothing is lost.
    [[nodiscard]] static Producer open(std::string_view name, const ProducerOptions& options = {});
    [[nodiscard]] static Producer open_or_create(std::string_view name,
                                                 const ProducerOptions& options = {});

    /// The same, but what they throw is in the result.
    [[nodiscard]] static Result<Producer> create(std::nothrow_t, std::string_view name,
                                                 const ProducerOptions& options = {}) noexcept;
    [[nodiscard]] static Result<Producer> open(std::nothrow_t, std::string_view name,
                                               const ProducerOptions& options = {}) noexcept;
    [[nodiscard]] static Result<Producer> open_or_create(
        std::nothrow_t, std::string_view name, const ProducerOptions& options = {}) noexcept;

    Producer(Producer&&) noexcept;
    Producer& operator=(Producer&&) noexcept;
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    /// Releases the lock and wakes waiting consumers, which see `producer_gone`. The store stays.
    ~Producer();

    /// A new, empty batch.
    [[nodiscard]] Batch batch();

    /// Publishes the core dimensions D01 to D14, as far as they are not there yet, in one
    /// generation.
    Generation add_core_dimensions(const DimensionOptions& sizes = {});
    /// Publishes one dimension if it is not there yet. Consumers map it when they first touch it.
    Generation add_dimension(Dimension dimension, const DimensionOptions& options = {});

    /// Moves a dimension to a region file of its own if `options` ask for one (`own_region`, a size
    /// or an access; one that it has already is exchanged, so its sizes can be changed), else to
    /// the shared ones. One generation; no layer's content, number or generation changes, `changes`
    /// reports nothing, the name stays, and so does who may read it unless `access` is given.
    /// Snapshots keep what they see, and the old copy's memory until they are released. Batches
    /// that were begun before follow when they are crystallized. Nothing to do: the generation
    /// stays. Copies every layer: other commits wait, and for that time there is memory for both.
    /// Throws dimension_not_found; invalid_argument (sizes, access, a name; or the shared file can
    /// be read by users to whom its own is closed); limit_exceeded and no_space, after reclaiming;
    /// permission_denied, system. The dimension stays where it was then.
    Generation move_dimension(Dimension dimension, const DimensionOptions& options);

    /// The proto-dimension of that number: a new, empty one, or the one that was made before and
    /// neither crystallized as a whole nor discarded (then `name` is not used). Nobody else sees
    /// it.
    [[nodiscard]] ProtoDimension proto_dimension(Dimension dimension, std::string_view name = {});
    /// All of them, ascending by number.
    [[nodiscard]] std::vector<ProtoInfo> proto_dimensions() const;

    /// The last published generation.
    [[nodiscard]] Generation generation() const noexcept;
    [[nodiscard]] std::uint64_t memory_limit() const noexcept;
    /// Raises or lowers the limit. Throws limit_exceeded if more than `bytes` is in use even
    /// after reclaiming and trimming; the limit is unchanged then.
    void set_memory_limit(std::uint64_t bytes);
    [[nodiscard]] ProducerStats stats() const;

    /// Makes the newest generation durable and returns its number: from then on a power failure
    /// leaves the store at this generation or a later one, whole. A few flushes' time; commits go
    /// on meanwhile. Nothing new: no system call. Until the next one the store keeps what this
    /// generation reaches, as for a reader. Throws durability_lost (a flush failed, now or before:
    /// it is never tried again), system, no_space.
    Generation checkpoint();
    /// Returns when `generation` is durable. Concurrent callers share one flush. Throws what
    /// `checkpoint` throws, and invalid_argument: it was not published.
    void wait_durable(Generation generation);
    /// The last durable generation; 0: there is none. One load.
    [[nodiscard]] Generation durable_generation() const noexcept;

    /// Keeps a generation under a name, whatever becomes of this producer, until `remove_bookmark`
    /// or until the machine stops (docs/durability.md has what outlives that): the newest one if
    /// `generation` is 0, else one that is retained (ProducerOptions::retain) or has another
    /// bookmark. Returns its number. A name that is taken moves. The store keeps what the
    /// generation reaches; of one that was merely retained, until the next producer takes over,
    /// also what was retained besides. All of it counts towards `memory_limit`, and does not give
    /// way to a commit. Writes a small file and asks twice who reads, some 50 us; other commits
    /// wait. Throws invalid_name, generation_not_retained, limit_exceeded (max_bookmarks),
    /// no_space, permission_denied, system: then all bookmarks are as they were.
    Generation set_bookmark(std::string_view name, Generation generation = 0);
    /// Who has taken a snapshot by this bookmark keeps it, and its memory; what nobody reads comes
    /// free at once. Throws bookmark_not_found, no_space, permission_denied, system; it stands
    /// then.
    void remove_bookmark(std::string_view name);
    /// All that stand, by name.
    [[nodiscard]] std::vector<Bookmark> bookmarks() const;

    /// Frees what no reader needs any more, without waiting for the threshold that triggers it
    /// anyway. Returns the bytes that became reusable.
    std::uint64_t reclaim();
    /// `reclaim`, then gives free memory back to the system. Returns bytes given back.
    std::uint64_t trim();

    [[nodiscard]] const std::string& name() const noexcept STRATA_LIFETIME_BOUND;
    /// The store's directory.
    [[nodiscard]] const std::filesystem::path& path() const noexcept STRATA_LIFETIME_BOUND;

private:
    friend StoreStatistics statistics(const Producer& producer);
    explicit Producer(std::shared_ptr<producer_impl::OpenStore> store) noexcept;
    std::shared_ptr<producer_impl::OpenStore> store_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

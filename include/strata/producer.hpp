// SPDX-License-Identifier: Apache-2.0
// Producer: the one writer of a store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/batch.hpp"
#include "strata/proto_dimension.hpp"
#include "strata/slow_reader.hpp"
#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata {

struct StoreStatistics;

namespace producer_impl {
class Store;
}

/// The memory of a store passed its warning threshold.
struct MemoryWarning {
    std::uint64_t committed_bytes = 0;
    std::uint64_t memory_limit = 0;
    std::uint64_t threshold_bytes = 0;
};

struct ProducerOptions {
    std::filesystem::path base_path = default_base_path();
    /// Total memory of the store, index and bookkeeping included; never passed. At least 64 KiB
    /// plus 64 KiB for each dimension will be used.
    std::uint64_t memory_limit = 280_MiB;
    /// Address space that each region reserves (no memory): no region can grow beyond it. A
    /// multiple of 4096 up to 1 TiB. Fixed when a store is created.
    std::uint64_t region_max_bytes = 16_GiB;
    /// Memory that the file of a new dimension starts with; at least 64 KiB, a multiple of 4096
    /// (rounded up). Files then grow by an eighth of themselves, by 64 KiB at least.
    std::uint64_t region_initial_bytes = 64_KiB;
    /// How many earlier generations stay readable through Consumer::snapshot(generation): 0 to 254.
    std::uint32_t retain = 0;
    /// `create` only: take the place of an existing store whose producer is gone.
    bool replace = false;
    /// Share of the memory limit from which on the store counts as nearly full; 0 to 1.
    double warning_threshold = 0.75;
    /// Called once each time that the committed memory passes the threshold, and again only after
    /// it was below. In the thread whose put, commit or other call noticed it, without any lock: it
    /// may raise the limit. Must not throw.
    std::function<void(const MemoryWarning&)> on_memory_warning{};
    /// Who may attach (`create` only), and who may read the dimensions that are added without an
    /// access of their own. Whoever may not open the control file sees nothing of the store.
    FileAccess access{};
    /// Readers that hold on to old snapshots.
    SlowReaderOptions slow_readers{};
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
    std::uint64_t layers = 0;
    std::uint64_t dimensions = 0;
    std::uint64_t commits = 0;
    std::uint64_t allocations = 0;    ///< blocks that commits have published
    std::uint64_t deallocations = 0;  ///< published blocks that were reclaimed since
    std::uint64_t allocation_failures = 0;
};

/// Creates or opens a store for writing. There is one producer per store at a time, in any process;
/// the kernel drops its lock however it dies, and the next one carries on from the last published
/// generation in the same files, unnoticed by attached consumers.
///
/// Thread safety: all members but assignment and destruction may be called from any thread at once;
/// commits are serial. A thread of its own, without signals and asleep but for the moments when
/// consumers begin or cease to wait, knows whether a commit has anybody to wake. Fork: a child
/// cannot use an inherited Producer (wrong_process).
class Producer {
public:
    /// A new store; never leaves half a store behind. Throws store_exists, producer_active (with
    /// `replace`), invalid_name, invalid_argument, permission_denied, no_space, limit_exceeded,
    /// system.
    static Producer create(std::string_view name, const ProducerOptions& options = {});
    /// An existing store: takes over where the last producer stopped. Throws store_not_found,
    /// producer_active (with the pid of the other), corrupt, truncated, format_version, ...;
    /// limit_exceeded if more than `memory_limit` is in use, also after reclaiming and trimming:
    /// needed() says how much, nothing is lost.
    static Producer open(std::string_view name, const ProducerOptions& options = {});
    static Producer open_or_create(std::string_view name, const ProducerOptions& options = {});

    Producer(Producer&&) noexcept;
    Producer& operator=(Producer&&) noexcept;
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    /// Releases the lock and wakes waiting consumers, who see `producer_gone`. The store stays.
    ~Producer();

    /// A new, empty batch.
    Batch batch();

    /// Publishes the core dimensions D01 to D14, as far as they are not there yet, in one
    /// generation.
    Generation add_core_dimensions(const DimensionOptions& sizes = {});
    /// Publishes one dimension if it is not there yet. Consumers map it when they first touch it.
    Generation add_dimension(Dimension dimension, const DimensionOptions& options = {});

    /// The proto-dimension of that number: a new, empty one, or the one that was made before and
    /// neither crystallized as a whole nor discarded (then `name` is not used). Nobody else sees
    /// it.
    ProtoDimension proto_dimension(Dimension dimension, std::string_view name = {});
    /// All of them, ascending by number.
    std::vector<ProtoInfo> proto_dimensions() const;

    /// The last published generation.
    Generation generation() const noexcept;
    std::uint64_t memory_limit() const noexcept;
    /// Raises or lowers the limit. Throws limit_exceeded if more than `bytes` is in use even
    /// after reclaiming and trimming; the limit is unchanged then.
    void set_memory_limit(std::uint64_t bytes);
    ProducerStats stats() const;

    /// Frees what no reader needs any more, without waiting for the threshold that triggers it
    /// anyway. Returns the bytes that became reusable.
    std::uint64_t reclaim();
    /// `reclaim`, then gives free memory back to the system. Returns bytes given back.
    std::uint64_t trim();

    const std::string& name() const noexcept;
    /// The store's directory.
    const std::filesystem::path& path() const noexcept;

private:
    friend StoreStatistics statistics(const Producer& producer);
    explicit Producer(std::shared_ptr<producer_impl::Store> store) noexcept;
    std::shared_ptr<producer_impl::Store> store_;
};

}  // namespace strata

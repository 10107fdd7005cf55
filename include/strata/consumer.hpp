// SPDX-License-Identifier: Apache-2.0
// Consumer: a process's read-only end of a store.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/bookmark.hpp"
#include "strata/detail/lifetime.hpp"
#include "strata/detail/whole_nanoseconds.hpp"
#include "strata/result.hpp"
#include "strata/snapshot.hpp"
#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {
class Session;
}  // namespace strata::consumer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Who may own a store for it to be attached. The files' mode must deny writing to others anyway.
enum class TrustedOwner : unsigned char {
    self_or_root,  ///< this process's effective user, or root
    anybody,       ///< any owner; for stores shared between users on purpose
    user,          ///< ConsumerOptions::owner (or root)
};

struct ConsumerOptions {
    std::filesystem::path base_path = default_base_path();
    /// How long `attach` may wait for the store to appear; 0: not at all.
    std::chrono::milliseconds wait_for_store{0};
    TrustedOwner trusted_owner = TrustedOwner::self_or_root;
    std::uint32_t owner = 0;  ///< user id, for TrustedOwner::user
    /// true: a pin outlives the last snapshot so that the next one needs no system call, and a
    /// background thread (asleep until the producer asks) releases an idle
    /// one. false: no thread; the last snapshot's end costs a system call.
    bool keep_idle_pin = true;
    /// Private memory for the look-up cache: lists that lead from layer numbers and names to
    /// payloads, made for dimensions that are looked into often (8 bytes a number where at least a
    /// quarter of the numbers are in use, some 24 a layer where not). What it does not suffice for
    /// is looked up in the shared index. By default an eighth of the store's live bytes (at
    /// least 256 KiB), and 64 MiB for all consumers of the process together; 0: no lists. Beyond
    /// this, each dimension that was looked into takes some 400 bytes.
    std::optional<std::uint64_t> lookup_cache_bytes{};
};

/// What a consumer takes of its process's memory.
struct ConsumerStatistics {
    std::uint64_t lookup_cache_bytes = 0;  ///< private memory of the look-up cache
    std::uint64_t lookup_cache_limit = 0;  ///< for its lists; see ConsumerOptions
    std::uint64_t cached_dimensions = 0;   ///< versions of dimensions that are known
    std::uint64_t cached_lists = 0;        ///< and how many of them have a list
    std::uint64_t mapped_regions = 0;      ///< region files that are mapped
};

/// How a wait ended.
enum class WaitResult : unsigned char {
    changed,  ///< there is a generation newer than the given one
    timeout,
    producer_gone,   ///< nothing newer, and no process holds the producer's lock
    store_replaced,  ///< the store was removed, or another one stands under its name: `reattach`
    cancelled,       ///< nothing newer, and a stop was requested
};

struct WaitOptions {
    /// Negative: no timeout.
    std::chrono::nanoseconds timeout{-1};
    /// Requesting a stop, from any thread, ends the wait at once. (On Linux before 5.16 it may take
    /// as long as the next look at the producer's life.) Not to be requested in a signal's handler.
    std::stop_token stop{};
    /// true: the producer's end does not end the wait, nor does its absence: the next one may
    /// publish something. Where the store is removed or replaced meanwhile, that does.
    bool wait_for_producer = false;
};

[[nodiscard]] std::string_view to_string(WaitResult result) noexcept;

/// Attaches strictly read-only: files are opened O_RDONLY and mapped PROT_READ; nothing in shared
/// memory is ever written. Consumers never block and cannot disturb the producer or each other.
///
/// Thread safety: all members but `reattach`, assignment and destruction may be called from any
/// thread at once. Fork safety: a child may go on using the consumer and the snapshots it inherits.
class Consumer {
public:
    /// Throws: store_not_found, not_a_store, format_version, byte_order, permission_denied,
    /// not_trusted, corrupt, truncated, invalid_name, system. About 25 microseconds with the first
    /// look-up, whatever the size of the store; the first time in a process 70 to 200, most of them
    /// for page faults of code that was not used before.
    [[nodiscard]] static Consumer attach(std::string_view name,
                                         const ConsumerOptions& options = {});
    /// The same, but what it throws is in the result: `Consumer::attach(std::nothrow, "market")`.
    [[nodiscard]] static Result<Consumer> attach(std::nothrow_t, std::string_view name,
                                                 const ConsumerOptions& options = {}) noexcept;

    Consumer(Consumer&& other) noexcept;
    Consumer& operator=(Consumer&& other) noexcept;
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    /// Snapshots taken from this consumer stay valid.
    ~Consumer();

    /// The newest generation. A few nanoseconds and no system call while nothing was published;
    /// else a fraction of a microsecond, and for readers of many dimensions 20 to 30 ns for each,
    /// which saves its first look-up more. Throws corrupt, truncated, system.
    [[nodiscard]] Snapshot snapshot();
    /// An earlier generation that the producer retains (ProducerOptions::retain, retain_for).
    /// Throws generation_not_retained, and what `snapshot()` throws. A microsecond; of those more
    /// than 254 generations ago 30 (in the caches) to 70 ns for each generation since.
    [[nodiscard]] Snapshot snapshot(Generation generation);
    /// What was current at that time: the newest retained generation that was published then or
    /// earlier, by the producer's wall clock. Throws as above. O(generations since).
    [[nodiscard]] Snapshot snapshot_at(std::chrono::system_clock::time_point time);
    /// The generation that a producer has set this bookmark on (Producer::set_bookmark), in this
    /// process's life or before. It stays when the bookmark is moved or removed. Reads a small
    /// file, some 20 microseconds. Throws bookmark_not_found, and what `snapshot()` throws.
    [[nodiscard]] Snapshot snapshot_at(std::string_view bookmark);
    /// All that stand, by name. As dear; throws corrupt, truncated, not_trusted, permission_denied,
    /// system.
    [[nodiscard]] std::vector<Bookmark> bookmarks() const;
    /// The same, but what they throw is in the result.
    [[nodiscard]] Result<Snapshot> snapshot(std::nothrow_t) noexcept;
    [[nodiscard]] Result<Snapshot> snapshot(std::nothrow_t, Generation generation) noexcept;
    /// Oldest and newest generation that `snapshot(generation)` can give now.
    [[nodiscard]] std::pair<Generation, Generation> retained() const noexcept;

    /// Newest published generation: one atomic load.
    [[nodiscard]] Generation generation() const noexcept;

    /// Newest generation that survives a power failure; 0: there is none. Two atomic loads. Throws
    /// durability_lost: a flush failed, and nothing newer will become durable; current() of the
    /// error is the generation that is.
    [[nodiscard]] Generation durable_generation() const;

    /// Blocks until a generation newer than `seen` is published, or what WaitOptions say, or nobody
    /// is left to publish. Sleeps in the kernel (futex); no polling of the data, no writes. While
    /// waiting, the producer and the store are checked every 100 ms. The first wait that sleeps
    /// tells the producer, through the kernel, that there is a waiter from now on: two system
    /// calls. If the control file is cut short, throws truncated; for that the process's handler
    /// for SIGBUS is replaced from the first wait on (see ReadGuard). A program whose signal
    /// handlers only set flags waits with a timeout, again and again.
    WaitResult wait(Generation seen, const WaitOptions& options = {}) const;
    /// The same with a timeout of any unit; negative, or more than 292 years: no timeout. A
    /// template, so that `wait(seen, {})` means the options alone.
    template <class Rep, class Period>
    WaitResult wait(Generation seen, const std::chrono::duration<Rep, Period>& timeout) const {
        return wait(seen, WaitOptions{.timeout = detail::whole_nanoseconds(timeout)});
    }

    /// A descriptor for poll/epoll/io loops: readable while there is a generation newer than the
    /// last acknowledged one, however long before this call it was published; and again when the
    /// producer goes, when one comes back, and when the store is replaced. Before the first
    /// acknowledgement the generation at `attach` counts as acknowledged; `reattach` keeps what
    /// was, unless it finds another store, of which nothing is. Created on first call (starts a
    /// thread that sleeps in the kernel); owned by the consumer. A forked child has, under the same
    /// number, one of its own, which stays silent until the child calls this.
    int event_descriptor();
    /// Resets the descriptor; returns the newest generation. Call before looking at the data.
    /// Throws truncated.
    Generation acknowledge_event();

    /// Asks the kernel whether a producer holds its lock. About a microsecond.
    [[nodiscard]] bool producer_alive() const;
    /// Its pid (in its own pid namespace), if there is one.
    [[nodiscard]] std::optional<std::int64_t> producer_pid() const;
    /// True if the attached files were removed, or another store now stands under the name.
    [[nodiscard]] bool store_replaced() const;
    /// Attaches again under the same name and options. On failure the old attachment stays.
    /// Snapshots taken before stay valid; the event descriptor does not: it is closed, ask for the
    /// new one. Not to be called while other threads use this object.
    void reattach();

    /// Waits for other threads that map a dimension for the first time.
    [[nodiscard]] ConsumerStatistics statistics() const noexcept;

    [[nodiscard]] const std::string& name() const noexcept STRATA_LIFETIME_BOUND;
    /// The store's directory.
    [[nodiscard]] const std::filesystem::path& path() const noexcept STRATA_LIFETIME_BOUND;

private:
    consumer_impl::Session& session() const noexcept;
    explicit Consumer(std::unique_ptr<consumer_impl::Session, void (*)(consumer_impl::Session*)> s);

    std::unique_ptr<consumer_impl::Session, void (*)(consumer_impl::Session*)> session_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

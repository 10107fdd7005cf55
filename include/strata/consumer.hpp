// SPDX-License-Identifier: Apache-2.0
// Consumer: a process's read-only end of a store.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "strata/snapshot.hpp"
#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata {

namespace consumer_impl {
class Session;
}

/// Who may own a store for it to be attached. The files' mode must deny writing to others anyway.
enum class TrustedOwner : unsigned char {
    self_or_root,  ///< this process's effective user, or root
    anybody,       ///< whoever owns it; for stores shared between users on purpose
    user,          ///< ConsumerOptions::owner (or root)
};

struct ConsumerOptions {
    std::filesystem::path base_path = default_base_path();
    /// How long `attach` may wait for the store to appear; 0: not at all.
    std::chrono::milliseconds wait_for_store{0};
    TrustedOwner trusted_owner = TrustedOwner::self_or_root;
    std::uint32_t owner = 0;  ///< user id, for TrustedOwner::user
    /// true: a pin outlives the last snapshot so that the next one needs no system call, and a
    /// background thread (asleep but for the moments when the producer asks) lets go of an idle
    /// one. false: no thread; the last snapshot's end costs a system call.
    bool keep_idle_pin = true;
    /// Private memory for noting where layers are: 8 bytes for each layer number up to a
    /// dimension's largest, taken for each snapshot's generation, once enough was looked up in it
    /// to be worth it, and only if at least a quarter of the numbers are in use. What it does not
    /// suffice for is looked up in the shared index. 0: none.
    std::uint64_t place_memory_bytes = 64_MiB;
};

/// How a wait ended.
enum class WaitResult : unsigned char {
    changed,  ///< there is a generation newer than the given one
    timeout,
    producer_gone,   ///< nothing newer, and no process holds the producer's lock
    store_replaced,  ///< the store was removed, or another one stands under its name: `reattach`
};

std::string_view to_string(WaitResult result) noexcept;

/// Attaches strictly read-only: files are opened O_RDONLY and mapped PROT_READ; nothing in shared
/// memory is ever written. Consumers wait for nobody and cannot disturb the producer or each other.
///
/// Thread safety: all members but `reattach`, assignment and destruction may be called from any
/// thread at once. Fork safety: a child may go on using the consumer and the snapshots it inherits.
class Consumer {
public:
    /// Throws: store_not_found, not_a_store, format_version, byte_order, permission_denied,
    /// not_trusted, corrupt, truncated, invalid_name, system. 15 to 25 microseconds with the first
    /// look-up, whatever the size of the store; about 70 in a process that runs this code for the
    /// first time, most of them for page faults.
    static Consumer attach(std::string_view name, const ConsumerOptions& options = {});

    Consumer(Consumer&& other) noexcept;
    Consumer& operator=(Consumer&& other) noexcept;
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    /// Snapshots taken from this consumer stay valid.
    ~Consumer();

    /// The newest generation. A few nanoseconds and no system call while nothing was published;
    /// else a fraction of a microsecond. Throws corrupt, truncated, system.
    Snapshot snapshot();
    /// An earlier generation that the producer retains (ProducerOptions::retain). Throws
    /// generation_not_retained, and what `snapshot()` throws.
    Snapshot snapshot(Generation generation);
    /// Oldest and newest generation that `snapshot(generation)` can give now.
    std::pair<Generation, Generation> retained() const noexcept;

    /// Newest published generation: one atomic load.
    Generation generation() const noexcept;

    /// Blocks until a generation newer than `seen` is published, or the timeout passes, or nobody
    /// is left to publish. Sleeps in the kernel (futex); no polling of the data, no writes. While
    /// waiting, the producer's life is looked at every 100 ms. A negative timeout waits for ever.
    /// The first wait that sleeps tells the producer, through the kernel, that somebody is to be
    /// woken from now on: two system calls.
    WaitResult wait(Generation seen, std::chrono::nanoseconds timeout) const;

    /// A descriptor for poll/epoll/io loops: becomes readable when a generation newer than the last
    /// acknowledged one is published, when the producer goes, or when the store is replaced.
    /// Created on first call (starts a thread that sleeps in the kernel); owned by the consumer.
    int event_descriptor();
    /// Resets the descriptor; returns the newest generation. Call before looking at the data.
    Generation acknowledge_event();

    /// Asks the kernel whether a producer holds its lock. About a microsecond.
    bool producer_alive() const;
    /// Its pid (in its own pid namespace), if there is one.
    std::optional<std::int64_t> producer_pid() const;
    /// True if the attached files were removed, or another store now stands under the name.
    bool store_replaced() const;
    /// Attaches anew under the same name and options. On failure the old attachment stays.
    /// Snapshots taken before stay valid; the event descriptor does not: it is closed, ask for the
    /// new one. Not to be called while other threads use this object.
    void reattach();

    const std::string& name() const noexcept;
    /// The store's directory.
    const std::filesystem::path& path() const noexcept;

private:
    explicit Consumer(std::unique_ptr<consumer_impl::Session, void (*)(consumer_impl::Session*)> s);

    std::unique_ptr<consumer_impl::Session, void (*)(consumer_impl::Session*)> session_;
};

}  // namespace strata

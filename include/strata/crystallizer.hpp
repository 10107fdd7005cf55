// SPDX-License-Identifier: Apache-2.0
// Crystallizer: any thread hands layers in; one thread commits them in groups.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "strata/batch.hpp"
#include "strata/error.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {
class Ingest;
struct IngestItem;
}  // namespace strata::producer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

class Producer;

struct CrystallizerOptions {
    /// A group is committed when it has this many changes, ...
    std::size_t max_changes = 1000;
    /// ... or this many bytes of payload, ...
    std::uint64_t max_bytes = 4_MiB;
    /// ... or when its first change has waited this long. 0: as soon as the last commit is done,
    /// with whatever came in meanwhile.
    std::chrono::microseconds max_delay{0};
    /// Changes that may wait to be fetched; 1 to 65534. More is refused, or waits.
    std::size_t queue_capacity = 8192;
};

/// What became of one change.
struct IngestResult {
    Generation generation = 0;     ///< in which it became visible; 0: it did not
    std::optional<Error> error{};  ///< why not
};

/// The receipt for one change. Copyable; stays valid, also after the Crystallizer is gone. An empty
/// one can only be asked whether it is.
class IngestTicket {
public:
    IngestTicket() noexcept = default;
    explicit operator bool() const noexcept { return item_ != nullptr; }

    [[nodiscard]] bool done() const noexcept;
    /// Sleeps until the change is published or has failed.
    [[nodiscard]] IngestResult result() const;
    /// As above; throws the error.
    Generation wait() const;
    /// nullopt: not done yet.
    [[nodiscard]] std::optional<IngestResult> wait_for(std::chrono::nanoseconds timeout) const;

private:
    friend class Crystallizer;
    friend class producer_impl::Ingest;
    explicit IngestTicket(std::shared_ptr<producer_impl::IngestItem> item) noexcept
        : item_(std::move(item)) {}
    std::shared_ptr<producer_impl::IngestItem> item_;
};

struct CrystallizerStats {
    std::uint64_t submitted = 0;
    std::uint64_t published = 0;
    std::uint64_t failed = 0;
    std::uint64_t refused = 0;
    std::uint64_t blocked = 0;  ///< calls that had to wait for room
    std::uint64_t commits = 0;
};

/// Takes changes from any number of threads and publishes them in the order in which they came in
/// (exactly, for those of one thread). For one layer the last change wins. A group that cannot be
/// published as one is published change by change, so that one bad change fails alone.
///
/// Thread safety: all members but destruction from any thread at once. Must not outlive its
/// Producer. Fork: in a child it throws wrong_process; its destructor does nothing there.
class Crystallizer {
public:
    /// Called in the committing thread once a change is published or has failed; must not throw,
    /// nor destroy the Crystallizer. What would make that thread wait for itself is refused with
    /// would_deadlock: `flush`, `stop`, waiting for a ticket that is not done, and submitting when
    /// the queue is full. (Its own ticket is done only after the callback.)
    using Callback = std::function<void(LayerId, const IngestResult&)>;

    /// Throws invalid_argument, system (no thread).
    explicit Crystallizer(Producer& producer, const CrystallizerOptions& options = {});
    Crystallizer(const Crystallizer&) = delete;
    Crystallizer& operator=(const Crystallizer&) = delete;
    /// `stop`.
    ~Crystallizer();

    /// Submits a copy of a layer. Sleeps while the queue is full. Throws invalid_argument after
    /// `stop`, std::bad_alloc; everything else reaches the ticket or the callback.
    IngestTicket put(LayerId id, std::span<const std::byte> payload,
                     const LayerOptions& options = {}, Callback callback = {});
    IngestTicket put(LayerId id, std::string_view text, const LayerOptions& options = {},
                     Callback callback = {}) {
        return put(id, std::as_bytes(std::span(text)), options, std::move(callback));
    }
    IngestTicket erase(LayerId id, Callback callback = {});

    /// As above, but refuse instead of waiting: an empty ticket if the queue is full.
    IngestTicket try_put(LayerId id, std::span<const std::byte> payload,
                         const LayerOptions& options = {}, Callback callback = {});
    IngestTicket try_put(LayerId id, std::string_view text, const LayerOptions& options = {},
                         Callback callback = {}) {
        return try_put(id, std::as_bytes(std::span(text)), options, std::move(callback));
    }
    IngestTicket try_erase(LayerId id, Callback callback = {});

    /// Sleeps until everything that was submitted before this call is published (or has failed, and
    /// told so); returns a generation in which all of it is visible. Does not wait for max_delay.
    Generation flush();
    /// Publishes what was submitted, then ends the thread. Who submits afterwards gets an error.
    void stop();
    [[nodiscard]] CrystallizerStats stats() const;

private:
    std::unique_ptr<producer_impl::Ingest> ingest_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

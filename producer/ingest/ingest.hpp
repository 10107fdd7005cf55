// SPDX-License-Identifier: Apache-2.0
// The working part of a Crystallizer: one thread that gathers changes and commits them in groups.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/background_thread.hpp"
#include "ipc/fork_hooks.hpp"
#include "producer/ingest/ingest_queue.hpp"
#include "strata/batch.hpp"
#include "strata/crystallizer.hpp"

namespace strata::producer_impl {

class Ingest;

/// One change on its way.
struct IngestItem {
    enum class Kind : unsigned char { put, erase, flush };
    // Of `state`. The result is written before it becomes `done`.
    static constexpr std::uint32_t pending = 0;
    static constexpr std::uint32_t awaited = 1;  // somebody sleeps on it
    static constexpr std::uint32_t done = 2;

    Kind kind = Kind::put;
    LayerId id{};
    std::vector<std::byte> payload{};
    double frequency = 0;
    std::vector<std::string> keywords{};
    std::size_t alignment = 8;
    std::uint64_t type_tag = 0;
    Crystallizer::Callback callback{};
    const Ingest* owner = nullptr;  // only compared: a ticket may outlive it

    std::atomic<std::uint32_t> state{pending};
    IngestResult result{};

    LayerOptions options() const;
    void finish(IngestResult outcome);
};

class Ingest {
public:
    Ingest(Batch batch, const CrystallizerOptions& options, const std::string& store_path);
    Ingest(const Ingest&) = delete;
    Ingest& operator=(const Ingest&) = delete;
    ~Ingest();

    /// Empty if the queue is full and `wait` is not set. Throws invalid_argument when stopped.
    IngestTicket submit(ItemPointer item, bool wait);
    Generation flush();
    void stop();
    CrystallizerStats stats() const;

    /// Fails if the calling thread is the one that commits for `owner`: it would wait for itself.
    static void check_can_wait(const Ingest* owner, std::string_view operation);

private:
    using Group = std::vector<ItemPointer>;

    void check_process(std::string_view operation) const;
    void run();
    /// Adds items[from...] to `group` until it is full; returns the first that was not added.
    std::size_t gather(std::vector<ItemPointer>& items, std::size_t from, Group& group);
    static bool has_room(Group& group) noexcept;
    Error error_of(const std::exception_ptr& exception) const noexcept;
    void commit(Group& group);
    void commit_singly(Group& group);
    void apply(const IngestItem& item);
    void finish(const ItemPointer& item, IngestResult result);

    const CrystallizerOptions options_;
    const ipc::ProcessMark process_;
    Batch batch_;  // of the committing thread
    std::unique_ptr<ItemQueue> queue_;
    const Error out_of_memory_;       // made while there is some
    std::vector<ItemPointer> items_;  // fetched
    Group group_;
    std::uint64_t group_bytes_ = 0;
    bool group_urgent_ = false;  // somebody flushes
    Generation last_ = 0;        // generation of the last commit

    std::atomic<std::uint64_t> submitted_{0};
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> failed_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> blocked_{0};
    std::atomic<std::uint64_t> commits_{0};
    std::mutex stop_mutex_;
    ipc::BackgroundThread thread_;
};

}  // namespace strata::producer_impl

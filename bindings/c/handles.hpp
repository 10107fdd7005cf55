// SPDX-License-Identifier: Apache-2.0
// What is behind the opaque handles of the C ABI that several files know.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "boundary.hpp"
#include <strata/strata.hpp>

struct strata_consumer {
    strata::Consumer consumer;
};

struct strata_snapshot {
    explicit strata_snapshot(strata::Snapshot of) : snapshot(std::move(of)) {}

    strata::Snapshot snapshot;
    std::atomic<std::uint64_t> references{1};

    /// The lowest number of that name. Made at the first question.
    const std::map<std::string, strata::Dimension, std::less<>>& numbers() const {
        const std::lock_guard lock(numbers_mutex_);
        if (!numbers_) {
            std::map<std::string, strata::Dimension, std::less<>> numbers;
            for (strata::DimensionInfo& info : snapshot.dimensions()) {
                numbers.emplace(std::move(info.name), info.dimension);  // the first one stays
            }
            numbers_ = std::move(numbers);
        }
        return *numbers_;
    }

private:
    mutable std::mutex numbers_mutex_;
    mutable std::optional<std::map<std::string, strata::Dimension, std::less<>>> numbers_;
};

struct strata_producer {
    strata::Producer producer;
};

namespace strata::bindings {

/// A reference to a snapshot, held by lists and cursors. An empty one refers to none.
class SnapshotReference {
public:
    SnapshotReference() noexcept = default;
    explicit SnapshotReference(strata_snapshot* snapshot) noexcept
        : snapshot_(strata_snapshot_ref(snapshot)) {}
    SnapshotReference(SnapshotReference&& other) noexcept
        : snapshot_(std::exchange(other.snapshot_, nullptr)) {}
    SnapshotReference(const SnapshotReference&) = delete;
    SnapshotReference& operator=(const SnapshotReference&) = delete;
    SnapshotReference& operator=(SnapshotReference&&) = delete;
    ~SnapshotReference() { strata_snapshot_release(snapshot_); }

private:
    strata_snapshot* snapshot_ = nullptr;
};

}  // namespace strata::bindings

// SPDX-License-Identifier: Apache-2.0
// What several threads find wrong, in the end as one report in a fixed order.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "strata/error.hpp"
#include "strata/volume_verify.hpp"

namespace strata::volume_impl {

/// add, sound, looked_at, expect: any thread. The rest: the one that made it.
class Findings {
public:
    explicit Findings(const VolumeVerifyOptions& options) : options_(options) {}

    void add(VolumeFailure failure);
    void add(const Error& error, std::optional<Dimension> dimension,
             std::optional<std::uint64_t> layer = {});
    void sound(std::uint64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    void looked_at() { layers_.fetch_add(1, std::memory_order_relaxed); }
    void expect(std::uint64_t layers) { expected_.fetch_add(layers, std::memory_order_relaxed); }
    /// Calls the options' progress.
    void tell() const;
    VolumeReport& report() { return report_; }
    /// When all threads have ended.
    VolumeReport finish();

private:
    const VolumeVerifyOptions& options_;
    std::mutex mutex_;
    VolumeReport report_;  // failures: guarded by mutex_; the rest is the making thread's
    // For progress, and read again when all threads have ended.
    std::atomic<std::uint64_t> layers_{0};
    std::atomic<std::uint64_t> expected_{0};
    std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace strata::volume_impl

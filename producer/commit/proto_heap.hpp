// SPDX-License-Identifier: Apache-2.0
// The heap that the proto-dimensions of one producer take, and its limit; each version of a layer
// holds its part of it for as long as anybody holds the version.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace strata::producer_impl {

/// Thread-safe. Outlives its producer with the last layer that is charged to it.
class ProtoHeap {
public:
    explicit ProtoHeap(std::uint64_t limit) noexcept : limit_(limit) {}

    std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    /// May be below what is used: then nothing is added until enough is gone.
    void set_limit(std::uint64_t bytes) noexcept { limit_.store(bytes, std::memory_order_relaxed); }

    /// False: they do not fit. A number that orders nothing else: relaxed.
    bool take(std::uint64_t bytes) noexcept {
        std::uint64_t used = this->used();
        do {
            const std::uint64_t limit = this->limit();
            if (used > limit || bytes > limit - used) {
                return false;
            }
        } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
        return true;
    }
    void give_back(std::uint64_t bytes) noexcept {
        used_.fetch_sub(bytes, std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

/// The share of the heap that one version of a layer takes.
class HeapCharge {
public:
    explicit HeapCharge(std::shared_ptr<ProtoHeap> heap) noexcept : heap_(std::move(heap)) {}
    HeapCharge(const HeapCharge&) = delete;
    HeapCharge& operator=(const HeapCharge&) = delete;
    ~HeapCharge() { heap_->give_back(bytes_); }

    std::uint64_t bytes() const noexcept { return bytes_; }
    const std::shared_ptr<ProtoHeap>& heap() const noexcept { return heap_; }
    /// False: it does not fit, nothing has changed. Shrinking always succeeds.
    bool resize(std::uint64_t bytes) noexcept {
        if (bytes > bytes_ && !heap_->take(bytes - bytes_)) {
            return false;
        }
        if (bytes < bytes_) {
            heap_->give_back(bytes_ - bytes);
        }
        bytes_ = bytes;
        return true;
    }

private:
    const std::shared_ptr<ProtoHeap> heap_;
    std::uint64_t bytes_ = 0;
};

}  // namespace strata::producer_impl

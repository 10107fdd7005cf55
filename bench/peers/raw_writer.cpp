// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/raw_writer.hpp"

#include <atomic>
#include <cstring>

#include "bench/harness/process.hpp"

namespace strata::bench {

namespace {

class RawWriter final : public Writer {
public:
    explicit RawWriter(const Dataset& dataset)
        : payload_bytes_(dataset.payload_bytes),
          payloads_(dataset.layers * dataset.payload_bytes),
          number_(sizeof(std::atomic<std::uint32_t>)) {
        for (std::uint64_t key = 0; key < dataset.layers; ++key) {
            fill_payload(key, 0, {at(key), payload_bytes_});
        }
    }
    void begin() override {}
    void put(std::uint64_t key, std::span<const std::byte> payload) override {
        std::memcpy(at(key), payload.data(), payload.size());
    }
    void commit() override {
        auto& number = *static_cast<std::atomic<std::uint32_t>*>(number_.data());
        number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        futex_wake(number);
    }

private:
    std::byte* at(std::uint64_t key) const {
        return static_cast<std::byte*>(payloads_.data()) + key * payload_bytes_;
    }

    std::size_t payload_bytes_;
    SharedMemory payloads_;
    SharedMemory number_;
};

}  // namespace

std::unique_ptr<Writer> raw_writer(const Dataset& dataset) {
    return std::make_unique<RawWriter>(dataset);
}

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// A producer and its batches as JavaScript holds them.
#pragma once

#include <memory>
#include <vector>

#include "handle.hpp"

namespace strata_node {

// A batch is given back before its producer is closed: it keeps that.
struct OpenBatch {
    OpenBatch(std::shared_ptr<strata_producer> of, strata_batch* made)
        : producer(std::move(of)), batch(made) {}
    OpenBatch(const OpenBatch&) = delete;
    OpenBatch& operator=(const OpenBatch&) = delete;
    ~OpenBatch() { close(); }

    void close() noexcept {
        strata_batch_free(std::exchange(batch, nullptr));
        producer.reset();
    }

    std::shared_ptr<strata_producer> producer;
    strata_batch* batch;
};

struct BatchHandle : Handle {
    explicit BatchHandle(std::shared_ptr<OpenBatch> given) : open(std::move(given)) {}

    std::shared_ptr<OpenBatch> open;
};

struct ProducerHandle : Handle {
    explicit ProducerHandle(strata_producer* given) : producer(given, strata_producer_close) {}
    ~ProducerHandle() override { close(); }

    void close() noexcept {
        for (const auto& batch : batches) {
            if (const auto open = batch.lock()) {
                open->close();
            }
        }
        batches.clear();
        producer.reset();
    }

    std::shared_ptr<strata_producer> producer;
    std::vector<std::weak_ptr<OpenBatch>> batches;
};

}  // namespace strata_node

// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/strata_store.hpp"

#include <algorithm>

namespace strata::bench {

namespace {

constexpr std::uint64_t load_batch = 4096;

class BatchedReader final : public Reader {
public:
    BatchedReader(Consumer& consumer, std::size_t batch)
        : snapshot_(consumer.snapshot()), ids_(batch), layers_(batch) {}

    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (std::size_t start = 0; start < keys.size(); start += ids_.size()) {
            const std::size_t count = std::min(ids_.size(), keys.size() - start);
            for (std::size_t i = 0; i < count; ++i) {
                ids_[i] = {StrataStore::dimension, keys[start + i]};
            }
            snapshot_.find(std::span<const LayerId>(ids_).first(count), layers_);
            total += words_of_all(std::span<const Layer>(layers_).first(count));
        }
        return total;
    }
    // A chain has nothing to overlap.
    std::uint64_t chase(std::uint64_t, std::size_t, std::uint64_t) override { return 0; }

    static std::uint64_t words_of_all(std::span<const Layer> layers) {
        std::uint64_t total = 0;
        for (const Layer& layer : layers) {
            total += words_of(layer ? layer.bytes() : nothing_found());
        }
        return total;
    }

private:
    Snapshot snapshot_;
    std::vector<LayerId> ids_;
    std::vector<Layer> layers_;
};

/// As above, of one dimension: numbers instead of ids.
class NumbersReader final : public Reader {
public:
    NumbersReader(Consumer& consumer, std::size_t batch)
        : snapshot_(consumer.snapshot()), layers_(batch) {}

    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (std::size_t start = 0; start < keys.size(); start += layers_.size()) {
            const std::size_t count = std::min(layers_.size(), keys.size() - start);
            snapshot_.find(StrataStore::dimension, keys.subspan(start, count), layers_);
            total += BatchedReader::words_of_all(std::span<const Layer>(layers_).first(count));
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t, std::size_t, std::uint64_t) override { return 0; }

private:
    Snapshot snapshot_;
    std::vector<Layer> layers_;
};

class BatchWriter final : public Writer {
public:
    explicit BatchWriter(Producer& producer) : batch_(producer.batch()) {}
    explicit BatchWriter(Producer&& producer) : own_(std::move(producer)), batch_(own_->batch()) {}
    void begin() override {}
    void put(std::uint64_t key, std::span<const std::byte> payload) override {
        batch_.put({StrataStore::dimension, key}, payload);
    }
    void commit() override { batch_.crystallize(); }

private:
    std::optional<Producer> own_;
    Batch batch_;
};

}  // namespace

std::unique_ptr<Writer> strata_writer(Producer& producer) {
    return std::make_unique<BatchWriter>(producer);
}

std::unique_ptr<Writer> strata_attach_writer(const std::filesystem::path& base) {
    ProducerOptions options;
    options.base_path = base;
    return std::make_unique<BatchWriter>(Producer::open(StrataStore::name, options));
}

ConsumerOptions consumer_options(const std::filesystem::path& base) {
    ConsumerOptions options;
    options.base_path = base;
    return options;
}

StrataStore::StrataStore(std::filesystem::path base, const Dataset& dataset,
                         const Settings& settings)
    : base_(std::move(base)),
      dataset_(dataset),
      settings_(settings),
      payload_(dataset.payload_bytes) {
    if (settings_.memory_limit == 0) {
        settings_.memory_limit = 64_MiB + dataset.layers * (dataset.payload_bytes + 256) * 4;
    }
    ProducerOptions options;
    options.base_path = base_;
    options.memory_limit = settings_.memory_limit;
    producer_.emplace(Producer::create(name, options));
    Batch batch = producer_->batch();
    for (std::uint64_t key = 0; key < dataset.layers; ++key) {
        put(batch, key, 0);
        if (batch.size() == load_batch) {
            batch.crystallize();
        }
    }
    batch.crystallize();
    consumer_.emplace(Consumer::attach(name, consumer_options(base_)));
}

void StrataStore::open_producer() {
    ProducerOptions options;
    options.base_path = base_;
    options.memory_limit = settings_.memory_limit;
    producer_.emplace(Producer::open(name, options));
}

void StrataStore::put(Batch& batch, std::uint64_t key, std::uint64_t version) {
    const std::uint64_t number = settings_.random_keys ? mix(key) : key;
    fill_payload(key, version, payload_);
    batch.put({dimension, number}, payload_);
}

std::unique_ptr<Reader> strata_held_reader(Consumer& consumer) {
    return make_reader([snapshot = consumer.snapshot()](std::uint64_t key) {
        const Layer layer = snapshot.find({StrataStore::dimension, key});
        return layer ? layer.bytes() : nothing_found();
    });
}

std::unique_ptr<Reader> strata_batched_reader(Consumer& consumer, std::size_t batch) {
    return std::make_unique<BatchedReader>(consumer, batch);
}

std::unique_ptr<Reader> strata_numbers_reader(Consumer& consumer, std::size_t batch) {
    return std::make_unique<NumbersReader>(consumer, batch);
}

// The payload is summed after the snapshot is gone. That is safe here alone: nobody publishes
// meanwhile; and it lets one loop serve all contestants.
std::unique_ptr<Reader> strata_renewed_reader(Consumer& consumer) {
    return make_reader([&consumer](std::uint64_t key) {
        const Snapshot snapshot = consumer.snapshot();
        const Layer layer = snapshot.find({StrataStore::dimension, key});
        return layer ? layer.bytes() : nothing_found();
    });
}

std::vector<const std::byte*> strata_places(const Snapshot& snapshot, std::uint64_t layers) {
    std::vector<const std::byte*> places;
    for (std::uint64_t key = 0; key < layers; ++key) {
        places.push_back(snapshot.get({StrataStore::dimension, key}).data());
    }
    return places;
}

}  // namespace strata::bench

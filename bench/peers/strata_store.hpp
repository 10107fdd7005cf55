// SPDX-License-Identifier: Apache-2.0
// strata as a contestant, through the public API alone.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "bench/peers/reader.hpp"
#include "bench/peers/writer.hpp"
#include <strata/strata.hpp>

namespace strata::bench {

/// A store with one dimension that holds the data set, its producer, and a consumer of it.
class StrataStore {
public:
    static constexpr Dimension dimension = 1;
    static constexpr const char* name = "bench";

    struct Settings {
        std::uint64_t memory_limit = 0;  ///< 0: room for the data set four times over
        bool random_keys = false;        ///< layer numbers are mix(key) instead of key
    };
    StrataStore(std::filesystem::path base, const Dataset& dataset)
        : StrataStore(std::move(base), dataset, Settings()) {}
    StrataStore(std::filesystem::path base, const Dataset& dataset, const Settings& settings);

    Producer& producer() noexcept { return *producer_; }
    Consumer& consumer() noexcept { return *consumer_; }
    const Dataset& dataset() const noexcept { return dataset_; }
    const std::filesystem::path& base() const noexcept { return base_; }

    /// Publishes the data set's layer `key` anew; `batch` is reused.
    void put(Batch& batch, std::uint64_t key, std::uint64_t version);

    void close_producer() { producer_.reset(); }
    void open_producer();

private:
    std::filesystem::path base_;
    Dataset dataset_;
    Settings settings_;
    std::vector<std::byte> payload_;
    std::optional<Producer> producer_;
    std::optional<Consumer> consumer_;
};

ConsumerOptions consumer_options(const std::filesystem::path& base);

/// find() in a snapshot that is held.
std::unique_ptr<Reader> strata_held_reader(Consumer& consumer);
/// Batched find() in a snapshot that is held, `batch` ids a call.
std::unique_ptr<Reader> strata_batched_reader(Consumer& consumer, std::size_t batch);
/// The same with the numbers of one dimension instead of ids.
std::unique_ptr<Reader> strata_numbers_reader(Consumer& consumer, std::size_t batch);
/// Take a snapshot, find one layer, release it.
std::unique_ptr<Reader> strata_renewed_reader(Consumer& consumer);
/// One batch, used again and again.
std::unique_ptr<Writer> strata_writer(Producer& producer);
/// Opens the data set's store for writing, in this process.
std::unique_ptr<Writer> strata_attach_writer(const std::filesystem::path& base);
/// Where the payloads lie in this process's mapping of the store.
std::vector<const std::byte*> strata_places(const Snapshot& snapshot, std::uint64_t layers);

}  // namespace strata::bench

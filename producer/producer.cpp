// SPDX-License-Identifier: Apache-2.0
#include "strata/producer.hpp"

#include <utility>

#include "ipc/failure.hpp"
#include "producer/batch_state.hpp"
#include "producer/create.hpp"
#include "producer/held_store.hpp"
#include "producer/store.hpp"
#include "strata/statistics.hpp"

namespace strata {

using producer_impl::Store;

namespace {

std::shared_ptr<Store> created(std::string_view name, const ProducerOptions& options) {
    auto made = producer_impl::create_store(name, options);
    const auto status = ipc::os::status(made.directory.directory.get());
    try {
        return std::make_shared<Store>(std::move(made.directory), std::move(made.lock), options,
                                       std::move(made.control));
    } catch (...) {
        // It has its name already: away with it, so that the call may be repeated.
        try {
            if (status && ipc::is_named(options.base_path, name, status.value)) {
                remove_store(name, options.base_path);
            }
        } catch (const Error&) {
            // What stays is a sound, empty store.
        }
        throw;
    }
}

std::shared_ptr<Store> opened(std::string_view name, const ProducerOptions& options) {
    const std::string operation = ipc::operation_on("open", name);
    producer_impl::check_options(options, operation);
    auto held =
        producer_impl::hold_store(options.base_path, name, producer_impl::Ruins::refuse, operation);
    return std::make_shared<Store>(std::move(held.directory), std::move(*held.lock), options);
}

}  // namespace

Producer::Producer(std::shared_ptr<Store> store) noexcept : store_(std::move(store)) {}
Producer::Producer(Producer&&) noexcept = default;
Producer& Producer::operator=(Producer&&) noexcept = default;
Producer::~Producer() = default;

Producer Producer::create(std::string_view name, const ProducerOptions& options) {
    return Producer(created(name, options));
}

Producer Producer::open(std::string_view name, const ProducerOptions& options) {
    return Producer(opened(name, options));
}

Producer Producer::open_or_create(std::string_view name, const ProducerOptions& options) {
    // Another process may create or remove the store between the two looks.
    constexpr int attempts = 8;
    for (int attempt = 1;; ++attempt) {
        try {
            return Producer(opened(name, options));
        } catch (const Error& error) {
            if (error.code() != Errc::store_not_found || attempt == attempts) {
                throw;
            }
        }
        try {
            return Producer(created(name, options));
        } catch (const Error& error) {
            if (error.code() != Errc::store_exists || attempt == attempts) {
                throw;
            }
        }
    }
}

Batch Producer::batch() { return store_->make_batch(); }

ProtoDimension Producer::proto_dimension(Dimension dimension, std::string_view name) {
    store_->check_process("make a proto-dimension");
    if (name.size() > max_dimension_name_bytes) {
        ipc::fail(Errc::invalid_argument, "make a proto-dimension", store_->name(),
                  "the name has " + std::to_string(name.size()) + " bytes, at most " +
                      std::to_string(max_dimension_name_bytes) + " are possible");
    }
    return ProtoDimension(store_->protos().find_or_add(store_, dimension, name));
}

std::vector<ProtoInfo> Producer::proto_dimensions() const {
    std::vector<ProtoInfo> result;
    for (const auto& state : store_->protos().listed()) {
        result.push_back(ProtoDimension(state).info());
    }
    return result;
}

Generation Producer::add_core_dimensions(const DimensionOptions& sizes) {
    Batch all = batch();
    all.add_core_dimensions(sizes);
    return all.crystallize();
}

Generation Producer::add_dimension(Dimension dimension, const DimensionOptions& options) {
    Batch one = batch();
    one.add_dimension(dimension, options);
    return one.crystallize();
}

Generation Producer::generation() const noexcept { return store_->generation(); }
std::uint64_t Producer::memory_limit() const noexcept { return store_->budget().limit(); }
void Producer::set_memory_limit(std::uint64_t bytes) { store_->set_memory_limit(bytes); }
ProducerStats Producer::stats() const { return store_->stats(); }
StoreStatistics statistics(const Producer& producer) { return producer.store_->statistics(); }
std::uint64_t Producer::reclaim() { return store_->reclaim(); }
std::uint64_t Producer::trim() { return store_->trim(); }
const std::string& Producer::name() const noexcept { return store_->name(); }
const std::filesystem::path& Producer::path() const noexcept { return store_->path(); }

}  // namespace strata

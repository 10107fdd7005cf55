// SPDX-License-Identifier: Apache-2.0
#include "strata/producer.hpp"

#include <utility>

#include "ipc/caught.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "producer/commit/batch_state.hpp"
#include "producer/lifecycle/create.hpp"
#include "producer/lifecycle/locked_store.hpp"
#include "producer/open_store.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using producer_impl::OpenStore;

namespace {

OpenStore& checked(const std::shared_ptr<OpenStore>& store) noexcept {
    return ipc::part_of(store, "Producer");
}

// In a forked child a store is never destroyed: another thread of the parent may have been in the
// midst of changing it. What it has of the kernel's, the child has given up already.
std::shared_ptr<OpenStore> shared(std::unique_ptr<OpenStore> store) {
    return {store.release(), [](OpenStore* last) {
                if (!last->forked()) {
                    delete last;
                }
            }};
}

std::shared_ptr<OpenStore> created(std::string_view name, const ProducerOptions& options) {
    auto made = producer_impl::create_store(name, options);
    const auto status = ipc::os::status(made.directory.directory.get());
    try {
        return shared(std::make_unique<OpenStore>(std::move(made.directory), std::move(made.lock),
                                                  options, std::move(made.life)));
    } catch (...) {
        // It has its name already: away with it, so that the call may be repeated.
        try {
            if (status && ipc::is_named(options.base_path, name, status.value).value) {
                remove_store(name, options.base_path);
            }
        } catch (const Error&) {
            // What stays is a sound, empty store.
        }
        throw;
    }
}

std::shared_ptr<OpenStore> opened(std::string_view name, const ProducerOptions& options) {
    const std::string operation = ipc::operation_on("open", name);
    producer_impl::check_options(options, operation);
    auto held =
        producer_impl::lock_store(options.base_path, name, producer_impl::Ruins::refuse, operation);
    return shared(
        std::make_unique<OpenStore>(std::move(held.directory), std::move(*held.lock), options));
}

/// `make`, as the audit log is told: `what`, or what `make` says that it was.
template <class Make>
std::shared_ptr<OpenStore> told(const char* what, std::string_view name,
                                const ProducerOptions& options, Make make) {
    const std::string path = (options.base_path / name).string();
    return ipc::audited(options.audit, {.operation = what, .store = path}, [&](AuditEntry& entry) {
        std::shared_ptr<OpenStore> store = make(entry);
        entry.generation = store->generation();
        return store;
    });
}

std::shared_ptr<OpenStore> opened_or_created(std::string_view name, const ProducerOptions& options,
                                             AuditEntry& entry) {
    // Another process may create or remove the store between the two calls.
    constexpr int attempts = 8;
    for (int attempt = 1;; ++attempt) {
        try {
            entry.operation = "open";
            return opened(name, options);
        } catch (const Error& error) {
            if (error.code() != Errc::store_not_found || attempt == attempts) {
                throw;
            }
        }
        try {
            entry.operation = "create";
            return created(name, options);
        } catch (const Error& error) {
            if (error.code() != Errc::store_exists || attempt == attempts) {
                throw;
            }
        }
    }
}

}  // namespace

Producer::Producer(std::shared_ptr<OpenStore> store) noexcept : store_(std::move(store)) {}
Producer::Producer(Producer&&) noexcept = default;
Producer& Producer::operator=(Producer&&) noexcept = default;
Producer::~Producer() = default;

Producer Producer::create(std::string_view name, const ProducerOptions& options) {
    return Producer(
        told("create", name, options, [&](AuditEntry&) { return created(name, options); }));
}

Producer Producer::open(std::string_view name, const ProducerOptions& options) {
    return Producer(
        told("open", name, options, [&](AuditEntry&) { return opened(name, options); }));
}

Producer Producer::open_or_create(std::string_view name, const ProducerOptions& options) {
    return Producer(told("open", name, options, [&](AuditEntry& entry) {
        return opened_or_created(name, options, entry);
    }));
}

Result<Producer> Producer::create(std::nothrow_t, std::string_view name,
                                  const ProducerOptions& options) noexcept {
    return ipc::caught("create", [&] { return create(name, options); });
}

Result<Producer> Producer::open(std::nothrow_t, std::string_view name,
                                const ProducerOptions& options) noexcept {
    return ipc::caught("open", [&] { return open(name, options); });
}

Result<Producer> Producer::open_or_create(std::nothrow_t, std::string_view name,
                                          const ProducerOptions& options) noexcept {
    return ipc::caught("open or create", [&] { return open_or_create(name, options); });
}

Batch Producer::batch() { return checked(store_).make_batch(); }

ProtoDimension Producer::proto_dimension(Dimension dimension, std::string_view name) {
    checked(store_).check_process("make a proto-dimension");
    if (name.size() > max_dimension_name_bytes) {
        ipc::fail(Errc::invalid_argument, "make a proto-dimension", checked(store_).name(),
                  "the name has " + std::to_string(name.size()) + " bytes, at most " +
                      std::to_string(max_dimension_name_bytes) + " are possible");
    }
    return ProtoDimension(checked(store_).protos().find_or_add(store_, dimension, name));
}

std::vector<ProtoInfo> Producer::proto_dimensions() const {
    std::vector<ProtoInfo> result;
    for (const auto& state : checked(store_).protos().listed()) {
        result.push_back(ProtoDimension(state).info());
    }
    return result;
}

Generation Producer::move_dimension(Dimension dimension, const DimensionOptions& options) {
    return checked(store_).move_dimension(dimension, options);
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

Generation Producer::generation() const noexcept { return checked(store_).generation(); }
std::uint64_t Producer::memory_limit() const noexcept { return checked(store_).budget().limit(); }
void Producer::set_memory_limit(std::uint64_t bytes) { checked(store_).set_memory_limit(bytes); }
ProducerStats Producer::stats() const { return checked(store_).stats(); }
Generation Producer::checkpoint() { return checked(store_).checkpoint(); }
void Producer::wait_durable(Generation generation) { checked(store_).wait_durable(generation); }
Generation Producer::durable_generation() const noexcept {
    return checked(store_).durable_generation();
}
Generation Producer::set_bookmark(std::string_view name, Generation generation) {
    return checked(store_).set_bookmark(name, generation);
}
void Producer::remove_bookmark(std::string_view name) { checked(store_).remove_bookmark(name); }
std::vector<Bookmark> Producer::bookmarks() const { return checked(store_).bookmarks(); }
std::uint64_t Producer::reclaim() { return checked(store_).reclaim(); }
std::uint64_t Producer::trim() { return checked(store_).trim(); }
const std::string& Producer::name() const noexcept { return checked(store_).name(); }
const std::filesystem::path& Producer::path() const noexcept { return checked(store_).path(); }

}  // namespace strata::inline STRATA_ABI_NAMESPACE

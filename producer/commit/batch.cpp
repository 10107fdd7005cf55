// SPDX-License-Identifier: Apache-2.0
#include "strata/batch.hpp"

#include "ipc/caught.hpp"
#include "ipc/failure.hpp"
#include "producer/commit/batch_state.hpp"
#include "producer/open_store.hpp"
#include "strata/core_dimensions.hpp"
#include "strata/layer.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using producer_impl::BatchState;

namespace {

BatchState& checked(const std::unique_ptr<BatchState>& state) noexcept {
    return ipc::part_of(state, "Batch");
}

LayerId named(Dimension dimension, std::string_view name, const char* operation) {
    if (name.empty()) {
        ipc::fail(Errc::invalid_argument, operation, "", "the layer's name is empty",
                  "put it by number, or give it a name");
    }
    return {dimension, layer_number(name)};
}

}  // namespace

Batch::Batch(std::unique_ptr<BatchState> state) noexcept : state_(std::move(state)) {}
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;
Batch::~Batch() = default;

void Batch::put(LayerId id, std::span<const std::byte> payload, const LayerOptions& options) {
    checked(state_).put(id, payload, {}, options);
}

LayerId Batch::put(Dimension dimension, std::string_view name, std::span<const std::byte> payload,
                   const LayerOptions& options) {
    const LayerId id = named(dimension, name, "put");
    checked(state_).put(id, payload, name, options);
    return id;
}

Loan Batch::loan(LayerId id, std::size_t size, const LayerOptions& options) {
    return {id, checked(state_).loan(id, size, {}, options)};
}
Loan Batch::loan(Dimension dimension, std::string_view name, std::size_t size,
                 const LayerOptions& options) {
    const LayerId id = named(dimension, name, "loan");
    return {id, checked(state_).loan(id, size, name, options)};
}

void Batch::erase(LayerId id) { checked(state_).erase(id); }
void Batch::erase(Dimension dimension, std::string_view name) {
    checked(state_).erase({dimension, layer_number(name)});
}
Dimension Batch::add_dimension(std::string_view name, const DimensionOptions& options) {
    return checked(state_).add_dimension(name, options);
}
void Batch::add_dimension(Dimension dimension, std::string_view name) {
    checked(state_).add_dimension(dimension, {.name = name});
}
void Batch::add_dimension(Dimension dimension, const DimensionOptions& options) {
    checked(state_).add_dimension(dimension, options);
}
void Batch::add_core_dimensions(const DimensionOptions& sizes) {
    DimensionOptions options = sizes;
    options.own_region = true;
    options.name = {};  // one that is there keeps its own
    for (Dimension dimension = 1; dimension <= core_dimension_names.size(); ++dimension) {
        checked(state_).add_dimension(dimension, options, core_dimension_name(dimension));
    }
}
void Batch::clear_dimension(Dimension dimension) { checked(state_).clear_dimension(dimension); }
void Batch::remove_dimension(Dimension dimension) { checked(state_).remove_dimension(dimension); }

Generation Batch::crystallize() { return checked(state_).store().commit(checked(state_)); }

Result<Generation> Batch::crystallize(std::nothrow_t) noexcept {
    return ipc::caught("crystallize", [&] { return crystallize(); });
}

void Batch::clear() noexcept { checked(state_).clear(); }
std::size_t Batch::size() const noexcept { return checked(state_).size(); }

}  // namespace strata::inline STRATA_ABI_NAMESPACE

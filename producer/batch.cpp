// SPDX-License-Identifier: Apache-2.0
#include "strata/batch.hpp"

#include "ipc/failure.hpp"
#include "producer/batch_state.hpp"
#include "strata/core_dimensions.hpp"
#include "strata/layer.hpp"

namespace strata {

using producer_impl::BatchState;

Batch producer_impl::Store::make_batch() { return Batch(std::make_unique<BatchState>(*this)); }

Batch::Batch(std::unique_ptr<BatchState> state) noexcept : state_(std::move(state)) {}
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;
Batch::~Batch() = default;

void Batch::put(LayerId id, std::span<const std::byte> payload, const LayerOptions& options) {
    state_->put(id, payload, {}, options);
}

LayerId Batch::put(Dimension dimension, std::string_view name, std::span<const std::byte> payload,
                   const LayerOptions& options) {
    if (name.empty()) {
        ipc::fail(Errc::invalid_argument, "put", "", "the layer's name is empty",
                  "put it by number, or give it a name");
    }
    const LayerId id{dimension, layer_number(name)};
    state_->put(id, payload, name, options);
    return id;
}

Loan Batch::loan(LayerId id, std::size_t size, const LayerOptions& options) {
    return {id, state_->loan(id, size, options)};
}

void Batch::erase(LayerId id) { state_->erase(id); }
void Batch::erase(Dimension dimension, std::string_view name) {
    state_->erase({dimension, layer_number(name)});
}
void Batch::add_dimension(Dimension dimension, std::string_view name) {
    state_->add_dimension(dimension, {.name = name});
}
void Batch::add_dimension(Dimension dimension, const DimensionOptions& options) {
    state_->add_dimension(dimension, options);
}
void Batch::add_core_dimensions(const DimensionOptions& sizes) {
    DimensionOptions options = sizes;
    options.name = {};  // the default name is the core dimension's; an existing one keeps its own
    for (Dimension dimension = 1; dimension <= core_dimension_names.size(); ++dimension) {
        state_->add_dimension(dimension, options);
    }
}
void Batch::remove_dimension(Dimension dimension) { state_->remove_dimension(dimension); }

Generation Batch::crystallize() { return state_->store().commit(*state_); }

void Batch::clear() noexcept { state_->clear(); }
std::size_t Batch::size() const noexcept { return state_->size(); }

}  // namespace strata

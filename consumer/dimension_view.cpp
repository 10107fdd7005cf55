// SPDX-License-Identifier: Apache-2.0
#include "strata/dimension_view.hpp"

#include "consumer/lookup/cached_dimension.hpp"
#include "consumer/lookup/find.hpp"
#include "consumer/lookup/find_many.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

DimensionView::DimensionView(consumer_impl::View* view,
                             consumer_impl::CachedDimension* version) noexcept
    : view_(view),
      version_(version),
      list_(&version->dense),
      index_(&version->index),
      dimension_(static_cast<Dimension>(version->dimension)) {}

Layer DimensionView::find_further(std::uint64_t layer) const {
    return version_ != nullptr ? consumer_impl::find_in_version(*view_, *version_, layer) : Layer();
}

Layer DimensionView::find(std::string_view name) const {
    const Layer layer = find(layer_number(name));
    return layer && layer.name() == name ? layer : Layer();
}

void DimensionView::find(std::span<const std::uint64_t> layers, std::span<Layer> out) const {
    consumer_impl::find_many(view_, dimension_, layers, out);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
// Layers by what JavaScript calls them, and copies of them.
#pragma once

#include <optional>
#include <vector>

#include "handle.hpp"

namespace strata_node {

// The number of a dimension that is given by number or by name; none if no dimension has the name.
std::optional<std::uint32_t> find_dimension(napi_env env, const strata_snapshot* snapshot,
                                            napi_value dimension);
// A layer by dimension and layer, each a number or a name; its data is nullptr if there is none.
strata_layer find(napi_env env, const strata_snapshot* snapshot, napi_value dimension,
                  napi_value layer);
// find, of a call's (snapshot, dimension, layer, ...).
strata_layer find(const Call& call);

// A Buffer with a layer's bytes.
napi_value copy_of(napi_env env, const strata_layer& layer);

// Copies of many layers, in one piece of memory: where[i] is where layer i begins in it. Those of
// equal size in a row are copied with one call. What has no data takes no place.
napi_value copy_all(napi_env env, const strata_snapshot* snapshot, const strata_id* ids,
                    const strata_layer* layers, std::size_t count, std::vector<double>& where);

}  // namespace strata_node

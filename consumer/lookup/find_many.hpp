// SPDX-License-Identifier: Apache-2.0
// Looking up many layers at once: while one look-up waits for memory the others' loads are under
// way. Neither allocates.
#pragma once

#include <cstdint>
#include <span>

#include "consumer/views/view.hpp"
#include "strata/layer.hpp"

namespace strata::consumer_impl {

/// out[i] becomes the layer ids[i], empty if there is none (of no view: always). What keeps one
/// from being read is thrown. Aborts if `out` is the shorter one.
void find_many(View* view, std::span<const LayerId> ids, std::span<Layer> out);
/// The same for layers of one dimension.
void find_many(View* view, Dimension dimension, std::span<const std::uint64_t> layers,
               std::span<Layer> out);

}  // namespace strata::consumer_impl

// SPDX-License-Identifier: Apache-2.0
// Other ways to show a layer's bytes than as they are: in hexadecimal, and as numbers.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "json.hpp"

namespace strata::tools {

/// Writes what `hexdump -C` would.
void write_hex(std::span<const std::byte> bytes);

/// The types that `values_of` knows, and `tag`.
std::vector<std::string> view_types();

/// The type to read the layer as: `type`, or, for `tag`, what its type tag says. Throws
/// Complaint if that is a type without a name here, or its size does not divide the layer's.
std::string element_type(const Layer& layer, const std::string& type);

/// The layer's little-endian values one by one, as JSON: numbers, or `nan` and `inf` as strings.
void for_each_value(const Layer& layer, const std::string& type,
                    const std::function<void(const Json&)>& call);

}  // namespace strata::tools

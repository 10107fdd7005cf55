// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets do with a store image: everything that its readers and a producer could.
#pragma once

#include <filesystem>

#include "tests/fuzz/store_image.hpp"

namespace strata::fuzz {

/// Everything that a consumer, an inspector and a verifier can do with the store `image.name` in
/// `base`. Ends in results or typed errors, and what `verify` calls sound can be read throughout.
void read_everything(const std::filesystem::path& base, const StoreImage& image);

/// A producer takes the store over, works with it, and leaves a sound one. Or a typed error.
void take_over(const std::filesystem::path& base, const StoreImage& image);

}  // namespace strata::fuzz

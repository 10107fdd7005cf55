// SPDX-License-Identifier: Apache-2.0
// The do-it-yourself way: a Boost.Interprocess hash map in managed shared memory (a mapped file on
// the same tmpfs) under an interprocess_sharable_mutex, which readers take shared for each look-up.
#pragma once

#include <filesystem>
#include <memory>

#include "bench/peers/reader.hpp"
#include "bench/peers/writer.hpp"

namespace strata::bench {

/// Creates and fills.
void create_interprocess_map(const std::filesystem::path& file, const Dataset& dataset);
/// Attach; throw NotRun. A reader that cannot get the lock within two seconds throws NotRun too:
/// somebody died with it.
std::unique_ptr<Reader> interprocess_reader(const std::filesystem::path& file);
std::unique_ptr<Writer> interprocess_writer(const std::filesystem::path& file);

}  // namespace strata::bench

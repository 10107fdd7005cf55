// SPDX-License-Identifier: Apache-2.0
// Flushing several files at once: their disks' waits overlap.
#pragma once

#include <span>

namespace strata::producer_impl {

/// `all`: what sync_file flushes; `data`: what sync_data does.
enum class Flush : bool { all, data };

/// 0 if all are on stable storage, else the first errno; `failed` is the place of its file then.
/// Calls on all are made whatever one of them gets. Threads of its own, at most one for each
/// further file, where `in_parallel`; needs none to succeed.
int flush_all(std::span<const int> files, Flush what, bool in_parallel,
              std::size_t& failed) noexcept;

}  // namespace strata::producer_impl

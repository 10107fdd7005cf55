// SPDX-License-Identifier: Apache-2.0
// Checksums of loans ahead of their commit: by whoever has just filled a block, in any thread,
// while its bytes are still in the caches. LayerDraft::seal then leaves the block as it is.
#pragma once

#include <cstddef>

namespace strata::ipc {

/// Of a block that is complete, and that nobody changes any more. Until it is stamped it says so in
/// the place of its generation, which no checksum covers.
void seal_early(std::byte* header) noexcept;

}  // namespace strata::ipc

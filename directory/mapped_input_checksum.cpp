// SPDX-License-Identifier: Apache-2.0
// XXH3-64 of a file: in place, or through a small buffer on the stack. Needs no memory.
#include <algorithm>
#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "directory/open_file.hpp"
#include "strata/mapped_input.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

std::uint64_t MappedInput::checksum() const {
    constexpr const char* operation = "checksum";
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    if (in_place_ && size_ > 0) {
        constexpr std::uint64_t step = 1 << 20;  // what was lost is noticed soon
        for (std::uint64_t done = 0; done < size_; done += step) {
            file().for_each_run(offset_ + done, std::min(step, size_ - done),
                                [&](const detail::ChunkMap::Run& run) {
                                    XXH3_64bits_update(&state, run.begin,
                                                       static_cast<std::size_t>(run.bytes));
                                    return true;
                                });
            require_whole(operation);
        }
        if (backing() == Backing::mapped) {
            check_size(operation);  // a cut inside the last page
        }
    } else {
        std::array<std::byte, 16 << 10> buffer;
        for (std::uint64_t done = 0; done < size_;) {
            const std::span<std::byte> part = std::span(buffer).first(
                static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_ - done)));
            copy_out(operation, done, part);
            XXH3_64bits_update(&state, part.data(), part.size());
            done += part.size();
        }
    }
    return XXH3_64bits_digest(&state);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
#include "directory/chunk_map.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

#include "directory/mapping_budget.hpp"
#include "ipc/os/fault.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

std::optional<MapFailure> ChunkMap::map(const ipc::FileDescriptor& file, std::uint64_t size,
                                        unsigned power, std::uint64_t most, const std::string& path,
                                        std::atomic<std::uint32_t>* lost) noexcept {
    power_ = power;
    const std::uint64_t chunk_size = std::uint64_t{1} << power;
    const std::uint64_t count = (size - 1) / chunk_size + 1;
    // Before the list of them is made, which could itself take more memory than there is.
    if (!MappingBudget::take(count, most)) {
        return MapFailure{.error = ENOMEM, .budget_spent = true};
    }
    taken_ = count;
    try {
        chunks_.reserve(static_cast<std::size_t>(count));
        for (std::uint64_t begin = 0; begin < size; begin += chunk_size) {
            const std::uint64_t bytes = std::min(chunk_size, size - begin);
            const auto base = ipc::os::map_file(file.get(), begin, bytes);
            if (!base) {
                unmap();  // first: what is reported should not be what we took ourselves
                return MapFailure{.error = base.error, .chunk = begin >> power};
            }
            chunks_.push_back({.base = base.value, .bytes = bytes});
            chunks_.back().range = ipc::register_range(base.value, bytes, path, lost);
        }
    } catch (const std::bad_alloc&) {
        const std::uint64_t mapped = chunks_.size();
        unmap();
        return MapFailure{.error = ENOMEM, .chunk = std::min(mapped, count - 1)};
    }
    return std::nullopt;
}

void ChunkMap::unmap() noexcept {
    for (const Chunk& chunk : chunks_) {
        if (chunk.range != nullptr) {
            ipc::unregister_range(chunk.range);
        }
        ipc::os::unmap_file(chunk.base, chunk.bytes);
    }
    chunks_.clear();
    MappingBudget::give_back(taken_);
    taken_ = 0;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

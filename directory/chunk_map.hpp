// SPDX-License-Identifier: Apache-2.0
// The mappings of one file, in chunks of a power of two: chunk = position >> power.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strata/version.hpp"

namespace strata::ipc {
class FileDescriptor;
struct MappedRange;
}  // namespace strata::ipc

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// Why a file could not be mapped.
struct MapFailure {
    int error = 0;              ///< errno; ENOMEM if the budget is spent
    std::uint64_t chunk = 0;    ///< the one that failed
    bool budget_spent = false;  ///< see MappingBudget
};

class ChunkMap {
public:
    ChunkMap() noexcept = default;
    ChunkMap(const ChunkMap&) = delete;
    ChunkMap& operator=(const ChunkMap&) = delete;
    ~ChunkMap() { unmap(); }

    /// Maps [0, size) of the file, size > 0, within a budget of `most` mappings; again only if it
    /// failed. All of it, or nothing and the reason; ENOMEM as well if there is no memory for the
    /// list of chunks. `lost`: see ipc::register_range.
    std::optional<MapFailure> map(const ipc::FileDescriptor& file, std::uint64_t size,
                                  unsigned power, std::uint64_t most, const std::string& path,
                                  std::atomic<std::uint32_t>* lost) noexcept;

    bool mapped() const noexcept { return !chunks_.empty(); }
    std::size_t count() const noexcept { return chunks_.size(); }
    /// Where the byte stands, and up to where the bytes behind it are in the same chunk.
    struct Run {
        const std::byte* begin;
        std::uint64_t bytes;
    };
    Run run_at(std::uint64_t position) const noexcept {
        const Chunk& chunk = chunks_[position >> power_];
        const std::uint64_t inside = position & ((std::uint64_t{1} << power_) - 1);
        return {chunk.base + inside, chunk.bytes - inside};
    }
    unsigned power() const noexcept { return power_; }

private:
    struct Chunk {
        const std::byte* base = nullptr;
        std::uint64_t bytes = 0;
        ipc::MappedRange* range = nullptr;
    };
    void unmap() noexcept;

    std::vector<Chunk> chunks_;
    std::uint64_t taken_ = 0;  ///< of the budget
    unsigned power_ = 0;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

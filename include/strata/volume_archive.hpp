// SPDX-License-Identifier: Apache-2.0
// Archives: one dimension as two plain files, `region.mmap` and `index.json`, which programs
// without strata can read and write (docs/archive-format.md). Part of the component `volume`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/detail/lifetime.hpp"
#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using Sha256Digest = std::array<std::byte, 32>;

/// One layer of an archive, as its index describes it.
struct ArchivedLayer {
    std::uint64_t layer = 0;
    std::uint64_t offset = 0;        ///< of its first byte in region.mmap
    std::uint64_t size = 0;          ///< that it takes there: a multiple of 4096
    std::uint64_t content_size = 0;  ///< of these, its own; the rest is zero
    double frequency = 0;            ///< Hz
    std::vector<std::string> keywords{};
    std::string name{};          ///< of a named layer, else empty
    std::uint64_t type_tag = 0;  ///< 0: plain bytes
    std::size_t alignment = 8;   ///< that was asked for at `put`: a power of two, 8 to 4096
    Sha256Digest checksum{};     ///< of the `size` bytes at `offset`
    /// Layer::checksum in the store that it comes from; 0: not known.
    std::uint64_t live_checksum = 0;
};

/// What an archive says of itself.
struct ArchiveIndex {
    Dimension dimension = 0;
    std::string dimension_name{};
    std::string created_at{};        ///< RFC 3339, UTC; empty: not said
    std::string updated_at{};        ///< the same
    Generation live_generation = 0;  ///< of the live store that it was exported from; 0: not said
    std::uint64_t total_size = 0;    ///< of region.mmap, in bytes
    std::vector<ArchivedLayer> layers{};  ///< ascending by offset
};

/// The folder of a dimension's archive: `D01` for dimension 1, `D5000` for dimension 5000.
[[nodiscard]] std::string archive_folder(Dimension dimension);

/// Reads an archive and believes nothing: what contradicts the format is an error that names the
/// file, the layer and the numbers.
///
/// Thread safety: const members may be called from any thread at once. The files are read by system
/// calls, not mapped: truncating them in the meantime causes an error, no signal. An archive that
/// is replaced in the meantime is still read in its old version.
class ArchiveReader {
public:
    /// Opens `directory`/region.mmap and index.json and compares all that they say of each other,
    /// the header's checksum included, but reads no content yet. The files must be regular files,
    /// no links. Throws file_not_found, not_trusted, format_version, byte_order, truncated,
    /// corrupt, limit_exceeded (an index of more than 2 GiB), permission_denied, system.
    /// O(size of the index).
    static ArchiveReader open(const std::filesystem::path& directory);

    ArchiveReader(ArchiveReader&&) noexcept;
    ArchiveReader& operator=(ArchiveReader&&) noexcept;
    ArchiveReader(const ArchiveReader&) = delete;
    ArchiveReader& operator=(const ArchiveReader&) = delete;
    ~ArchiveReader();

    [[nodiscard]] const ArchiveIndex& index() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] const std::filesystem::path& path() const noexcept;

    /// Reads a layer's content into `out`, whose size must be the content's, and compares the
    /// checksum and the padding. Throws corrupt, truncated, system; `out` is unspecified then.
    /// Some 0.5 to 1 ns a byte, most of it SHA-256.
    void read(const ArchivedLayer& layer, std::span<std::byte> out) const;
    [[nodiscard]] std::vector<std::byte> read(const ArchivedLayer& layer) const;
    /// The same comparisons, in constant memory.
    void verify(const ArchivedLayer& layer) const;

private:
    struct State;
    explicit ArchiveReader(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

struct ArchiveWriterOptions {
    std::string_view dimension_name{};  ///< empty: the core dimension's, or `D<number>`
    /// Largest region.mmap, in bytes.
    std::uint64_t max_bytes = max_region_bytes;
    std::string_view created_at{};   ///< empty: now
    Generation live_generation = 0;  ///< ArchiveIndex::live_generation
    /// False: `publish` throws file_exists if there is an archive by then.
    bool replace = true;
};

/// Writes an archive next to the one that it replaces; `publish` swaps them atomically.
///
/// Thread safety: one thread at a time; archives of different dimensions in different threads.
class ArchiveWriter {
public:
    /// Begins the archive `parent`/`archive_folder(dimension)`. What is there already must be an
    /// archive's folder, without other files; its `layers/` is kept. Throws file_not_found,
    /// file_exists, not_trusted, permission_denied, no_space, system.
    ArchiveWriter(const std::filesystem::path& parent, Dimension dimension,
                  const ArchiveWriterOptions& options = {});
    ArchiveWriter(ArchiveWriter&&) noexcept;
    ArchiveWriter& operator=(ArchiveWriter&&) noexcept;
    ArchiveWriter(const ArchiveWriter&) = delete;
    ArchiveWriter& operator=(const ArchiveWriter&) = delete;
    /// Without `publish`: removes what was written.
    ~ArchiveWriter();

    /// The next layer; numbers ascend. Of `description` layer, frequency, keywords, name,
    /// type_tag, alignment and live_checksum are taken, the rest is worked out. Throws
    /// invalid_argument (order), limit_exceeded, no_space, system: the archive cannot be published
    /// then.
    void add(const ArchivedLayer& description, std::span<const std::byte> content);
    /// A layer of a snapshot. Also throws corrupt (damaged metadata).
    void add(const Layer& layer);
    /// Writes index and header and brings everything to the disk; no layer can be added then. What
    /// is left for `publish` takes no room any more. Throws as `publish`.
    void complete();
    /// Completes it, if that was not done, and puts the archive in its place: readers see the old
    /// or the new one, complete, also after a crash. Throws no_space, limit_exceeded, system; the
    /// old archive stays then, unless the error says that the new one is in its place.
    ArchiveIndex publish();

    /// Bytes of region.mmap so far.
    [[nodiscard]] std::uint64_t size() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

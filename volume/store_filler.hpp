// SPDX-License-Identifier: Apache-2.0
// From archives into one batch of a store: room is taken layer by layer, then filled by many
// threads straight from the files, each content compared with its SHA-256 on the way. Import and
// restore share it; nobody sees anything before publish().
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "strata/batch.hpp"
#include "strata/consumer.hpp"
#include "strata/producer.hpp"
#include "strata/volume_transfer.hpp"
#include "volume/archive_files.hpp"
#include "volume/region_settings.hpp"

namespace strata::volume_impl {

class StoreFiller {
public:
    StoreFiller(Producer& producer, std::string_view operation);

    /// The dimension's present layers go with the commit; it is added under these options if it is
    /// not there, or if where it lies is open to others than `options.access` says: then it goes as
    /// a whole. Throws as Batch::add_dimension; system, permission_denied, corrupt.
    void begin_dimension(Dimension dimension, const DimensionOptions& options);
    /// Takes room for a layer; both must stay until fill(). Throws as Batch::put; corrupt if a name
    /// does not belong to its number.
    void add(const OpenArchive& archive, const ArchivedLayer& layer);
    /// Reads what was added since the last time. Throws what ArchiveReader::read throws, and what
    /// options.progress throws.
    void fill(const TransferOptions& options);
    /// One generation. generation, layers and content_bytes of the report are set.
    TransferReport publish();

private:
    /// Content that is written straight to its place in the store.
    struct Filling {
        const OpenArchive* archive;
        const ArchivedLayer* layer;
        std::span<std::byte> room;
    };
    void put_named(const OpenArchive& archive, const ArchivedLayer& layer);
    std::uint32_t present_mode(Dimension dimension);

    std::string_view operation_;
    Dimension dimension_ = 0;
    Batch batch_;
    Consumer consumer_;
    Snapshot before_;
    std::vector<DimensionInfo> present_;  // of before_, once it is asked for
    RegionSettings regions_;
    std::vector<Filling> fillings_;
    // For progress; nothing depends on them.
    std::atomic<std::uint64_t> filled_{0};
    std::atomic<std::uint64_t> filled_bytes_{0};
    std::uint64_t named_ = 0;
    std::uint64_t layers_ = 0;
    std::uint64_t content_bytes_ = 0;
};

}  // namespace strata::volume_impl

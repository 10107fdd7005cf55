// SPDX-License-Identifier: Apache-2.0
// From archives into one batch of a store: many threads take room for some layers, one thread at a
// time, and fill it straight from the files, each content compared with its SHA-256 on the way.
// Import and restore share it; nobody sees anything before publish().
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
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
    /// Both must stay until fill(). Throws corrupt if a name does not belong to its number.
    void add(const OpenArchive& archive, const ArchivedLayer& layer);
    /// Takes room for what was added since the last time, and reads it. Throws as Batch::put, what
    /// ArchiveReader::read throws, and what options.progress throws.
    void fill(const TransferOptions& options);
    /// One generation. generation, layers and content_bytes of the report are set.
    TransferReport publish();

private:
    /// Content that is written straight to its place in the store.
    struct Pending {
        const OpenArchive* archive;
        const ArchivedLayer* layer;
        Dimension dimension;
        std::span<std::byte> room;
    };
    /// Some of them, one behind the other.
    struct Portion {
        std::size_t first = 0;
        std::size_t layers = 0;
        std::uint64_t bytes = 0;
    };
    std::span<Pending> take_room();
    std::uint32_t present_mode(Dimension dimension);

    std::string_view operation_;
    Dimension dimension_ = 0;
    Batch batch_;
    Consumer consumer_;
    Snapshot before_;
    std::vector<DimensionInfo> present_;  // of before_, once it is asked for
    RegionSettings regions_;
    std::vector<Pending> pending_;
    std::vector<Portion> portions_;
    std::mutex mutex_;  // while threads fill: of batch_ and next_portion_
    std::size_t next_portion_ = 0;
    // For progress; nothing depends on them.
    std::atomic<std::uint64_t> filled_{0};
    std::atomic<std::uint64_t> filled_bytes_{0};
    std::uint64_t layers_ = 0;
    std::uint64_t content_bytes_ = 0;
};

}  // namespace strata::volume_impl

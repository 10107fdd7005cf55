// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/live_blocks.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "ipc/failure.hpp"
#include "ipc/files/region_file.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/index/find.hpp"
#include "ipc/index/view.hpp"
#include "producer/index_tracer.hpp"
#include "strata/dimension_range.hpp"

namespace strata::producer_impl {

namespace {

/// Adopts what the current generation reaches.
class LiveTracer final : public IndexTracer {
public:
    LiveTracer(Region& region, const ipc::IndexView& index, std::optional<Dimension> dimension,
               const PinnedGenerations& pinned, std::uint64_t file_birth,
               std::string_view operation)
        : IndexTracer(region, index, dimension, operation),
          pinned_(pinned),
          file_birth_(file_birth) {}

    /// The sum of the mixed checksums of all layers that were reached.
    std::uint64_t digest() const noexcept { return digest_; }

    void adopt_all(std::uint64_t leaves_expected) {
        const std::uint64_t leaves = walk();
        if (leaves != leaves_expected) {
            fail("it holds " + std::to_string(leaves) + " entries, its record says " +
                 std::to_string(leaves_expected));
        }
    }

private:
    bool claim(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment,
               std::uint64_t generation) override {
        const std::uint64_t birth =
            generation != 0 ? std::max(file_birth_, pinned_.birth_of(generation)) : file_birth_;
        // Also what stops a walk in a cycle: no block is adopted twice.
        if (!region().adopt(offset, bytes, alignment, birth)) {
            fail("blocks overlap at offset " + std::to_string(offset));
        }
        return true;
    }

    void expect(std::uint64_t offset) const noexcept override {
        region().prefetch_facts_held(offset);  // nobody else is there yet
    }

    void reached_layer(const ipc::LayerBlock& block) override {
        digest_ += ipc::mix_checksum(block.kept_checksum());
    }

    const PinnedGenerations& pinned_;
    const std::uint64_t file_birth_;
    std::uint64_t digest_ = 0;
};

}  // namespace

void LiveBlocks::adopt() {
    const std::uint64_t birth = pinned_.birth_of(0);
    Region& control = control_.region();
    if (!control.adopt(current_.root_offset(), sizeof(ipc::RootRecord), ipc::block_unit, birth)) {
        ipc::fail(Errc::corrupt, operation_, control_.path(), "the root record lies out of place");
    }
    const ipc::IndexView directory = control_.file().directory_of(current_.root());
    LiveTracer(control, directory, std::nullopt, pinned_, birth, operation_)
        .adopt_all(current_.root().dimensions);
    current_.reserve(current_.root().dimensions);
    std::uint64_t digest = 0;
    std::uint64_t record_sum = 0;
    const DimensionRange records(&directory);
    for (auto it = records.begin(); it != records.end(); ++it) {
        const std::uint64_t offset = ipc::block_offset(directory, *it);
        const ipc::DimensionRecord record =
            control_.file().record_at(directory, ipc::layer_entry(offset, 0), operation_);
        adopt_dimension(record, offset);
        digest += record.digest;
        record_sum += ipc::mix_checksum(record.checksum);
    }
    if (digest != current_.root().digest || record_sum != current_.root().records) {
        ipc::fail(Errc::corrupt, operation_, control_.path(),
                  "the directory leads to other records than generation " +
                      std::to_string(current_.root().generation) + " has",
                  "remove the store and publish it anew, or restore a backup");
    }
}

void LiveBlocks::adopt_dimension(const ipc::DimensionRecord& record, std::uint64_t record_offset) {
    const auto dimension = static_cast<Dimension>(record.dimension);
    const std::shared_ptr<Region> region = region_of(record);
    const ipc::IndexView index = index_of(*region, record);
    LiveTracer tracer(*region, index, dimension, pinned_, region->birth_epoch, operation_);
    tracer.adopt_all(record.layers);
    if (tracer.digest() != record.digest) {
        ipc::fail(Errc::corrupt, operation_, region->path(),
                  "dimension " + std::to_string(dimension) +
                      " leads to other layers than its record says: their digest is " +
                      std::to_string(tracer.digest()) + " instead of " +
                      std::to_string(record.digest),
                  "remove the store and publish it anew, or restore a backup");
    }
    const Home home = homes_.find_or_set(dimension, region);
    current_.add(dimension, {.region = region,
                             .lineage = home.lineage,
                             .name = std::string(record.name, record.name_bytes),
                             .state = {.index = record.index,
                                       .levels = record.index_levels,
                                       .layers = record.layers,
                                       .live_bytes = record.live_bytes,
                                       .digest = record.digest,
                                       .record_offset = record_offset,
                                       .record_checksum = record.checksum,
                                       .generation = record.generation}});
}

std::shared_ptr<Region> LiveBlocks::region_of(const ipc::DimensionRecord& record) {
    auto known = current_.regions().find(record.serial);
    if (known == current_.regions().end()) {
        current_.add_region(
            factory_.open(record.serial, pinned_.birth_of_file(record.serial), operation_));
        known = current_.regions().find(record.serial);
        // Nobody knows what of it was flushed.
        known->second.region->changed_in = current_.root().generation;
    }
    const std::shared_ptr<Region>& region = known->second.region;
    const auto claimed = [&] {
        return " bytes, the record of dimension " + std::to_string(record.dimension) + " says " +
               std::to_string(record.committed_bytes());
    };
    if (record.committed_bytes() > region->max_bytes()) {
        ipc::fail(Errc::corrupt, operation_, region->path(),
                  "may have " + std::to_string(region->max_bytes()) + claimed());
    }
    if (record.committed_bytes() > region->found_bytes) {
        ipc::fail(Errc::truncated, operation_, region->path(),
                  "has " + std::to_string(region->found_bytes) + claimed());
    }
    ipc::check_owner(region->owner, record, operation_, region->path());
    return region;
}

}  // namespace strata::producer_impl

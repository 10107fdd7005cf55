// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/held_blocks.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ipc/failure.hpp"
#include "producer/index_tracer.hpp"

namespace strata::producer_impl {

class HeldBlocks::Tracer final : public IndexTracer {
public:
    Tracer(HeldBlocks& held, Region& region, const ipc::IndexView& index,
           std::optional<Dimension> dimension)
        : IndexTracer(region, index, dimension, held.operation_), held_(held), directory_(index) {}

private:
    bool claim(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment,
               std::uint64_t) override {
        return held_.claim(region(), offset, bytes, alignment);
    }
    void reached_record(std::uint64_t offset) override {
        held_.trace_dimension(held_.control_file_.record_at(directory_, ipc::layer_entry(offset, 0),
                                                            held_.operation_));
    }

    HeldBlocks& held_;
    const ipc::IndexView& directory_;
};

// Blocks are immutable: what is known to be reached from one root is reached with all that it leads
// to. So only what a root does not share with the current one is walked.
bool HeldBlocks::claim(Region& region, std::uint64_t offset, std::uint64_t bytes,
                       std::uint64_t alignment) {
    auto& known = by_offset_[&region];
    const auto [at, fresh] = known.try_emplace(offset, Claim{blocks_.size(), bytes});
    if (!fresh) {
        if (at->second.bytes != bytes) {
            fail_overlap(region, offset);
        }
        // Between the two epochs it was reached all the time, as by any epoch in between.
        return std::exchange(blocks_[at->second.block].tag, epoch_) != epoch_;
    }
    if (region.adopt(offset, bytes, alignment, epoch_)) {
        blocks_.push_back({.region = &region,
                           .offset = offset,
                           .birth = epoch_,
                           .tag = epoch_,
                           .bytes = BlockAllocator::rounded_bytes(bytes, alignment)});
        return true;
    }
    known.erase(at);
    if (!region.is_adopted(offset, bytes, alignment)) {
        fail_overlap(region, offset);
    }
    return false;  // of the current generation
}

void HeldBlocks::fail_overlap(const Region& region, std::uint64_t offset) const {
    ipc::fail(Errc::corrupt, operation_, region.path(),
              "an older generation is damaged: blocks overlap at offset " + std::to_string(offset));
}

void HeldBlocks::trace(const PinnedGeneration& pinned) {
    epoch_ = pinned.epoch;
    std::uint64_t offset = pinned.root;
    for (Generation generation = pinned.generation;;) {
        const ipc::RootRecord root = control_file_.root_at(offset, operation_);
        if (root.generation != generation || root.epoch > pinned.epoch) {
            ipc::fail(
                Errc::corrupt, operation_, control_file_.path(),
                "the root record of generation " + std::to_string(generation) + " is damaged");
        }
        trace_root(offset, root);
        if (generation <= pinned.oldest || root.previous == 0) {
            return;
        }
        offset = root.previous;
        generation =
            std::min(root.previous_generation, generation - 1);  // it ends whatever is said
    }
}

void HeldBlocks::trace_root(std::uint64_t offset, const ipc::RootRecord& root) {
    if (!claim(control_, offset, sizeof(ipc::RootRecord), ipc::block_unit)) {
        return;
    }
    const ipc::IndexView directory = control_file_.directory_of(root);
    Tracer(*this, control_, directory, std::nullopt).walk();
}

void HeldBlocks::trace_dimension(const ipc::DimensionRecord& record) {
    const auto found = regions_.find(record.serial);
    if (found == regions_.end()) {
        const auto [file, fresh] = files_.try_emplace(record.serial, ipc::EpochRange{epoch_, 0});
        file->second.last = epoch_;
        return;
    }
    Region& region = *found->second.region;
    if (record.committed_bytes() > region.end()) {
        ipc::fail(Errc::truncated, operation_, region.path(),
                  "an older generation needs " + std::to_string(record.committed_bytes()) +
                      " bytes, the file has " + std::to_string(region.end()));
    }
    const ipc::IndexView index = index_of(region, record);
    Tracer(*this, region, index, static_cast<Dimension>(record.dimension)).walk();
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/batch_ops.hpp"

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/layer_block.hpp"
#include "producer/commit/batch_order.hpp"

namespace strata::producer_impl {

namespace {

ipc::LayerBlock block_of(const BatchOp& op) noexcept {
    return ipc::LayerBlock(op.region->at(op.header));
}

std::string_view name_of(const BatchOp& op) noexcept {
    const ipc::LayerBlock block = block_of(op);
    return block.name(block.shape());
}

std::uint64_t allocation_of(const BatchOp& op) noexcept {
    return op.header - block_of(op).shape().pad_bytes();
}

void free_block(const BatchOp& op) noexcept {
    if (op.region != nullptr) {
        op.region->free(allocation_of(op));
    }
}

}  // namespace

void BatchOps::consolidate(std::string_view store) {
    for (BatchOp& op : ops_) {
        if (op.loaned) {
            ipc::LayerDraft::seal(op.region->at(op.header));
        }
    }
    if (sorted_) {
        return;
    }
    sort_by_id(ops_);
    // Two names with one number must be refused before the earlier one's block is gone.
    for (std::size_t i = 1; i < ops_.size(); ++i) {
        const BatchOp& a = ops_[i - 1];
        const BatchOp& b = ops_[i];
        if (a.id == b.id && a.named && b.named && name_of(a) != name_of(b)) {
            ipc::fail(Errc::name_collision, store, "",
                      "the names " + ipc::quoted(name_of(a)) + " and " + ipc::quoted(name_of(b)) +
                          " have the same layer number " + std::to_string(a.id.layer),
                      "rename one of them");
        }
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ops_.size(); ++i) {
        if (i + 1 < ops_.size() && ops_[i].id == ops_[i + 1].id) {
            free_block(ops_[i]);
        } else {
            ops_[kept++] = ops_[i];
        }
    }
    ops_.resize(kept);
    sorted_ = true;
    STRATA_CRASH_POINT("put.settled");
}

void BatchOps::relocate(Dimension number, Region& to, Placement& placement) {
    for (BatchOp& op : ops_) {
        if (op.id.dimension != number || op.region == nullptr || op.region == &to) {
            continue;
        }
        const Region::Allocation copy = placement.copy_layer(*op.region, op.header, to);
        if (copy.refusal != Region::Refusal::none) {
            throw Error({.code = Errc::limit_exceeded,
                         .operation = ipc::operation_on("crystallize", placement.directory().name),
                         .path = to.path(),
                         .detail =
                             "the dimension was relocated to another file, which has no room for "
                             "what this batch has put into the old one",
                         .hint = "raise the limit, or clear the batch and prepare it anew",
                         .needed = op.region->block_bytes(allocation_of(op)),
                         .limit = placement.budget().limit(),
                         .current = placement.budget().used()});
        }
        free_block(op);
        op.region = &to;
        op.header = copy.offset;
    }
}

void BatchOps::drop(Dimension number) noexcept {
    std::erase_if(ops_, [&](const BatchOp& op) {
        if (op.id.dimension != number) {
            return false;
        }
        free_block(op);
        return true;
    });
}

void BatchOps::free_blocks() noexcept {
    for (const BatchOp& op : ops_) {
        free_block(op);
    }
    forget();
}

void BatchOps::forget() noexcept {
    ops_.clear();
    sorted_ = true;
}

}  // namespace strata::producer_impl

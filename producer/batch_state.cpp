// SPDX-License-Identifier: Apache-2.0
#include "producer/batch_state.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ipc/checksum.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/batch_order.hpp"
#include "producer/prefetch.hpp"

namespace strata::producer_impl {

using ipc::LayerHeader;

namespace {

constexpr std::size_t max_keywords = 65535;
constexpr std::size_t max_keyword_bytes = 64 << 10;

std::uint64_t metadata_bytes_of(std::string_view name, const LayerOptions& options) {
    if (name.empty() && options.keywords.empty()) {
        return 0;
    }
    std::uint64_t bytes = 8 + name.size();
    for (const std::string_view keyword : options.keywords) {
        bytes += 4 + keyword.size();
    }
    return bytes;
}

std::byte* append_word(std::byte* at, std::size_t value) noexcept {
    const auto word = static_cast<std::uint32_t>(value);
    std::memcpy(at, &word, sizeof(word));
    return at + sizeof(word);
}

std::byte* append_text(std::byte* at, std::string_view text) noexcept {
    if (!text.empty()) {
        std::memcpy(at, text.data(), text.size());
    }
    return at + text.size();
}

void write_metadata(std::byte* at, std::string_view name, const LayerOptions& options) noexcept {
    at = append_word(at, name.size());
    at = append_word(at, options.keywords.size());
    at = append_text(at, name);
    for (const std::string_view keyword : options.keywords) {
        at = append_word(at, keyword.size());
        at = append_text(at, keyword);
    }
}

void check_options(LayerId id, std::string_view name, const LayerOptions& options,
                   std::string_view operation) {
    const auto refuse = [&](const std::string& what) {
        ipc::fail(Errc::invalid_argument, operation, "",
                  "layer " + std::to_string(id.layer) + " of dimension " +
                      std::to_string(id.dimension) + ": " + what);
    };
    if (!std::has_single_bit(options.alignment) || options.alignment < ipc::block_unit ||
        options.alignment > ipc::page_bytes) {
        refuse("alignment " + std::to_string(options.alignment) +
               " is not a power of two from 64 to 4096");
    }
    if (name.size() > max_layer_name_bytes) {
        refuse("its name has " + std::to_string(name.size()) + " bytes, at most " +
               std::to_string(max_layer_name_bytes) + " are possible");
    }
    if (options.keywords.size() > max_keywords) {
        refuse(std::to_string(options.keywords.size()) + " keywords, at most " +
               std::to_string(max_keywords) + " are possible");
    }
    for (const std::string_view keyword : options.keywords) {
        if (keyword.size() > max_keyword_bytes) {
            refuse("a keyword of " + std::to_string(keyword.size()) + " bytes, at most " +
                   std::to_string(max_keyword_bytes) + " are possible");
        }
    }
}

bool same_owner(const std::weak_ptr<Region>& a, const std::shared_ptr<Region>& b) noexcept {
    return !a.owner_before(b) && !b.owner_before(a);
}

const std::byte* metadata_of(const std::byte* header, const LayerHeader& fields) noexcept {
    return header + sizeof(LayerHeader) + ipc::round_up(fields.payload_bytes, 8);
}

}  // namespace

std::uint64_t layer_allocation_bytes(std::uint64_t payload_bytes, std::uint64_t metadata_bytes,
                                     std::uint64_t alignment) noexcept {
    const std::uint64_t payload =
        metadata_bytes == 0 ? payload_bytes : ipc::round_up(payload_bytes, 8) + metadata_bytes;
    return (alignment - ipc::block_unit) + sizeof(LayerHeader) + payload;
}

void seal_layer(std::byte* header) noexcept {
    LayerHeader fields;
    std::memcpy(&fields, header, sizeof(fields));
    fields.checksum =
        ipc::layer_checksum(fields, header + sizeof(fields), metadata_of(header, fields));
    std::memcpy(header + offsetof(LayerHeader, checksum), &fields.checksum,
                sizeof(fields.checksum));
}

std::string_view layer_name(const std::byte* header) noexcept {
    LayerHeader fields;
    std::memcpy(&fields, header, sizeof(fields));
    if (fields.metadata_bytes == 0) {
        return {};
    }
    const std::byte* const metadata = metadata_of(header, fields);
    std::uint32_t size = 0;
    std::memcpy(&size, metadata, sizeof(size));
    if (fields.metadata_bytes < 8 || size > fields.metadata_bytes - 8) {
        return {};  // found damaged at a restart
    }
    return {reinterpret_cast<const char*>(metadata) + 8, size};
}

void BatchState::put(LayerId id, std::span<const std::byte> payload, std::string_view name,
                     const LayerOptions& options) {
    constexpr std::byte nothing{};  // an empty span may lead nowhere
    place(id, payload.size(), payload.empty() ? &nothing : payload.data(), name, options, "put");
}

std::span<std::byte> BatchState::loan(LayerId id, std::size_t bytes, const LayerOptions& options) {
    return place(id, bytes, nullptr, {}, options, "loan");
}

// Room for a layer, its header and metadata; its payload and checksum too if there is a `source`.
std::span<std::byte> BatchState::place(LayerId id, std::size_t payload_bytes,
                                       const std::byte* source, std::string_view name,
                                       const LayerOptions& options, std::string_view operation) {
    check_options(id, name, options, operation);
    store_.check_process(operation);
    const std::uint64_t metadata_bytes = metadata_bytes_of(name, options);
    if (metadata_bytes > std::numeric_limits<std::uint32_t>::max() ||
        payload_bytes > store_.identity().region_max_bytes) {
        throw Error({.code = Errc::layer_too_large,
                     .operation = std::string(operation),
                     .path = store_.path().string(),
                     .detail = "layer " + std::to_string(id.layer) + " of dimension " +
                               std::to_string(id.dimension) + " has " +
                               std::to_string(payload_bytes) + " bytes and " +
                               std::to_string(metadata_bytes) +
                               " of metadata; a region holds at most " +
                               std::to_string(store_.identity().region_max_bytes),
                     .hint = "create the store with a larger region_max_bytes",
                     .needed = payload_bytes,
                     .limit = store_.identity().region_max_bytes});
    }
    BatchDimension& target = touch(id.dimension);
    const bool first_use = !target.region;
    std::uint64_t offset = 0;
    try {
        ops_.reserve(ops_.size() + 1 > ops_.capacity() ? ops_.capacity() * 2 + 1 : 0);
        do {  // again if the dimension has moved on to another region
            offset = store_.allocate(
                region_of(target),
                layer_allocation_bytes(payload_bytes, metadata_bytes, options.alignment),
                options.alignment, operation);
        } while (offset == 0);
    } catch (...) {
        if (first_use) {  // what was refused must not add its dimension
            target.region.reset();
        }
        throw;
    }
    STRATA_CRASH_POINT("put.allocated");
    Region& region = *target.region;
    const std::uint64_t header_offset = offset + options.alignment - ipc::block_unit;
    // Safe: the allocation covers header, payload and metadata, and nobody else knows it.
    std::byte* const block = region.at(header_offset);
    // A block that was free has seldom been touched lately: its lines come while the checksum is
    // made. Of a large one the first few, for the hardware sees what they lead to.
    prefetch<Use::write>(block, std::min<std::size_t>(sizeof(LayerHeader) + payload_bytes, 512));
    std::byte* const payload = block + sizeof(LayerHeader);
    std::byte* const metadata = payload + ipc::round_up(payload_bytes, 8);
    LayerHeader header{.layer = id.layer,
                       .payload_bytes = payload_bytes,
                       .frequency = options.frequency,
                       .type_tag = options.type_tag,
                       .dimension = id.dimension,
                       .metadata_bytes = static_cast<std::uint32_t>(metadata_bytes),
                       .generation = 0,
                       .checksum = 0,
                       .alignment = static_cast<std::uint32_t>(options.alignment),
                       .reserved = 0};
    if (metadata_bytes != 0) {
        std::memset(payload + payload_bytes, 0,
                    static_cast<std::size_t>(metadata - payload) - payload_bytes);
        write_metadata(metadata, name, options);
    }
    if (source != nullptr) {
        // From where the payload is now: reading back what is being written into a cold block
        // would wait for it.
        header.checksum = ipc::layer_checksum(header, source, metadata);
        std::memcpy(payload, source, payload_bytes);
    }
    std::memcpy(block, &header, sizeof(header));
    STRATA_CRASH_POINT("put.header-written");
    if (!ops_.empty() && !(ops_.back().id < id)) {
        sorted_ = false;
    }
    ops_.push_back({id, header_offset, &region, !name.empty(), source == nullptr});
    return {payload, payload_bytes};
}

BatchDimension& BatchState::touch(Dimension number) {
    auto place = std::lower_bound(
        dimensions_.begin(), dimensions_.end(), number,
        [](const BatchDimension& dimension, Dimension value) { return dimension.number < value; });
    if (place == dimensions_.end() || place->number != number) {
        place = dimensions_.insert(place, BatchDimension{.number = number});
    }
    if (!place->touched) {
        place->touched = true;
        place->region = place->remembered.lock();
        if (place->region && !place->region->in_use()) {
            place->region.reset();  // removed since the batch used it last
        }
    }
    return *place;
}

Region& BatchState::region_of(BatchDimension& dimension, const DimensionOptions& options) {
    if (dimension.region && dimension.region->moved()) {
        dimension.former.push_back(std::move(dimension.region));
        dimension.region.reset();
    }
    if (!dimension.region) {
        dimension.region = dimension.remove ? store_.new_region(dimension.number, options)
                                            : store_.region_for(dimension.number, options);
    }
    return *dimension.region;
}

void BatchState::erase(LayerId id) {
    touch(id.dimension);
    if (!ops_.empty() && !(ops_.back().id < id)) {
        sorted_ = false;
    }
    ops_.push_back({id, 0, nullptr, false, false});
}

void BatchState::add_dimension(Dimension number, const DimensionOptions& options) {
    const std::string_view name = options.name;
    if (name.size() > max_dimension_name_bytes) {
        ipc::fail(Errc::invalid_argument, "add dimension " + std::to_string(number), "",
                  "the name has " + std::to_string(name.size()) + " bytes, at most " +
                      std::to_string(max_dimension_name_bytes) + " are possible");
    }
    BatchDimension& target = touch(number);
    const bool first_use = !target.region;
    const std::uint64_t max_bytes = region_of(target, options).max_bytes();
    if (options.max_bytes != 0 && options.max_bytes != max_bytes) {
        if (first_use) {
            target.region.reset();
        }
        ipc::fail(Errc::dimension_exists, "add dimension " + std::to_string(number), store_.name(),
                  "it is there already and may grow to " + std::to_string(max_bytes) +
                      " bytes, not " + std::to_string(options.max_bytes),
                  "remove it first, or leave its size as it is");
    }
    target.add = true;
    target.name = name;
    ++dimension_changes_;
}

void BatchState::remove_dimension(Dimension number) {
    BatchDimension& target = touch(number);
    std::erase_if(ops_, [&](const BatchOp& op) {
        if (op.id.dimension != number) {
            return false;
        }
        free_op(op);
        return true;
    });
    target = {.number = number,
              .region = nullptr,
              .former = {},
              .remembered = {},
              .touched = true,
              .remove = true,
              .add = false,
              .name = {}};
    ++dimension_changes_;
}

void BatchState::settle() {
    for (BatchOp& op : ops_) {
        if (op.loaned) {
            seal_layer(op.region->at(op.header));
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
        if (a.id == b.id && a.named && b.named &&
            layer_name(a.region->at(a.header)) != layer_name(b.region->at(b.header))) {
            ipc::fail(Errc::name_collision, store_.name(), "",
                      "the names " + ipc::quoted(layer_name(a.region->at(a.header))) + " and " +
                          ipc::quoted(layer_name(b.region->at(b.header))) +
                          " have the same layer number " + std::to_string(a.id.layer),
                      "rename one of them");
        }
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ops_.size(); ++i) {
        if (i + 1 < ops_.size() && ops_[i].id == ops_[i + 1].id) {
            free_op(ops_[i]);
        } else {
            ops_[kept++] = ops_[i];
        }
    }
    ops_.resize(kept);
    sorted_ = true;
    STRATA_CRASH_POINT("put.settled");
}

void BatchState::follow_moves() {
    for (BatchDimension& dimension : dimensions_) {
        const bool moved = dimension.region && dimension.region->moved();
        if (!dimension.touched || (!moved && dimension.former.empty())) {
            continue;
        }
        const std::shared_ptr<Region> to = store_.published_region(dimension.number);
        const Region& from = moved ? *dimension.region : *dimension.former.back();
        if (!to || to->lineage != from.lineage) {
            ipc::fail(Errc::dimension_not_found, "crystallize", store_.name(),
                      "dimension " + std::to_string(dimension.number) +
                          " was removed or replaced since the batch was begun",
                      "clear the batch and prepare it anew");
        }
        if (moved) {
            dimension.former.push_back(dimension.region);
            dimension.region = to;
        }
        for (BatchOp& op : ops_) {
            if (op.id.dimension != dimension.number || op.region == nullptr ||
                op.region == to.get()) {
                continue;
            }
            const std::uint64_t header = store_.copy_layer(*op.region, op.header, *to);
            if (header == 0) {
                throw Error({.code = Errc::limit_exceeded,
                             .operation = ipc::operation_on("crystallize", store_.name()),
                             .path = to->path(),
                             .detail = "the dimension moved on to another file, which has no room "
                                       "for what this batch has put into the old one",
                             .hint = "raise the limit, or clear the batch and prepare it anew",
                             .needed = op.region->block_bytes(
                                 op.header - (op.region->at<LayerHeader>(op.header)->alignment -
                                              ipc::block_unit)),
                             .limit = store_.budget().limit(),
                             .current = store_.budget().used()});
            }
            free_op(op);
            op.region = to.get();
            op.header = header;
        }
        dimension.former.clear();
    }
}

void BatchState::begin_relocation(const std::shared_ptr<Region>& from,
                                  const std::shared_ptr<Region>& to) {
    relocated_from_ = from;
    ops_.reserve(from->published.layers);
    left_behind_.reserve(from->published.layers);
    dimensions_.push_back({.number = from->dimension,
                           .region = to,
                           .touched = true,
                           .remove = true,
                           .add = true,
                           .name = from->published.name});
    dimension_changes_ = 1;
}

bool BatchState::relocate_layer(std::uint64_t layer, std::uint64_t header) {
    Region& to = *dimensions_.front().region;
    const std::uint64_t copy = store_.copy_layer(*relocated_from_, header, to);
    if (copy == 0) {
        return false;
    }
    ops_.push_back({{relocated_from_->dimension, layer}, copy, &to, false, false});
    const std::uint64_t alignment = relocated_from_->at<LayerHeader>(header)->alignment;
    left_behind_.push_back({relocated_from_.get(), header - (alignment - ipc::block_unit), 0, 0});
    return true;
}

std::vector<CommitTrail::Block> BatchState::left_behind() const {
    std::vector<CommitTrail::Block> blocks = left_behind_;
    if (relocated_from_) {
        const std::lock_guard hold(*relocated_from_);
        relocated_from_->fill_facts_held(std::span(blocks));
    }
    return blocks;
}

void BatchState::free_op(const BatchOp& op) noexcept {
    if (op.region != nullptr) {
        const std::uint64_t alignment = op.region->at<LayerHeader>(op.header)->alignment;
        store_.free_block(*op.region, op.header - (alignment - ipc::block_unit));
    }
}

void BatchState::clear() noexcept {
    if (!store_.forked()) {  // in a child the blocks are not mapped
        for (const BatchOp& op : ops_) {
            free_op(op);
        }
    }
    forget();
}

void BatchState::forget() noexcept {
    ops_.clear();
    // Regions are remembered for the batch's next use, as long as they are those of the store.
    for (BatchDimension& dimension : dimensions_) {
        if (dimension.touched) {
            if (dimension.region && dimension.region->in_use()) {
                if (!same_owner(dimension.remembered, dimension.region)) {  // counts no references
                    dimension.remembered = dimension.region;
                }
            } else {
                dimension.remembered.reset();
            }
            dimension.region.reset();
        }
    }
    std::erase_if(dimensions_,
                  [](const BatchDimension& dimension) { return dimension.remembered.expired(); });
    for (BatchDimension& dimension : dimensions_) {
        dimension.touched = dimension.remove = dimension.add = false;
        dimension.name.clear();
        dimension.former.clear();
    }
    dimension_changes_ = 0;
    sorted_ = true;
}

}  // namespace strata::producer_impl

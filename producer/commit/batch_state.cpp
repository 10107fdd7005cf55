// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/batch_state.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/format/layer_metadata.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/memory/prefetch.hpp"
#include "producer/open_store.hpp"
#include "strata/core_dimensions.hpp"
#include "strata/layer.hpp"

namespace strata::producer_impl {

using ipc::LayerDraft;
using ipc::LayerMetadata;
using ipc::LayerShape;

namespace {

void check_options(LayerId id, std::string_view name, const LayerOptions& options,
                   std::string_view operation) {
    const auto refuse = [&](const std::string& what) {
        ipc::fail(Errc::invalid_argument, operation, "",
                  "layer " + std::to_string(id.layer) + " of dimension " +
                      std::to_string(id.dimension) + ": " + what);
    };
    if (!LayerShape::is_alignment(options.alignment)) {
        refuse("alignment " + std::to_string(options.alignment) +
               " is not a power of two from 8 to 4096");
    }
    if (name.size() > max_layer_name_bytes) {
        refuse("its name has " + std::to_string(name.size()) + " bytes, at most " +
               std::to_string(max_layer_name_bytes) + " are possible");
    }
    if (options.keywords.size() > LayerMetadata::most_keywords) {
        refuse(std::to_string(options.keywords.size()) + " keywords, at most " +
               std::to_string(LayerMetadata::most_keywords) + " are possible");
    }
    for (const std::string_view keyword : options.keywords) {
        if (keyword.size() > LayerMetadata::most_keyword_bytes) {
            refuse("a keyword of " + std::to_string(keyword.size()) + " bytes, at most " +
                   std::to_string(LayerMetadata::most_keyword_bytes) + " are possible");
        }
    }
}

}  // namespace

void BatchState::put(LayerId id, std::span<const std::byte> payload, std::string_view name,
                     const LayerOptions& options) {
    constexpr std::byte nothing{};  // an empty span may lead nowhere
    place(id, payload.size(), payload.empty() ? &nothing : payload.data(), name, options, "put");
}

std::span<std::byte> BatchState::loan(LayerId id, std::size_t bytes, std::string_view name,
                                      const LayerOptions& options) {
    return place(id, bytes, nullptr, name, options, "loan");
}

// Room for a layer, its header and metadata; its payload and checksum too if there is a `source`.
std::span<std::byte> BatchState::place(LayerId id, std::size_t payload_bytes,
                                       const std::byte* source, std::string_view name,
                                       const LayerOptions& options, std::string_view operation) {
    check_options(id, name, options, operation);
    store_.check_process(operation);
    const ipc::LayerContext context{.layer = id.layer,
                                    .dimension = id.dimension,
                                    .frequency = options.frequency,
                                    .type_tag = options.type_tag,
                                    .name = name,
                                    .keywords = options.keywords};
    const LayerShape shape = context.shape(payload_bytes, options.alignment);
    if (shape.metadata_bytes > std::numeric_limits<std::uint32_t>::max() ||
        payload_bytes > store_.identity().region_max_bytes) {
        throw Error({.code = Errc::layer_too_large,
                     .operation = std::string(operation),
                     .path = store_.path().string(),
                     .detail = "layer " + std::to_string(id.layer) + " of dimension " +
                               std::to_string(id.dimension) + " has " +
                               std::to_string(payload_bytes) + " bytes and " +
                               std::to_string(shape.metadata_bytes) +
                               " of metadata; a region holds at most " +
                               std::to_string(store_.identity().region_max_bytes),
                     .hint = "create the store with a larger region_max_bytes",
                     .needed = payload_bytes,
                     .limit = store_.identity().region_max_bytes});
    }
    BatchDimension& target = dimensions_.touch(id.dimension);
    const bool first_use = !target.home.region;
    std::uint64_t offset = 0;
    try {
        ops_.reserve(1);
        do {  // again if dimensions were relocated meanwhile
            const std::uint64_t version = placement_.homes().version();
            offset =
                placement_.allocate(id.dimension, dimensions_.region_of(target),
                                    shape.allocation_bytes(), shape.alignment, version, operation);
        } while (offset == 0);
    } catch (...) {
        if (first_use) {  // what was refused must not add its dimension
            target.home = {};
        }
        throw;
    }
    STRATA_CRASH_POINT("put.allocated");
    Region& region = *target.home.region;
    const std::uint64_t header_offset = offset + shape.pad_bytes();
    // Safe: the allocation covers header, payload and tail, and nobody else knows it.
    std::byte* const block = region.at(header_offset);
    // A block that was free has seldom been touched lately: its lines come while the checksum is
    // made. Of a large one the first few: the hardware prefetches the rest.
    prefetch<Use::write>(block,
                         std::min<std::size_t>(sizeof(ipc::LayerHeader) + payload_bytes, 512));
    const LayerDraft draft(block, shape);
    if (source != nullptr) {
        draft.write(context, source);
    } else {
        draft.write_around(context);
    }
    STRATA_CRASH_POINT("put.header-written");
    ops_.add({id, header_offset, &region, !name.empty(), source == nullptr});
    return {draft.payload(), payload_bytes};
}

void BatchState::erase(LayerId id) {
    dimensions_.touch(id.dimension);
    ops_.add({id, 0, nullptr, false, false});
}

void BatchState::add_dimension(Dimension number, const DimensionOptions& options,
                               std::string_view name_if_new) {
    const std::string_view name = options.name;
    if (name.size() > max_dimension_name_bytes) {
        ipc::fail(Errc::invalid_argument, "add dimension " + std::to_string(number), "",
                  "the name has " + std::to_string(name.size()) + " bytes, at most " +
                      std::to_string(max_dimension_name_bytes) + " are possible");
    }
    // What needs memory comes first; a name that is noted and then refused is of no account.
    std::string own_name(name);
    std::string own_name_if_new(name_if_new);
    for (const std::string_view given : {name, name_if_new}) {
        if (!given.empty()) {
            dimensions_.note_name(given, number);
        }
    }
    BatchDimension& target = dimensions_.touch(number);
    const bool first_use = !target.home.region;
    const std::uint64_t max_bytes = dimensions_.region_of(target, options).max_bytes();
    if (options.max_bytes != 0 && options.max_bytes != max_bytes) {
        if (first_use) {
            target.home = {};
        }
        ipc::fail(Errc::dimension_exists, "add dimension " + std::to_string(number), store_.name(),
                  "it is there already and may grow to " + std::to_string(max_bytes) +
                      " bytes, not " + std::to_string(options.max_bytes),
                  "remove it first, or leave its size as it is");
    }
    target.add = true;
    target.name = std::move(own_name);
    target.name_if_new = std::move(own_name_if_new);
    ++dimension_changes_;
}

Dimension BatchState::add_dimension(std::string_view name, const DimensionOptions& options) {
    if (name.empty()) {
        ipc::fail(Errc::invalid_argument, "add dimension", store_.name(), "its name is empty",
                  "give it a name, or a number");
    }
    const auto has_name = [&](const BatchDimension& dimension) {
        return dimension.add && (dimension.name == name ||
                                 (dimension.name.empty() && dimension.name_if_new == name &&
                                  !store_.has_dimension(dimension.number)));
    };
    if (const BatchDimension* const added = dimensions_.find_named(name, has_name)) {
        return added->number;
    }
    const auto renamed_or_removed = [&](Dimension number) {
        const BatchDimension* const touched = dimensions_.find(number);
        return touched != nullptr && (touched->remove || (touched->add && !touched->name.empty()));
    };
    if (const auto published = store_.find_dimension(name);
        published && !renamed_or_removed(*published)) {
        return *published;
    }
    Dimension number = dimension_number(name);
    if (const auto* const core =
            std::find(core_dimension_names.begin(), core_dimension_names.end(), name);
        core != core_dimension_names.end()) {
        const auto of_core = static_cast<Dimension>(core - core_dimension_names.begin()) + 1;
        const bool taken = store_.has_dimension(of_core) || dimensions_.find(of_core) != nullptr;
        number = taken ? number : of_core;
    }
    while (store_.has_dimension(number) || dimensions_.find(number) != nullptr) {
        ++number;
    }
    DimensionOptions named = options;
    named.name = name;
    add_dimension(number, named);
    return number;
}

void BatchState::clear_dimension(Dimension number) {
    dimensions_.touch(number).clear = true;
    ++dimension_changes_;
}

void BatchState::remove_dimension(Dimension number) {
    if (dimensions_.find(number) != nullptr) {
        ops_.drop(number);
    }
    dimensions_.touch(number) = {.number = number, .remove = true};
    ++dimension_changes_;
}

void BatchState::consolidate() {
    dimensions_.sort();
    ops_.consolidate(store_.name());
}

void BatchState::follow_relocations() {
    for (BatchDimension& dimension : dimensions_.all()) {
        if (dimension.home.region) {
            Region& to = dimensions_.region_of(dimension);
            if (!dimension.former.empty()) {
                ops_.relocate(dimension.number, to, placement_);
                dimension.former.clear();
            }
        }
    }
}

void BatchState::begin_relocation(Dimension dimension, const PublishedDimension& from,
                                  const std::shared_ptr<Region>& to) {
    relocated_from_ = from.region;
    ops_.reserve(from.state.layers);
    dimensions_.append({.number = dimension,
                        .home = {to, from.lineage},
                        .remove = true,
                        .add = true,
                        .name = from.name});
    ++dimension_changes_;
}

Region::Allocation BatchState::relocate_layer(std::uint64_t layer, std::uint64_t header) {
    Region& to = *dimensions_.all().back().home.region;
    const Region::Allocation copy = placement_.copy_layer(*relocated_from_, header, to);
    if (copy.refusal == Region::Refusal::none) {
        ops_.add({{dimensions_.all().back().number, layer}, copy.offset, &to, false, false});
    }
    return copy;
}

void BatchState::clear() noexcept {
    if (owner_.of_this_process()) {
        ops_.free_blocks();
    } else if (!dimensions_.all().empty()) {
        // The blocks are not mapped in a child, and another thread of the parent may have been
        // changing their regions: they are left alone.
        static_cast<void>(new (std::nothrow)
                              std::vector<BatchDimension>(std::move(dimensions_.all())));
    }
    forget();
}

void BatchState::forget() noexcept {
    ops_.forget();
    dimensions_.clear();
    dimension_changes_ = 0;
}

}  // namespace strata::producer_impl

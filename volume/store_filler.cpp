// SPDX-License-Identifier: Apache-2.0
#include "volume/store_filler.hpp"

#include <algorithm>
#include <string>

#include "ipc/failure.hpp"
#include "strata/inspect.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"

namespace strata::volume_impl {

namespace {

LayerOptions options_of(const ArchivedLayer& layer) {
    LayerOptions options{
        .frequency = layer.frequency, .alignment = layer.alignment, .type_tag = layer.type_tag};
    options.keywords.assign(layer.keywords.begin(), layer.keywords.end());
    return options;
}

}  // namespace

StoreFiller::StoreFiller(Producer& producer, std::string_view operation)
    : operation_(operation),
      batch_(producer.batch()),
      // Whoever owns it: it is this process's own store.
      consumer_(Consumer::attach(producer.name(), {.base_path = producer.path().parent_path(),
                                                   .trusted_owner = TrustedOwner::anybody,
                                                   .keep_idle_pin = false,
                                                   .lookup_cache_bytes = 0})),
      before_(consumer_.snapshot()),
      regions_(producer.path()) {}

// Who may read the file that it lies in.
std::uint32_t StoreFiller::present_mode(Dimension dimension) {
    constexpr std::uint32_t file_mode_bits = 0666;
    if (present_.empty()) {
        present_ = before_.dimensions();
    }
    const auto info = std::ranges::lower_bound(present_, dimension, {}, &DimensionInfo::dimension);
    if (info != present_.end() && info->dimension == dimension) {
        if (const auto own = regions_.of(info->region)) {
            return own->mode;
        }
    }
    return inspect(consumer_.name(), consumer_.path().parent_path()).mode & file_mode_bits;
}

void StoreFiller::begin_dimension(Dimension dimension, const DimensionOptions& options) {
    dimension_ = dimension;
    const bool there = before_.has_dimension(dimension);
    const bool opened =
        there && options.access && (present_mode(dimension) & ~options.access->mode) != 0;
    if (opened) {
        batch_.remove_dimension(dimension);
    }
    if (!there || opened) {
        batch_.add_dimension(dimension, options);
    }
    // Also of what others put into it until this is published.
    batch_.clear_dimension(dimension);
}

void StoreFiller::add(const OpenArchive& archive, const ArchivedLayer& layer) {
    if (layer.name.empty()) {
        const Loan loan =
            batch_.loan({dimension_, layer.layer}, static_cast<std::size_t>(layer.content_size),
                        options_of(layer));
        fillings_.push_back({&archive, &layer, loan.bytes()});
    } else {
        put_named(archive, layer);
    }
    ++layers_;
    content_bytes_ += layer.content_size;
}

void StoreFiller::put_named(const OpenArchive& archive, const ArchivedLayer& layer) {
    if (layer_number(layer.name) != layer.layer) {
        fail_corrupt(operation_, archive.files.index_path(),
                     "layer " + std::to_string(layer.layer) + " cannot have the name " +
                         ipc::quoted(layer.name));
    }
    std::vector<std::byte> content(static_cast<std::size_t>(layer.content_size));
    archive.files.read_layer(layer, content);
    batch_.put(dimension_, layer.name, content, options_of(layer));
    ++named_;
}

void StoreFiller::fill(const TransferOptions& options) {
    const auto fill = [&](std::size_t i, const std::atomic<bool>&) {
        const Filling& filling = fillings_[i];
        filling.archive->files.read_layer(*filling.layer, filling.room);
        filled_.fetch_add(1, std::memory_order_relaxed);
        filled_bytes_.fetch_add(filling.room.size(), std::memory_order_relaxed);
    };
    const auto tick = [&] {
        if (options.progress) {
            options.progress({.layers = filled_.load(std::memory_order_relaxed) + named_,
                              .layers_total = layers_,
                              .bytes = filled_bytes_.load(std::memory_order_relaxed)});
        }
    };
    for_each_parallel(fillings_.size(), options.threads, fill, tick);
    fillings_.clear();
}

TransferReport StoreFiller::publish() {
    before_ = {};  // so that it holds back nothing that the commit may need
    return {.generation = batch_.crystallize(), .layers = layers_, .content_bytes = content_bytes_};
}

}  // namespace strata::volume_impl

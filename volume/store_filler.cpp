// SPDX-License-Identifier: Apache-2.0
#include "volume/store_filler.hpp"

#include <algorithm>
#include <string>

#include "ipc/failure.hpp"
#include "ipc/format/early_seal.hpp"
#include "ipc/format/layout.hpp"
#include "strata/inspect.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"

namespace strata::volume_impl {

namespace {

// What a thread takes room for at a time: few turns at the batch, and enough for all threads.
constexpr std::uint64_t portion_bytes = 1 << 20;
constexpr std::size_t portion_layers = 256;

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
    if (!layer.name.empty() && layer_number(layer.name) != layer.layer) {
        fail_corrupt(operation_, archive.files.index_path(),
                     "layer " + std::to_string(layer.layer) + " cannot have the name " +
                         ipc::quoted(layer.name));
    }
    if (portions_.empty() || portions_.back().layers == portion_layers ||
        portions_.back().bytes >= portion_bytes) {
        portions_.push_back({.first = pending_.size()});
    }
    ++portions_.back().layers;
    portions_.back().bytes += layer.content_size;
    pending_.push_back({&archive, &layer, dimension_, {}});
    ++layers_;
    content_bytes_ += layer.content_size;
}

// The next ones in the batch's order, so that it need not be sorted.
std::span<StoreFiller::Pending> StoreFiller::take_room() {
    const std::lock_guard lock(mutex_);
    const Portion portion = portions_[next_portion_++];
    const auto taken = std::span(pending_).subspan(portion.first, portion.layers);
    for (Pending& item : taken) {
        const ArchivedLayer& layer = *item.layer;
        const auto bytes = static_cast<std::size_t>(layer.content_size);
        const Loan loan = layer.name.empty()
                              ? batch_.loan({item.dimension, layer.layer}, bytes, options_of(layer))
                              : batch_.loan(item.dimension, layer.name, bytes, options_of(layer));
        item.room = loan.bytes();
    }
    return taken;
}

void StoreFiller::fill(const TransferOptions& options) {
    const auto fill = [&](std::size_t, const std::atomic<bool>& stop) {
        for (const Pending& item : take_room()) {
            if (stop.load(std::memory_order_relaxed)) {
                return;
            }
            item.archive->files.read_layer(*item.layer, item.room);
            // Safe: a loan lies directly behind its header, and nobody else knows it.
            ipc::seal_early(item.room.data() - sizeof(ipc::LayerHeader));
            filled_.fetch_add(1, std::memory_order_relaxed);
            filled_bytes_.fetch_add(item.room.size(), std::memory_order_relaxed);
        }
    };
    const auto tick = [&] {
        if (options.progress) {
            options.progress({.layers = filled_.load(std::memory_order_relaxed),
                              .layers_total = layers_,
                              .bytes = filled_bytes_.load(std::memory_order_relaxed)});
        }
    };
    for_each_parallel(portions_.size(), options.threads, fill, tick);
    pending_.clear();
    portions_.clear();
    next_portion_ = 0;
}

TransferReport StoreFiller::publish() {
    before_ = {};  // so that it holds back nothing that the commit may need
    return {.generation = batch_.crystallize(), .layers = layers_, .content_bytes = content_bytes_};
}

}  // namespace strata::volume_impl

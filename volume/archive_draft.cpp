// SPDX-License-Identifier: Apache-2.0
#include "volume/archive_draft.hpp"

#include <array>
#include <chrono>
#include <utility>

#include "ipc/format/layer_block.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_files.hpp"
#include "volume/archive_index.hpp"
#include "volume/failures.hpp"

namespace strata::volume_impl {

// Safe: a Layer is only made of a block whose header lies directly before the payload.
ArchivedLayer description_of(const Layer& layer) {
    const auto block = ipc::LayerBlock::of_payload(layer.data());
    ArchivedLayer description{.layer = layer.id().layer,
                              .frequency = layer.frequency(),
                              .name = std::string(layer.name()),
                              .type_tag = layer.type_tag(),
                              .alignment = block.asked_alignment(layer.alignment()),
                              .live_checksum = layer.checksum()};
    for (const std::string_view keyword : layer.keywords()) {
        description.keywords.emplace_back(keyword);
    }
    return description;
}

ArchiveDraft::ArchiveDraft(Dimension dimension, std::string_view dimension_name) {
    index_.dimension = dimension;
    index_.dimension_name =
        dimension_name.empty() ? default_dimension_name(dimension) : std::string(dimension_name);
    index_.total_size = archive_header_bytes;
}

void ArchiveDraft::add(const Layer& layer, std::string_view operation) {
    ArchivedLayer described = description_of(layer);
    described.offset = index_.total_size;
    described.content_size = layer.size();
    described.size = padded(layer.size());
    if (described.size > max_region_bytes - index_.total_size) {
        fail_limit(operation, archive_folder(index_.dimension) + "/" + region_name,
                   "would be larger than any region", index_.total_size + described.size,
                   max_region_bytes, "use several dimensions");
    }
    sha_.update(layer.bytes());
    sha_.update_zeros(static_cast<std::size_t>(described.size - described.content_size));
    described.checksum = sha_.finish();
    index_.total_size += described.size;
    index_.layers.push_back(std::move(described));
    layers_.push_back(layer);
}

void ArchiveDraft::complete() {
    index_.updated_at = rfc3339(std::chrono::system_clock::now());
    index_.created_at = index_.updated_at;
    header_ = {.dimension = index_.dimension,
               .layer_count = index_.layers.size(),
               .total_size = index_.total_size};
    header_.checksum = header_checksum(header_, index_.layers);
}

std::string ArchiveDraft::index_text(std::string_view operation) const {
    std::string text = volume_impl::index_text(index_);
    if (text.size() > max_index_bytes) {
        fail_limit(operation, archive_folder(index_.dimension) + "/" + index_name,
                   "would take " + std::to_string(text.size()) + " bytes", text.size(),
                   max_index_bytes, "use several dimensions");
    }
    return text;
}

void ArchiveDraft::write_region(const std::function<void(std::span<const std::byte>)>& write,
                                const std::function<void(const Layer&)>& written) const {
    static constexpr std::array<std::byte, archive_page_bytes> zeros{};
    write(encode(header_));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const ArchivedLayer& place = index_.layers[i];
        write(layers_[i].bytes());
        write(std::span(zeros).first(static_cast<std::size_t>(place.size - place.content_size)));
        written(layers_[i]);
    }
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
#include "strata/layer.hpp"

#include <optional>
#include <string>

#include "ipc/failure.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/format/layer_metadata.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/mapping/mapping_slots.hpp"
#include "ipc/os/fault.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

using ipc::LayerBlock;
using ipc::LayerShape;

// Safe: a Layer is only made of a block whose header lies directly before the payload.
LayerBlock block_of(const Layer& layer) noexcept { return LayerBlock::of_payload(layer.data()); }

// What the block says of itself, if that is possible and lies inside the mapping.
std::optional<LayerShape> readable_shape(const Layer& layer) noexcept {
    const std::byte* const end = ipc::MappingSlot::end_of(layer.mapping_slot());
    if (end == nullptr || end < layer.data()) {
        return std::nullopt;
    }
    const std::byte* const start = layer.data() - sizeof(ipc::LayerHeader);
    const auto shape = block_of(layer).shape_within(static_cast<std::uint64_t>(end - start));
    return shape && shape->payload_bytes == layer.size() ? shape : std::nullopt;
}

[[noreturn]] void fail_corrupt(const Layer& layer, const char* what) {
    const LayerId id = layer.id();
    ipc::fail(Errc::corrupt, "read layer", ipc::mapped_path(layer.data()),
              "layer " + std::to_string(id.layer) + " of dimension " +
                  std::to_string(id.dimension) + ": " + what,
              "run a verification of the store and publish it anew");
}

ipc::LayerMetadata metadata_of(const Layer& layer) {
    const auto shape = readable_shape(layer);
    if (!shape) {
        fail_corrupt(layer, "its header contradicts itself, or its block ends beyond the region");
    }
    return block_of(layer).metadata(*shape);
}

}  // namespace

LayerId Layer::id() const noexcept {
    const ipc::LayerHeader header = block_of(*this).header();
    return {header.dimension, header.layer};
}
Generation Layer::generation() const noexcept { return block_of(*this).header().generation(); }

double Layer::frequency() const noexcept {
    const auto shape = readable_shape(*this);
    return shape ? block_of(*this).frequency(*shape) : 0;
}

std::uint64_t Layer::checksum() const noexcept {
    const LayerBlock block = block_of(*this);
    if (size() >= ipc::prefixed_payload_bytes) {
        return block.kept_checksum();
    }
    const auto shape = readable_shape(*this);
    return shape ? block.computed_checksum(*shape) : 0;
}

std::uint64_t Layer::type_tag() const noexcept {
    const LayerBlock block = block_of(*this);
    if ((block.shape_word() & LayerShape::type_tag_bit) == 0) {
        return 0;
    }
    const auto shape = readable_shape(*this);
    return shape ? block.type_tag(*shape) : 0;
}

std::string_view Layer::name() const {
    const auto name = metadata_of(*this).name();
    if (!name) {
        fail_corrupt(*this, ipc::LayerMetadata::cut_off);
    }
    return *name;
}

std::vector<std::string_view> Layer::keywords() const {
    std::vector<std::string_view> result;
    if (const char* const damage = metadata_of(*this).keywords(result)) {
        fail_corrupt(*this, damage);
    }
    return result;
}

bool Layer::verify() const noexcept {
    const auto shape = readable_shape(*this);
    return shape && block_of(*this).is_intact(*shape);
}

void Layer::fail_type(std::string_view type, std::size_t size, bool array) const {
    const std::string asked = std::string(type) + (array ? "[]" : "");
    const std::string operation = "read layer as " + asked;
    if (data_ == nullptr) {
        ipc::fail(Errc::layer_not_found, operation, "", "the layer is empty");
    }
    ipc::fail(Errc::type_mismatch, operation, ipc::mapped_path(data_),
              "layer " + std::to_string(id().layer) + " of dimension " +
                  std::to_string(id().dimension) + " holds " + type_tag_text(type_tag()) + ", " +
                  std::to_string(this->size()) + " bytes at a multiple of " +
                  std::to_string(alignment()) + "; " + asked + " takes " +
                  (array ? "a multiple of " : "") + std::to_string(size) + " bytes",
              "publish and read it with the same type (put_value<T>, as<T>)");
}

Dimension dimension_number(std::string_view name) noexcept {
    constexpr Dimension first = 0x8000'0000;  // below are the numbers that people choose
    return first | static_cast<Dimension>(layer_number(name));
}

std::uint64_t layer_number(std::string_view name) noexcept {
    return ipc::checksum_of(name.data(), name.size());
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

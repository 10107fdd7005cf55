// SPDX-License-Identifier: Apache-2.0
#include "ipc/format/layer_block.hpp"

#include <cstring>

#include "ipc/format/early_seal.hpp"

namespace strata::ipc {

namespace {

// That of the empty store, which no layer is published in.
constexpr std::uint64_t sealed_early = 1;

template <class T>
std::uint64_t append(std::byte* at, T value) noexcept {
    std::memcpy(at, &value, sizeof(value));
    return sizeof(value);
}

}  // namespace

std::uint64_t LayerBlock::load_metadata_bytes(const LayerShape& shape,
                                              std::uint32_t code) const noexcept {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, header_ + shape.metadata_size_at(), LayerShape::metadata_size_bytes(code));
    return bytes;
}

std::optional<LayerShape> LayerBlock::shape_within(std::uint64_t readable) const noexcept {
    const std::uint32_t word = shape_word();
    LayerShape shape = fixed_shape(word);
    // One by one, so that no sum wraps.
    if (!LayerShape::is_alignment(shape.alignment) || shape.payload_bytes > readable ||
        shape.metadata_size_at() > readable) {
        return std::nullopt;
    }
    if (is_prefixed(word) && prefix().payload_bytes != shape.payload_bytes) {
        return std::nullopt;
    }
    const std::uint32_t code = metadata_code(word);
    if (LayerShape::metadata_size_bytes(code) > readable - shape.metadata_size_at()) {
        return std::nullopt;
    }
    shape.metadata_bytes = load_metadata_bytes(shape, code);
    // There is one way to say it: a size in more bytes than it takes would move what follows.
    return shape.word() == word && shape.block_bytes() <= readable ? std::optional(shape)
                                                                   : std::nullopt;
}

std::uint64_t LayerBlock::computed_checksum(const LayerShape& shape) const noexcept {
    return layer_checksum(header(), payload(), shape.payload_bytes, header_ + shape.tail_at(),
                          shape.tail_bytes());
}

bool LayerBlock::is_intact(const LayerShape& shape) const noexcept {
    const std::uint64_t checksum = computed_checksum(shape);
    return header().short_checksum() == (checksum & short_checksum_mask) &&
           (!is_prefixed(shape_word()) || prefix().checksum == checksum);
}

void LayerDraft::write_some_tail(const LayerContext& context) const noexcept {
    std::byte* at = header_ + shape_.tail_at();
    if (shape_.has_type_tag) {
        at += append(at, context.type_tag);
    }
    if (shape_.has_frequency) {
        at += append(at, context.frequency);
    }
    if (shape_.metadata_bytes != 0) {
        const std::uint64_t size_bytes = LayerShape::metadata_size_bytes(shape_.metadata_code());
        std::memcpy(at, &shape_.metadata_bytes, size_bytes);
        LayerMetadata::write(at + size_bytes, context.name, context.keywords);
    }
}

void LayerDraft::seal(std::byte* header) noexcept {
    const LayerBlock block(header);
    if (block.header().generation() == sealed_early) {
        return;
    }
    const LayerShape shape = block.shape();
    write_checksum(header, block.header(), shape.payload_bytes, block.computed_checksum(shape));
}

void seal_early(std::byte* header) noexcept {
    LayerDraft::seal(header);
    LayerDraft::stamp(header, sealed_early);
}

}  // namespace strata::ipc

// SPDX-License-Identifier: Apache-2.0
// A layer's block: where its allocation starts, its header, payload, tail and checksum. What
// follows from how these lie beside each other is stated here and nowhere else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layer_metadata.hpp"
#include "ipc/format/layout.hpp"

namespace strata::ipc {

/// Sizes of a layer's block, and the places that follow from them.
struct LayerShape {
    std::uint64_t payload_bytes = 0;
    std::uint64_t metadata_bytes = 0;           // name and keywords
    std::uint64_t alignment = least_alignment;  // of the payload
    bool has_type_tag = false;
    bool has_frequency = false;
    bool has_keywords = false;

    static constexpr std::uint64_t least_alignment = 8;
    static constexpr std::uint64_t most_alignment = page_bytes;
    static constexpr bool is_alignment(std::uint64_t alignment) noexcept {
        return std::has_single_bit(alignment) && alignment >= least_alignment &&
               alignment <= most_alignment;
    }

    // The bits of LayerHeader::shape.
    static constexpr std::uint32_t type_tag_bit = 1U << 24;
    static constexpr std::uint32_t frequency_bit = 1U << 25;
    static constexpr unsigned metadata_shift = 26;
    static constexpr std::uint32_t keywords_bit = 1U << 28;
    static constexpr std::uint32_t tail_bits = 0x1FU << 24;

    /// From the start of the allocation to the header: what puts the payload on its alignment, and
    /// holds the prefix if there is one.
    constexpr std::uint64_t pad_bytes() const noexcept {
        return pad_bytes(payload_bytes >= prefixed_payload_bytes, alignment);
    }
    static constexpr std::uint64_t pad_bytes(bool prefixed, std::uint64_t alignment) noexcept {
        const std::uint64_t head = (prefixed ? sizeof(LayerPrefix) : 0) + sizeof(LayerHeader);
        return round_up(head, alignment) - sizeof(LayerHeader);
    }
    /// What stands directly before the header.
    constexpr std::uint64_t prefix_bytes() const noexcept {
        return payload_bytes >= prefixed_payload_bytes ? sizeof(LayerPrefix) : 0;
    }
    /// From the header to what follows the payload.
    constexpr std::uint64_t tail_at() const noexcept { return sizeof(LayerHeader) + payload_bytes; }
    constexpr std::uint64_t frequency_at() const noexcept {
        return tail_at() + (has_type_tag ? sizeof(std::uint64_t) : 0);
    }
    /// From the header to the size of the metadata, or to where it would be.
    constexpr std::uint64_t metadata_size_at() const noexcept {
        return frequency_at() + (has_frequency ? sizeof(double) : 0);
    }
    /// 0 to 3: as in LayerHeader::shape.
    constexpr std::uint32_t metadata_code() const noexcept {
        return metadata_bytes == 0        ? 0
               : metadata_bytes <= 0xFF   ? 1
               : metadata_bytes <= 0xFFFF ? 2
                                          : 3;
    }
    static constexpr std::uint64_t metadata_size_bytes(std::uint32_t code) noexcept {
        return (std::uint64_t{1} << code) >> 1;
    }
    constexpr std::uint64_t metadata_at() const noexcept {
        return metadata_size_at() + metadata_size_bytes(metadata_code());
    }
    /// From the header to the end.
    constexpr std::uint64_t block_bytes() const noexcept { return metadata_at() + metadata_bytes; }
    constexpr std::uint64_t tail_bytes() const noexcept { return block_bytes() - tail_at(); }
    constexpr std::uint64_t allocation_bytes() const noexcept {
        return pad_bytes() + block_bytes();
    }
    /// LayerHeader::shape.
    constexpr std::uint32_t word() const noexcept {
        return entry_shape(payload_bytes, alignment) | (has_type_tag ? type_tag_bit : 0) |
               (has_frequency ? frequency_bit : 0) | metadata_code() << metadata_shift |
               (has_keywords ? keywords_bit : 0);
    }
};

/// Start of the allocation behind a layer entry.
constexpr std::uint64_t layer_allocation(std::uint64_t entry) noexcept {
    const std::uint64_t alignment = LayerShape::least_alignment << ((entry >> 40) & 0xF);
    return entry_offset(entry) -
           LayerShape::pad_bytes(entry_size(entry) >= prefixed_payload_bytes, alignment);
}

/// What a layer of that size keeps of its checksum, and its dimension's digest is made of: all, or
/// the first 24 bits.
constexpr std::uint64_t kept_checksum(std::uint64_t checksum,
                                      std::uint64_t payload_bytes) noexcept {
    return payload_bytes >= prefixed_payload_bytes ? checksum : checksum & short_checksum_mask;
}

/// A view of a block in shared bytes, nothing of which is trusted. Each function loads what it
/// returns once. Precondition of all: header, and 16 bytes before it, are readable.
class LayerBlock {
public:
    constexpr explicit LayerBlock(const std::byte* header) noexcept : header_(header) {}
    static LayerBlock of_payload(const std::byte* payload) noexcept {
        return LayerBlock(payload - sizeof(LayerHeader));
    }

    const std::byte* payload() const noexcept { return header_ + sizeof(LayerHeader); }
    LayerHeader header() const noexcept { return load<LayerHeader>(0); }
    std::uint64_t key() const noexcept { return load<std::uint64_t>(offsetof(LayerHeader, layer)); }
    /// LayerHeader::shape.
    std::uint32_t shape_word() const noexcept {
        return load<std::uint32_t>(offsetof(LayerHeader, shape));
    }
    std::uint64_t payload_bytes() const noexcept { return payload_bytes(shape_word()); }
    /// What is kept of the checksum, for the digest: all of a large layer's, 24 bits of a small
    /// one's.
    std::uint64_t kept_checksum() const noexcept {
        return is_prefixed(shape_word()) ? prefix().checksum : header().short_checksum();
    }

    /// The alignment that the layer was put with, not what its address happens to be a multiple of;
    /// the least if the header says what cannot be of an address aligned to `actual`.
    std::size_t asked_alignment(std::size_t actual) const noexcept {
        const std::uint64_t asked = header().alignment();
        return LayerShape::is_alignment(asked) && asked <= actual
                   ? static_cast<std::size_t>(asked)
                   : std::size_t{LayerShape::least_alignment};
    }

    /// The sizes, if they are as LayerShape makes them and the block ends within `readable` bytes
    /// of its header.
    std::optional<LayerShape> shape_within(std::uint64_t readable) const noexcept;
    /// Of a block that the caller knows to be sound, without these checks.
    LayerShape shape() const noexcept {
        const std::uint32_t word = shape_word();
        LayerShape shape = fixed_shape(word);
        if ((word & LayerShape::tail_bits) != 0) {
            shape.metadata_bytes = load_metadata_bytes(shape, metadata_code(word));
        }
        return shape;
    }

    // Precondition of these: `shape` is what shape_within or shape say, all of it readable.
    std::uint64_t type_tag(const LayerShape& shape) const noexcept {
        return shape.has_type_tag ? load<std::uint64_t>(shape.tail_at()) : 0;
    }
    double frequency(const LayerShape& shape) const noexcept {
        return shape.has_frequency ? load<double>(shape.frequency_at()) : 0;
    }
    LayerMetadata metadata(const LayerShape& shape) const noexcept {
        return LayerMetadata({header_ + shape.metadata_at(), shape.metadata_bytes},
                             shape.has_keywords);
    }
    /// Of what the block holds now.
    std::uint64_t computed_checksum(const LayerShape& shape) const noexcept;
    /// Whether that is the one it was given.
    bool is_intact(const LayerShape& shape) const noexcept;
    /// The layer's name; empty if it has none, or its metadata is damaged.
    std::string_view name(const LayerShape& shape) const noexcept {
        return metadata(shape).name().value_or(std::string_view());
    }

private:
    template <class T>
    T load(std::uint64_t at) const noexcept {
        T value;
        std::memcpy(&value, header_ + at, sizeof(value));
        return value;
    }
    static bool is_prefixed(std::uint32_t word) noexcept {
        return size_field(word) >= prefixed_payload_bytes;
    }
    static std::uint64_t size_field(std::uint32_t word) noexcept {
        return (word >> 4) & entry_size_unknown;
    }
    static std::uint32_t metadata_code(std::uint32_t word) noexcept {
        return (word >> LayerShape::metadata_shift) & 3;
    }
    LayerPrefix prefix() const noexcept {
        LayerPrefix prefix;
        std::memcpy(&prefix, header_ - sizeof(prefix), sizeof(prefix));
        return prefix;
    }
    std::uint64_t payload_bytes(std::uint32_t word) const noexcept {
        const std::uint64_t size = size_field(word);
        return size != entry_size_unknown ? size : prefix().payload_bytes;
    }
    // All but the size of the metadata.
    LayerShape fixed_shape(std::uint32_t word) const noexcept {
        return {.payload_bytes = payload_bytes(word),
                .metadata_bytes = 0,
                .alignment = LayerShape::least_alignment << (word & 0xF),
                .has_type_tag = (word & LayerShape::type_tag_bit) != 0,
                .has_frequency = (word & LayerShape::frequency_bit) != 0,
                .has_keywords = (word & LayerShape::keywords_bit) != 0};
    }
    std::uint64_t load_metadata_bytes(const LayerShape& shape, std::uint32_t code) const noexcept;

    const std::byte* header_;
};

/// What a layer carries besides its payload.
struct LayerContext {
    std::uint64_t layer = 0;
    std::uint32_t dimension = 0;
    double frequency = 0;
    std::uint64_t type_tag = 0;
    std::string_view name{};
    std::span<const std::string_view> keywords{};

    LayerShape shape(std::uint64_t payload_bytes, std::uint64_t alignment) const noexcept {
        return {.payload_bytes = payload_bytes,
                .metadata_bytes = LayerMetadata::bytes_for(name, keywords),
                .alignment = alignment,
                .has_type_tag = type_tag != 0,
                // Each bit of it is kept, also of a zero with a sign.
                .has_frequency = std::bit_cast<std::uint64_t>(frequency) != 0,
                .has_keywords = !keywords.empty()};
    }
};

/// A block that nobody else can see yet, and that covers all its shape says.
class LayerDraft {
public:
    LayerDraft(std::byte* header, const LayerShape& shape) noexcept
        : header_(header), shape_(shape) {}

    std::byte* payload() const noexcept { return header_ + sizeof(LayerHeader); }
    /// All of it. The checksum is made from where the payload is now: reading back what is being
    /// written into a cold block would wait for it.
    void write(const LayerContext& context, const std::byte* source) const noexcept {
        const LayerHeader header = head_of(context);
        write_tail(context);
        const std::uint64_t checksum = layer_checksum(
            header, source, shape_.payload_bytes, header_ + shape_.tail_at(), shape_.tail_bytes());
        std::memcpy(payload(), source, shape_.payload_bytes);
        write_head(header, checksum);
    }
    /// All but the payload, to be sealed when that is there.
    void write_around(const LayerContext& context) const noexcept {
        write_tail(context);
        write_head(head_of(context), 0);
    }

    /// Fills in the checksum of a block that is complete.
    static void seal(std::byte* header) noexcept;
    /// Says in which generation it is published, which the checksum does not cover.
    static void stamp(std::byte* header, std::uint64_t generation) noexcept {
        std::uint64_t stamp = 0;
        std::memcpy(&stamp, header + offsetof(LayerHeader, stamp), sizeof(stamp));
        stamp = (stamp & short_checksum_mask) | generation << 24;
        std::memcpy(header + offsetof(LayerHeader, stamp), &stamp, sizeof(stamp));
    }

private:
    LayerHeader head_of(const LayerContext& context) const noexcept {
        return {.layer = context.layer,
                .dimension = context.dimension,
                .shape = shape_.word(),
                .stamp = 0};
    }
    void write_tail(const LayerContext& context) const noexcept {
        if (shape_.tail_bytes() != 0) {
            write_some_tail(context);
        }
    }
    void write_some_tail(const LayerContext& context) const noexcept;
    void write_head(LayerHeader header, std::uint64_t checksum) const noexcept {
        write_checksum(header_, header, shape_.payload_bytes, checksum);
    }
    static void write_checksum(std::byte* at, LayerHeader header, std::uint64_t payload_bytes,
                               std::uint64_t checksum) noexcept {
        header.stamp = (header.stamp & ~short_checksum_mask) | (checksum & short_checksum_mask);
        std::memcpy(at, &header, sizeof(header));
        if (payload_bytes >= prefixed_payload_bytes) {
            const LayerPrefix prefix{.payload_bytes = payload_bytes, .checksum = checksum};
            std::memcpy(at - sizeof(prefix), &prefix, sizeof(prefix));
        }
    }

    std::byte* header_;
    LayerShape shape_;
};

}  // namespace strata::ipc

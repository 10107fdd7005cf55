// SPDX-License-Identifier: Apache-2.0
// Layer blocks by themselves: their sizes against the format, what a sealed block holds, and
// metadata that lies about its lengths.
#include "ipc/format/layer_block.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/early_seal.hpp"
#include "ipc/format/layer_metadata.hpp"
#include "ipc/format/layout.hpp"

using namespace strata;
using ipc::LayerBlock;
using ipc::LayerDraft;
using ipc::LayerHeader;
using ipc::LayerMetadata;
using ipc::LayerShape;

namespace {

/// A block in memory of its own.
struct Sample {
    explicit Sample(std::string_view payload, std::string_view name = {},
                    const std::vector<std::string_view>& keywords = {},
                    std::uint64_t alignment = LayerShape::least_alignment, double frequency = 1.5,
                    std::uint64_t type_tag = 3)
        : context{.layer = 7,
                  .dimension = 2,
                  .frequency = frequency,
                  .type_tag = type_tag,
                  .name = name,
                  .keywords = keywords},
          shape(context.shape(payload.size(), alignment)),
          memory(shape.allocation_bytes() / 8 + 1, ~std::uint64_t{0}) {
        LayerDraft(header(), shape)
            .write(context, reinterpret_cast<const std::byte*>(payload.data()));
    }

    std::byte* header() { return reinterpret_cast<std::byte*>(memory.data()) + shape.pad_bytes(); }
    LayerBlock block() { return LayerBlock(header()); }
    /// As a reader asks for it.
    std::optional<LayerShape> readable() { return block().shape_within(shape.block_bytes()); }
    bool intact() {
        const auto read = readable();
        return read && block().is_intact(*read);
    }

    ipc::LayerContext context;
    LayerShape shape;
    std::vector<std::uint64_t> memory;
};

bool operator==(const LayerShape& a, const LayerShape& b) {
    return a.payload_bytes == b.payload_bytes && a.metadata_bytes == b.metadata_bytes &&
           a.alignment == b.alignment && a.has_type_tag == b.has_type_tag &&
           a.has_frequency == b.has_frequency && a.has_keywords == b.has_keywords;
}

std::vector<std::byte> bytes_of(std::string_view text) {
    std::vector<std::byte> bytes(text.size());
    if (!text.empty()) {
        std::memcpy(bytes.data(), text.data(), text.size());
    }
    return bytes;
}

}  // namespace

TEST_CASE("a shape gives every alignment its place, and counts each byte once") {
    for (std::uint64_t alignment = LayerShape::least_alignment;
         alignment <= LayerShape::most_alignment; alignment *= 2) {
        for (const std::uint64_t payload :
             {std::uint64_t{0}, std::uint64_t{7}, ipc::prefixed_payload_bytes - 1,
              ipc::prefixed_payload_bytes, ipc::entry_size_unknown - 1, ipc::entry_size_unknown,
              std::uint64_t{5} << 30}) {
            for (const std::uint64_t metadata : {0U, 1U, 0xFFU, 0x100U, 0xFFFFU, 0x10000U}) {
                const LayerShape shape{.payload_bytes = payload,
                                       .metadata_bytes = metadata,
                                       .alignment = alignment,
                                       .has_type_tag = metadata == 1,
                                       .has_frequency = metadata == 0xFF};
                CAPTURE(alignment);
                CAPTURE(payload);
                CAPTURE(metadata);
                const bool prefixed = payload >= ipc::prefixed_payload_bytes;
                const std::uint64_t head = sizeof(LayerHeader) + (prefixed ? 16 : 0);
                CHECK((shape.pad_bytes() + sizeof(LayerHeader)) % alignment == 0);
                CHECK(shape.pad_bytes() + sizeof(LayerHeader) >= head);
                CHECK(shape.pad_bytes() + sizeof(LayerHeader) < head + alignment);
                CHECK(shape.tail_at() == sizeof(LayerHeader) + payload);
                const std::uint64_t size_bytes = metadata == 0        ? 0
                                                 : metadata < 0x100   ? 1
                                                 : metadata < 0x10000 ? 2
                                                                      : 4;
                const std::uint64_t words = metadata == 1 || metadata == 0xFF ? 8 : 0;
                CHECK(shape.tail_bytes() == words + size_bytes + metadata);
                CHECK(shape.block_bytes() == shape.tail_at() + shape.tail_bytes());
                CHECK(shape.allocation_bytes() == shape.pad_bytes() + shape.block_bytes());
                // What the index keeps of it leads back to the allocation.
                const std::uint64_t start = 3 * ipc::page_bytes;
                const std::uint64_t entry = ipc::layer_entry(start + shape.pad_bytes(),
                                                             ipc::entry_shape(payload, alignment));
                CHECK(ipc::layer_allocation(entry) == start);
                CHECK(ipc::entry_offset(entry) == start + shape.pad_bytes());
                CHECK(ipc::entry_kind(entry) == ipc::EntryKind::layer);
                CHECK((shape.word() & ~LayerShape::tail_bits) == entry >> 40);
            }
        }
    }
}

TEST_CASE("the smallest layers take 32 bytes, a name its length and one byte more") {
    CHECK(LayerShape{}.allocation_bytes() == 24);
    CHECK(LayerShape{.payload_bytes = 8}.allocation_bytes() == 32);
    CHECK(LayerShape{.payload_bytes = 7, .metadata_bytes = 9}.allocation_bytes() == 41);
    CHECK(LayerShape{.payload_bytes = 256}.allocation_bytes() == 280);
    // With up to 24 bytes of tail a payload of a power of two fits the class made for it.
    for (std::uint64_t payload = 512; payload <= 8192; payload *= 2) {
        for (std::uint64_t alignment = 8; alignment <= 64; alignment *= 2) {
            const std::uint64_t bytes =
                LayerShape{.payload_bytes = payload, .alignment = alignment}.allocation_bytes();
            CHECK(bytes <= payload + 64);
        }
    }
}

TEST_CASE("alignments are powers of two within bounds") {
    CHECK(LayerShape::is_alignment(LayerShape::least_alignment));
    CHECK(LayerShape::is_alignment(LayerShape::most_alignment));
    for (const std::uint64_t none :
         {std::uint64_t{0}, LayerShape::least_alignment / 2, LayerShape::least_alignment + 1,
          LayerShape::least_alignment * 3, LayerShape::most_alignment * 2, ~std::uint64_t{0}}) {
        CHECK_FALSE(LayerShape::is_alignment(none));
    }
}

TEST_CASE("what was written is what is read, with each alignment, part of the tail and size") {
    const std::string long_name(300, 'n');
    const std::string long_keyword(0x10000, 'k');
    const std::vector<std::vector<std::string_view>> keyword_lists = {
        {}, {"one", "", "three"}, {long_keyword, "short"}};
    for (const std::uint64_t alignment : {8U, 16U, 32U, 64U, 4096U}) {
        for (const std::uint64_t size :
             {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{511}, std::uint64_t{512},
              ipc::entry_size_unknown - 1, ipc::entry_size_unknown}) {
            for (unsigned parts = 0; parts < 36; ++parts) {
                const double frequency = parts % 2 != 0 ? -0.0 : 0.0;
                const std::uint64_t tag = parts / 2 % 2 != 0 ? ~std::uint64_t{0} : 0;
                const auto& keywords = keyword_lists[parts / 4 % 3];
                const std::string_view name = parts / 12 == 0   ? std::string_view()
                                              : parts / 12 == 1 ? std::string_view("a name")
                                                                : std::string_view(long_name);
                if (size > 512 && parts % 7 != 0) {
                    continue;  // these are large
                }
                const std::string payload(size, 'p');
                Sample sample(payload, name, keywords, alignment, frequency, tag);
                const LayerBlock block = sample.block();
                CAPTURE(alignment);
                CAPTURE(size);
                CAPTURE(parts);
                REQUIRE(sample.readable());
                CHECK(*sample.readable() == sample.shape);
                CHECK(block.shape() == sample.shape);
                CHECK(block.key() == 7);
                CHECK(block.payload_bytes() == size);
                CHECK(block.header().layer == 7);
                CHECK(block.header().dimension == 2);
                CHECK(block.header().alignment() == alignment);
                CHECK(block.header().generation() == 0);
                CHECK(std::bit_cast<std::uint64_t>(block.frequency(sample.shape)) ==
                      std::bit_cast<std::uint64_t>(frequency));
                CHECK(block.type_tag(sample.shape) == tag);
                CHECK((size == 0 || std::memcmp(block.payload(), payload.data(), size) == 0));
                CHECK(block.name(sample.shape) == name);
                std::vector<std::string_view> read;
                CHECK(block.metadata(sample.shape).keywords(read) == nullptr);
                CHECK(read == keywords);
                CHECK(sample.intact());
                CHECK(LayerBlock::of_payload(block.payload()).key() == 7);
                const std::uint64_t whole = block.computed_checksum(sample.shape);
                CHECK(block.kept_checksum() == (size < 512 ? whole & 0xFF'FFFF : whole));
                // Not one byte less than it has.
                CHECK_FALSE(block.shape_within(sample.shape.block_bytes() - 1));
            }
        }
    }
}

TEST_CASE("each changed bit of a block is found, except for those of the generation") {
    for (const std::size_t size : {7U, 512U}) {
        Sample sample(std::string(size, 'p'), "name", {"keyword"});
        LayerDraft::stamp(sample.header(), ipc::generation_end - 1);
        CHECK(sample.block().header().generation() == ipc::generation_end - 1);
        CHECK(sample.intact());
        const auto prefix = static_cast<std::size_t>(size < 512 ? 0 : sizeof(ipc::LayerPrefix));
        const auto end = static_cast<std::size_t>(sample.shape.block_bytes());
        for (std::size_t at = 0; at < end + prefix; ++at) {
            const bool generation = at >= prefix + offsetof(LayerHeader, stamp) + 3 &&
                                    at < prefix + sizeof(LayerHeader);
            for (unsigned bit = 0; bit < 8; ++bit) {
                std::byte& byte = *(sample.header() - prefix + at);
                byte ^= std::byte{1} << bit;
                CAPTURE(at);
                CAPTURE(bit);
                CHECK(sample.intact() == generation);
                byte ^= std::byte{1} << bit;
            }
        }
        CHECK(sample.intact());
    }
}

TEST_CASE("a stamp leaves the checksum as it is, and can be renewed") {
    Sample sample("payload");
    const std::uint64_t checksum = sample.block().header().short_checksum();
    CHECK(checksum != 0);
    for (const std::uint64_t generation : {std::uint64_t{99}, ipc::generation_end - 1}) {
        LayerDraft::stamp(sample.header(), generation);
        CHECK(sample.block().header().generation() == generation);
        CHECK(sample.block().header().short_checksum() == checksum);
    }
}

TEST_CASE("sealing a block that was filled in later gives the checksum of one written at once") {
    for (const std::size_t size : {17U, 600U}) {
        const std::string content(size, 'c');
        const std::vector<std::string_view> keywords = {"keyword"};
        Sample whole(content, "name", keywords);
        Sample loan(std::string(size, 'l'), "name", keywords);
        std::fill(loan.memory.begin(), loan.memory.end(), 0);
        LayerDraft(loan.header(), loan.shape).write_around(loan.context);
        CHECK_FALSE(loan.intact());
        std::memcpy(LayerDraft(loan.header(), loan.shape).payload(), content.data(), size);
        CHECK_FALSE(loan.intact());
        LayerDraft::seal(loan.header());
        CHECK(loan.intact());
        CHECK(loan.block().kept_checksum() == whole.block().kept_checksum());
    }
}

TEST_CASE("what was sealed early is not sealed again until it has been stamped") {
    const std::string content(600, 'c');
    Sample whole(content, "name");
    Sample loan(content, "name");
    LayerDraft(loan.header(), loan.shape).write_around(loan.context);
    std::memcpy(LayerDraft(loan.header(), loan.shape).payload(), content.data(), content.size());
    ipc::seal_early(loan.header());
    CHECK(loan.intact());
    CHECK(loan.block().kept_checksum() == whole.block().kept_checksum());
    std::byte& changed = *LayerDraft(loan.header(), loan.shape).payload();
    changed = std::byte{'x'};
    LayerDraft::seal(loan.header());
    CHECK_FALSE(loan.intact());  // it was left alone
    changed = std::byte{'c'};
    LayerDraft::stamp(loan.header(), 2);
    CHECK(loan.intact());
    CHECK(loan.block().header().generation() == 2);
    changed = std::byte{'x'};
    LayerDraft::seal(loan.header());
    CHECK(loan.intact());  // a batch that is given to a commit once more
}

TEST_CASE("neither name, keywords, frequency nor type take no bytes") {
    CHECK(LayerMetadata::bytes_for({}, {}) == 0);
    Sample sample("payload", {}, {}, LayerShape::least_alignment, 0, 0);
    CHECK(sample.shape.block_bytes() == sizeof(LayerHeader) + 7);
    CHECK(sample.block().name(sample.shape).empty());
    CHECK(sample.block().frequency(sample.shape) == 0);
    CHECK(sample.block().type_tag(sample.shape) == 0);
    std::vector<std::string_view> keywords;
    CHECK(LayerMetadata({}, false).keywords(keywords) == nullptr);
    CHECK(LayerMetadata({}, false).name() == std::string_view());
    CHECK(keywords.empty());
    CHECK(sample.intact());
}

TEST_CASE("a shape that contradicts itself is none, whatever the file holds behind it") {
    const auto refused = [](Sample& sample, std::uint32_t shape, std::uint64_t readable) {
        std::memcpy(sample.header() + offsetof(LayerHeader, shape), &shape, sizeof(shape));
        return !sample.block().shape_within(readable);
    };
    Sample small("payload", "name");
    const std::uint32_t sound = small.shape.word();
    const std::uint64_t bytes = small.shape.block_bytes();
    CHECK_FALSE(refused(small, sound, bytes));
    for (std::uint32_t code = 10; code < 16; ++code) {  // no alignment is more than a page
        CHECK(refused(small, (sound & ~0xFU) | code, bytes));
    }
    for (const unsigned bit : {29U, 30U, 31U}) {
        CHECK(refused(small, sound | 1U << bit, bytes));
    }
    // The size of its metadata in more bytes than it takes.
    Sample longer(std::string(40, '\0'), "name", {}, 8, 0, 0);
    const std::uint32_t in_two_bytes = (longer.shape.word() & ~(3U << LayerShape::metadata_shift)) |
                                       2U << LayerShape::metadata_shift;
    const std::uint8_t length_of_two[] = {2, 0};
    std::memcpy(longer.header() + longer.shape.tail_at(), length_of_two, 2);
    CHECK(refused(longer, in_two_bytes, longer.shape.block_bytes()));
    // None, and yet a byte that gives its size.
    const std::uint8_t none = 0;
    std::memcpy(longer.header() + longer.shape.tail_at(), &none, 1);
    CHECK(refused(longer, longer.shape.word(), longer.shape.block_bytes()));
    // Payloads that end beyond all that is there, or beyond all numbers.
    Sample large(std::string(ipc::entry_size_unknown, 'l'), {}, {}, 8, 0, 0);
    CHECK(large.readable());
    for (const std::uint64_t size :
         {std::uint64_t{0}, ipc::entry_size_unknown - 1, ipc::entry_size_unknown + 1,
          ~std::uint64_t{0}, ~std::uint64_t{0} - 23, ~std::uint64_t{0} / 2}) {
        std::memcpy(large.header() - sizeof(ipc::LayerPrefix), &size, sizeof(size));
        CAPTURE(size);
        CHECK_FALSE(large.readable());
    }
    Sample middle(std::string(600, 'm'), {}, {}, 8, 0, 0);
    const std::uint64_t other = 599;  // than its header says
    std::memcpy(middle.header() - sizeof(ipc::LayerPrefix), &other, sizeof(other));
    CHECK_FALSE(middle.readable());
}

TEST_CASE("metadata that lies about its lengths is told, and never read beyond") {
    std::vector<std::string_view> keywords;
    const auto damage = [&](const std::vector<std::byte>& bytes) {
        keywords.clear();
        const char* const what = LayerMetadata(bytes, true).keywords(keywords);
        return std::string(what == nullptr ? "" : what);
    };
    using namespace std::string_view_literals;
    CHECK(damage(bytes_of("\4name"sv)).empty());
    const auto sound = bytes_of("\0\3one"sv);
    CHECK(damage(sound).empty());
    CHECK(keywords == std::vector<std::string_view>{"one"});
    const auto in_long_form = bytes_of("\0\xFF\3\0\0\0one"sv);
    CHECK(damage(in_long_form).empty());
    CHECK(keywords == std::vector<std::string_view>{"one"});

    for (const auto& cut : {bytes_of("\5name"sv), bytes_of("\xFF\xFF\xFF\xFF\xFFname"sv),
                            bytes_of("\xFF\1\0\0"sv), bytes_of("\xFF"sv), bytes_of(""sv)}) {
        CHECK(damage(cut) == LayerMetadata::cut_off);
        CHECK_FALSE(LayerMetadata(cut, true).name());
    }
    // The name is whole, what follows is not.
    for (const auto& cut : {bytes_of("\0\4one"sv), bytes_of("\0\xFF\xFF\xFF\xFF\xFFone"sv),
                            bytes_of("\0\1a\xFF"sv), bytes_of("\0\1a\2b"sv)}) {
        CHECK(damage(cut) == LayerMetadata::cut_off);
        CHECK(LayerMetadata(cut, true).name() == std::string_view());
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "strata/layer.hpp"

#include <cstring>
#include <string>

#include "ipc/checksum.hpp"
#include "ipc/failure.hpp"
#include "ipc/layout.hpp"
#include "ipc/mapping_slots.hpp"

namespace strata {

namespace {

using ipc::LayerHeader;

// Safe: a Layer is only made of a block whose header lies directly before the payload.
LayerHeader header_of(const std::byte* payload) noexcept {
    LayerHeader header;
    std::memcpy(&header, payload - sizeof(header), sizeof(header));
    return header;
}

std::uint32_t word_at(const std::byte* at) noexcept {
    std::uint32_t word = 0;
    std::memcpy(&word, at, sizeof(word));
    return word;
}

// The metadata's bytes, cut out of the mapping after checking that they lie inside it.
struct Metadata {
    std::span<const std::byte> bytes;
    bool valid = false;
};

Metadata metadata_of(const Layer& layer, const LayerHeader& header) noexcept {
    const std::byte* const end = ipc::MappingSlot::end_of(layer.mapping_slot());
    const std::uint64_t start = ipc::round_up(layer.size(), 8);
    if (end == nullptr || end < layer.data() ||
        start + header.metadata_bytes > static_cast<std::uint64_t>(end - layer.data())) {
        return {};
    }
    return {{layer.data() + start, header.metadata_bytes}, true};
}

[[noreturn]] void fail_corrupt(const Layer& layer, const char* what) {
    const LayerId id = layer.id();
    ipc::fail(Errc::corrupt, "read layer", "",
              "layer " + std::to_string(id.layer) + " of dimension " +
                  std::to_string(id.dimension) + ": " + what,
              "run a verification of the store and publish it anew");
}

// name_bytes, keywords, then the texts. Empty metadata means neither.
struct MetadataReader {
    std::span<const std::byte> rest;

    std::string_view take(std::uint64_t size, const Layer& layer) {
        if (size > rest.size()) {
            fail_corrupt(layer, "its metadata is cut off");
        }
        const std::string_view text(reinterpret_cast<const char*>(rest.data()), size);
        rest = rest.subspan(size);
        return text;
    }
    std::uint32_t take_word(const Layer& layer) {
        return word_at(reinterpret_cast<const std::byte*>(take(4, layer).data()));
    }
};

MetadataReader reader_of(const Layer& layer) {
    const Metadata metadata = metadata_of(layer, header_of(layer.data()));
    if (!metadata.valid) {
        fail_corrupt(layer, "its metadata reaches beyond the region");
    }
    return {metadata.bytes};
}

}  // namespace

LayerId Layer::id() const noexcept {
    const LayerHeader header = header_of(data_);
    return {header.dimension, header.layer};
}
Generation Layer::generation() const noexcept { return header_of(data_).generation; }
double Layer::frequency() const noexcept { return header_of(data_).frequency; }
std::uint64_t Layer::checksum() const noexcept { return header_of(data_).checksum; }
std::uint64_t Layer::type_tag() const noexcept { return header_of(data_).type_tag; }

std::string_view Layer::name() const {
    MetadataReader reader = reader_of(*this);
    if (reader.rest.empty()) {
        return {};
    }
    const std::uint32_t name_bytes = reader.take_word(*this);
    reader.take_word(*this);
    return reader.take(name_bytes, *this);
}

std::vector<std::string_view> Layer::keywords() const {
    MetadataReader reader = reader_of(*this);
    std::vector<std::string_view> result;
    if (reader.rest.empty()) {
        return result;
    }
    const std::uint32_t name_bytes = reader.take_word(*this);
    const std::uint32_t count = reader.take_word(*this);
    reader.take(name_bytes, *this);
    if (count > reader.rest.size() / 4) {  // each takes at least its length word
        fail_corrupt(*this, "it claims more keywords than its metadata can hold");
    }
    result.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t size = reader.take_word(*this);
        result.push_back(reader.take(size, *this));
    }
    return result;
}

bool Layer::verify() const noexcept {
    const LayerHeader header = header_of(data_);
    const Metadata metadata = metadata_of(*this, header);
    return header.payload_bytes == size() && metadata.valid &&
           header.checksum == ipc::layer_checksum(header, data_, metadata.bytes.data());
}

void Layer::require_type(std::uint64_t tag, std::size_t size, std::size_t alignment) const {
    if (data_ == nullptr) {
        ipc::fail(Errc::layer_not_found, "read layer as a type", "", "the layer is empty");
    }
    if (type_tag() != tag || this->size() != size ||
        reinterpret_cast<std::uintptr_t>(data_) % alignment != 0) {
        ipc::fail(Errc::type_mismatch, "read layer as a type", "",
                  "layer " + std::to_string(id().layer) + " has type tag " +
                      std::to_string(type_tag()) + " and " + std::to_string(this->size()) +
                      " bytes, asked for tag " + std::to_string(tag) + " and " +
                      std::to_string(size) + " bytes",
                  "publish and read it with the same type (put_value<T>, as<T>)");
    }
}

void Layer::require_array(std::uint64_t tag, std::size_t element, std::size_t alignment) const {
    if (data_ == nullptr || size() % element != 0) {
        ipc::fail(data_ == nullptr ? Errc::layer_not_found : Errc::type_mismatch,
                  "read layer as an array", "",
                  std::to_string(size()) + " bytes are no whole number of elements of " +
                      std::to_string(element) + " bytes");
    }
    require_type(tag, size(), alignment);
}

}  // namespace strata

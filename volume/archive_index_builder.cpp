// SPDX-License-Identifier: Apache-2.0
#include "volume/archive_index_builder.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/format/layer_block.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_header.hpp"
#include "volume/failures.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

namespace {

constexpr std::pair<std::string_view, IndexField> index_fields[] = {
    {"dimension_id", IndexField::dimension_id},
    {"dimension_name", IndexField::dimension_name},
    {"dimension_name_base64", IndexField::dimension_name_base64},
    {"version", IndexField::version},
    {"created_at", IndexField::created_at},
    {"updated_at", IndexField::updated_at},
    {"live_generation", IndexField::live_generation},
    {"layer_count", IndexField::layer_count},
    {"total_size", IndexField::total_size},
    {"layers", IndexField::layers}};
constexpr std::pair<std::string_view, IndexField> layer_fields[] = {
    {"layer_id", IndexField::layer_id},   {"offset", IndexField::offset},
    {"size", IndexField::size},           {"content_size", IndexField::content_size},
    {"frequency", IndexField::frequency}, {"frequency_bits", IndexField::frequency_bits},
    {"keywords", IndexField::keywords},   {"keywords_base64", IndexField::keywords_base64},
    {"name", IndexField::name},           {"name_base64", IndexField::name_base64},
    {"type_tag", IndexField::type_tag},   {"alignment", IndexField::alignment},
    {"checksum", IndexField::checksum},   {"live_checksum", IndexField::live_checksum}};

template <std::size_t count>
std::pair<std::string_view, IndexField> field_called(
    std::string_view name, const std::pair<std::string_view, IndexField> (&fields)[count]) {
    const auto* const found =
        std::ranges::find(fields, name, &std::pair<std::string_view, IndexField>::first);
    return found == std::end(fields) ? std::pair{name, IndexField::unknown} : *found;
}

}  // namespace

void ArchiveIndexBuilder::begin_field(std::string_view name) {
    const auto known =
        in_layers_ ? field_called(name, layer_fields) : field_called(name, index_fields);
    field_ = known.second;
    if (field_ == IndexField::unknown) {
        return;
    }
    const std::uint32_t bit = std::uint32_t{1} << static_cast<unsigned>(field_);
    if ((seen_ & bit) != 0) {
        complain("has \"" + std::string(known.first) + "\" twice");
    }
    seen_ |= bit;
}

void ArchiveIndexBuilder::complain(const std::string& what) const {
    std::string where;
    if (in_layers_) {
        where = "layer no. " + std::to_string(parsed_.index.layers.size());
        where +=
            has(seen_, IndexField::layer_id) ? " (" + std::to_string(layer_.layer) + ") " : " ";
    }
    fail_corrupt("read archive", path_, where + what);
}

void ArchiveIndexBuilder::require(std::uint32_t seen, IndexField field, const char* name) const {
    if (!has(seen, field)) {
        complain("has no \"" + std::string(name) + "\"");
    }
}

void ArchiveIndexBuilder::number(std::uint64_t value) {
    switch (field_) {
        case IndexField::dimension_id:
            if (value > std::numeric_limits<Dimension>::max()) {
                complain("has dimension " + std::to_string(value) + ", beyond 2^32");
            }
            parsed_.index.dimension = static_cast<Dimension>(value);
            break;
        case IndexField::version:
            if (value != archive_version) {
                ipc::fail(Errc::format_version, "read archive", path_.string(),
                          "has version " + std::to_string(value) + " of the format",
                          "this library reads version 1");
            }
            break;
        case IndexField::layer_count: parsed_.layer_count = value; break;
        case IndexField::total_size: parsed_.index.total_size = value; break;
        case IndexField::live_generation: parsed_.index.live_generation = value; break;
        case IndexField::layer_id: layer_.layer = value; break;
        case IndexField::offset: layer_.offset = value; break;
        case IndexField::size: layer_.size = value; break;
        case IndexField::content_size: layer_.content_size = value; break;
        case IndexField::type_tag: layer_.type_tag = value; break;
        case IndexField::alignment:
            if (!ipc::LayerShape::is_alignment(value)) {
                complain("has \"alignment\" " + std::to_string(value) +
                         ", no power of two from 8 to 4096");
            }
            layer_.alignment = static_cast<std::size_t>(value);
            break;
        default: complain("has a number where the format has none");
    }
}

void ArchiveIndexBuilder::text(std::string& value) {
    switch (field_) {
        case IndexField::dimension_name: parsed_.index.dimension_name = std::move(value); break;
        case IndexField::dimension_name_base64: dimension_name_exact_ = decoded(value); break;
        case IndexField::created_at: parsed_.index.created_at = std::move(value); break;
        case IndexField::updated_at: parsed_.index.updated_at = std::move(value); break;
        case IndexField::name: layer_.name = std::move(value); break;
        case IndexField::name_base64: exact_name_ = decoded(value); break;
        case IndexField::frequency_bits:
            exact_frequency_ = std::bit_cast<double>(bits("frequency_bits", value));
            break;
        case IndexField::live_checksum: layer_.live_checksum = bits("live_checksum", value); break;
        case IndexField::checksum:
            if (const auto digest = parse_checksum(value)) {
                layer_.checksum = *digest;
            } else {
                complain("has a checksum that is not \"sha256:\" and 64 hexadecimal digits");
            }
            break;
        default: complain("has a text where the format has none");
    }
}

void ArchiveIndexBuilder::keyword(std::string& value) {
    if (field_ == IndexField::keywords) {
        layer_.keywords.push_back(std::move(value));
    } else {
        exact_keywords_.push_back(decoded(value));
    }
}

std::string ArchiveIndexBuilder::decoded(const std::string& value) const {
    auto bytes = parse_base64(value);
    if (!bytes) {
        complain("has a text that is no base64");
    }
    return std::move(*bytes);
}

std::uint64_t ArchiveIndexBuilder::bits(const std::string& name, const std::string& value) const {
    const auto parsed = parse_bits(value);
    if (!parsed) {
        complain("has " + name + " that are not \"0x\" and 16 hexadecimal digits");
    }
    return *parsed;
}

void ArchiveIndexBuilder::begin_layer() {
    index_seen_ = seen_;
    seen_ = 0;
    layer_ = {};
    exact_name_.reset();
    exact_frequency_.reset();
    exact_keywords_.clear();
    field_ = IndexField::unknown;
}

void ArchiveIndexBuilder::end_layer() {
    require(seen_, IndexField::layer_id, "layer_id");
    require(seen_, IndexField::offset, "offset");
    require(seen_, IndexField::size, "size");
    require(seen_, IndexField::checksum, "checksum");
    if (!has(seen_, IndexField::content_size)) {
        layer_.content_size = layer_.size;
    }
    if (exact_name_) {
        layer_.name = std::move(*exact_name_);
    }
    if (exact_frequency_) {
        layer_.frequency = *exact_frequency_;
    }
    if (has(seen_, IndexField::keywords_base64)) {
        layer_.keywords = std::move(exact_keywords_);
    }
    parsed_.index.layers.push_back(std::move(layer_));
    seen_ = index_seen_;
    field_ = IndexField::layers;
}

ParsedIndex ArchiveIndexBuilder::finish() {
    require(index_seen_, IndexField::dimension_id, "dimension_id");
    require(index_seen_, IndexField::layer_count, "layer_count");
    require(index_seen_, IndexField::total_size, "total_size");
    require(index_seen_, IndexField::layers, "layers");
    if (dimension_name_exact_) {
        parsed_.index.dimension_name = std::move(*dimension_name_exact_);
    } else if (parsed_.index.dimension_name.empty()) {
        parsed_.index.dimension_name = default_dimension_name(parsed_.index.dimension);
    }
    std::ranges::sort(parsed_.index.layers, [](const auto& a, const auto& b) {
        return std::pair(a.offset, a.layer) < std::pair(b.offset, b.layer);
    });
    return std::move(parsed_);
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ipc/format/layer_block.hpp"
#include "strata/core_dimensions.hpp"
#include "strata/printable.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_header.hpp"
#include "volume/archive_index.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

namespace {

std::string shown(std::string_view text) { return nlohmann::json(printable(text)).dump(); }
std::string exact(std::string_view text) { return nlohmann::json(text).dump(); }

// A text that JSON cannot carry is shown there as well as it can be, and stands beside it whole.
void put_text(std::string& out, const char* field, std::string_view text) {
    const bool plain = valid_utf8(text);
    out += std::string(", \"") + field + "\": " + (plain ? exact(text) : shown(text));
    if (!plain) {
        out += std::string(", \"") + field + "_base64\": " + exact(base64(text));
    }
}

void put_keywords(std::string& out, const std::vector<std::string>& keywords) {
    bool plain = true;
    std::string listed;
    std::string encoded;
    for (const std::string& keyword : keywords) {
        const bool valid = valid_utf8(keyword);
        plain = plain && valid;
        listed += (listed.empty() ? "" : ", ") + (valid ? exact(keyword) : shown(keyword));
    }
    out += ", \"keywords\": [" + listed + "]";
    if (plain) {
        return;
    }
    for (const std::string& keyword : keywords) {
        encoded += (encoded.empty() ? "" : ", ") + exact(base64(keyword));
    }
    out += ", \"keywords_base64\": [" + encoded + "]";
}

void put_frequency(std::string& out, double frequency) {
    if (std::isfinite(frequency)) {
        out += ", \"frequency\": " + nlohmann::json(frequency).dump();
        return;
    }
    out += ", \"frequency\": null, \"frequency_bits\": \"" +
           bits_text(std::bit_cast<std::uint64_t>(frequency)) + "\"";
}

void put_layer(std::string& out, const ArchivedLayer& layer) {
    out += "    {\"layer_id\": " + std::to_string(layer.layer);
    if (!layer.name.empty()) {
        put_text(out, "name", layer.name);
    }
    out += ", \"offset\": " + std::to_string(layer.offset) +
           ", \"size\": " + std::to_string(layer.size) +
           ", \"content_size\": " + std::to_string(layer.content_size);
    put_frequency(out, layer.frequency);
    put_keywords(out, layer.keywords);
    if (layer.type_tag != 0) {
        out += ", \"type_tag\": " + std::to_string(layer.type_tag);
    }
    if (layer.alignment > ipc::LayerShape::least_alignment) {
        out += ", \"alignment\": " + std::to_string(layer.alignment);
    }
    if (layer.live_checksum != 0) {
        out += ", \"live_checksum\": \"" + bits_text(layer.live_checksum) + "\"";
    }
    out += ", \"checksum\": \"" + checksum_text(layer.checksum) + "\"}";
}

}  // namespace

std::string index_text(const ArchiveIndex& index) {
    std::string out = "{\n  \"dimension_id\": " + std::to_string(index.dimension);
    out += ",\n  \"version\": " + std::to_string(archive_version);
    put_text(out, "dimension_name", index.dimension_name);
    out += ", \"created_at\": " + shown(index.created_at);
    out += ", \"updated_at\": " + shown(index.updated_at);
    if (index.live_generation != 0) {
        out += ",\n  \"live_generation\": " + std::to_string(index.live_generation);
    }
    out += ",\n  \"layer_count\": " + std::to_string(index.layers.size());
    out += ",\n  \"total_size\": " + std::to_string(index.total_size);
    out += ",\n  \"layers\": [";
    const char* separator = "\n";
    for (const ArchivedLayer& layer : index.layers) {
        out += separator;
        put_layer(out, layer);
        separator = ",\n";
    }
    out += index.layers.empty() ? "]\n}\n" : "\n  ]\n}\n";
    return out;
}

std::string bits_text(std::uint64_t bits) {
    char text[24];
    std::snprintf(text, sizeof(text), "0x%016llx", static_cast<unsigned long long>(bits));
    return text;
}

std::optional<std::uint64_t> parse_bits(std::string_view text) noexcept {
    std::uint64_t bits = 0;
    const char* const end = text.data() + text.size();
    if (text.size() != 18 || !text.starts_with("0x") ||
        std::from_chars(text.data() + 2, end, bits, 16).ptr != end) {
        return std::nullopt;
    }
    return bits;
}

std::string default_dimension_name(Dimension dimension) {
    const std::string_view core = core_dimension_name(dimension);
    return core.empty() ? "D" + std::to_string(dimension) : std::string(core);
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
#include "volume/backup_manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "strata/printable.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_index.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

namespace {

using nlohmann::ordered_json;

// A text that JSON cannot carry is shown there as well as it can be, and stands beside it whole.
void put_text(ordered_json& out, const std::string& field, const std::string& text) {
    out[field] = printable(text);
    if (!valid_utf8(text) || printable(text) != text) {
        out[field + "_base64"] = base64(text);
    }
}

ordered_json to_json(const BackedDimension& entry) {
    ordered_json out{{"dimension_id", entry.dimension}};
    put_text(out, "name", entry.name);
    out["layers"] = entry.layers;
    out["digest"] = bits_text(entry.digest);
    if (entry.own_region) {
        out["own_region"] = {{"max_bytes", entry.own_region->max_bytes},
                             {"mode", entry.own_region->mode}};
    }
    out["kind"] = kind_names[static_cast<std::size_t>(entry.kind)];
    if (entry.kind != BackupKind::whole) {
        out["base"] = entry.base;
    }
    if (entry.kind == BackupKind::changes) {
        out["removed"] = entry.removed;
    }
    if (entry.kind != BackupKind::same) {
        out["index_bytes"] = entry.index_bytes;
        out["index_checksum"] = checksum_text(entry.index_checksum);
        out["region_bytes"] = entry.region_bytes;
        out["region_checksum"] = checksum_text(entry.region_checksum);
    }
    return out;
}

ordered_json to_json(const std::vector<BackedDimension>& entries, bool same) {
    ordered_json out = ordered_json::array();
    for (const BackedDimension& entry : entries) {
        if ((entry.kind == BackupKind::same) == same) {
            out.push_back(to_json(entry));
        }
    }
    return out;
}

}  // namespace

const BackedDimension* BackupManifest::find(Dimension dimension) const noexcept {
    const auto at =
        std::ranges::lower_bound(dimensions, dimension, {}, &BackedDimension::dimension);
    return at != dimensions.end() && at->dimension == dimension ? &*at : nullptr;
}

const BackupLink* BackupManifest::link(std::uint64_t wanted) const noexcept {
    const auto at = std::ranges::lower_bound(builds_on, wanted, {}, &BackupLink::number);
    return at != builds_on.end() && at->number == wanted ? &*at : nullptr;
}

std::string unchanged_text(BackupManifest& manifest) {
    ordered_json out{{"number", manifest.number}};
    out["dimensions"] = to_json(manifest.dimensions, true);
    if (out["dimensions"].empty()) {
        manifest.unchanged.reset();
        return {};
    }
    std::string text = out.dump(1) + "\n";
    manifest.unchanged = {.bytes = text.size(), .checksum = sha256_of(text)};
    return text;
}

std::string manifest_text(const BackupManifest& manifest) {
    ordered_json out{
        {"format", manifest_format}, {"version", manifest_version}, {"number", manifest.number}};
    put_text(out, "store", manifest.store);
    out["store_id"] = manifest.store_id;
    out["generation"] = manifest.generation;
    out["digest"] = bits_text(manifest.digest);
    out["published_at"] = manifest.published_at;
    out["made_at"] = manifest.made_at;
    out["memory_limit"] = manifest.memory_limit;
    out["region_max_bytes"] = manifest.region_max_bytes;
    out["mode"] = manifest.mode;
    out["complete"] = manifest.complete;
    out["builds_on"] = ordered_json::array();
    for (const BackupLink& link : manifest.builds_on) {
        out["builds_on"].push_back(
            {{"number", link.number}, {"checksum", checksum_text(link.checksum)}});
    }
    if (manifest.unchanged) {
        out["unchanged"] = {{"bytes", manifest.unchanged->bytes},
                            {"checksum", checksum_text(manifest.unchanged->checksum)}};
    }
    out["dimensions"] = to_json(manifest.dimensions, false);
    return out.dump(1) + "\n";
}

std::string manifest_checksum_text(std::string_view manifest_text) {
    constexpr std::size_t prefix_bytes = std::string_view("sha256:").size();
    return checksum_text(sha256_of(manifest_text)).substr(prefix_bytes) + "  " + manifest_name +
           "\n";
}

}  // namespace strata::volume_impl

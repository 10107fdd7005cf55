// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "ipc/failure.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_index.hpp"
#include "volume/backup_manifest.hpp"
#include "volume/failures.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

namespace {

using nlohmann::json;

constexpr std::string_view operation = "read backup";
constexpr int max_depth = 16;

/// Fields of one object, each of the type that the format says.
class Fields {
public:
    Fields(const json& object, const std::filesystem::path& path, std::string where)
        : object_(object), path_(path), where_(std::move(where)) {
        if (!object.is_object()) {
            complain("is no object");
        }
    }

    [[noreturn]] void complain(const std::string& what) const {
        fail_corrupt(operation, path_, where_ + what);
    }
    const json& at(const char* field) const {
        const auto found = object_.find(field);
        if (found == object_.end()) {
            complain(std::string("has no \"") + field + "\"");
        }
        return *found;
    }
    bool has(const char* field) const { return object_.contains(field); }
    std::uint64_t number(const char* field,
                         std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const {
        return number(at(field), field, most);
    }
    std::uint64_t number(const json& value, const char* field, std::uint64_t most) const {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
            complain(std::string("has no whole number up to ") + std::to_string(most) + " in \"" +
                     field + "\"");
        }
        return value.get<std::uint64_t>();
    }
    bool truth(const char* field) const {
        const json& value = at(field);
        if (!value.is_boolean()) {
            complain(std::string("has no true or false in \"") + field + "\"");
        }
        return value.get<bool>();
    }
    const std::string& text(const char* field) const {
        const json& value = at(field);
        if (!value.is_string()) {
            complain(std::string("has no text in \"") + field + "\"");
        }
        return value.get_ref<const std::string&>();
    }
    /// As put_text wrote it.
    std::string exact(const char* field) const {
        const std::string encoded = std::string(field) + "_base64";
        if (!has(encoded.c_str())) {
            return text(field);
        }
        auto bytes = parse_base64(text(encoded.c_str()));
        if (!bytes) {
            complain("has no base64 in \"" + encoded + "\"");
        }
        return std::move(*bytes);
    }
    std::uint64_t bits(const char* field) const {
        const auto bits = parse_bits(text(field));
        if (!bits) {
            complain(std::string("has no \"0x\" and 16 hexadecimal digits in \"") + field + "\"");
        }
        return *bits;
    }
    Sha256Digest checksum(const char* field) const {
        const auto digest = parse_checksum(text(field));
        if (!digest) {
            complain(std::string("has no \"sha256:\" and 64 hexadecimal digits in \"") + field +
                     "\"");
        }
        return *digest;
    }
    const json& list(const char* field) const {
        const json& value = at(field);
        if (!value.is_array()) {
            complain(std::string("has no list in \"") + field + "\"");
        }
        return value;
    }

private:
    const json& object_;
    const std::filesystem::path& path_;
    std::string where_;
};

BackupKind kind_of(const Fields& fields) {
    const auto* const found = std::ranges::find(kind_names, fields.text("kind"));
    if (found == std::end(kind_names)) {
        fields.complain("is of kind " + ipc::quoted(fields.text("kind")));
    }
    return static_cast<BackupKind>(found - std::begin(kind_names));
}

BackedDimension parse_dimension(const json& object, const BackupManifest& manifest,
                                const std::filesystem::path& path, std::size_t place) {
    const Fields fields(object, path, "dimension no. " + std::to_string(place) + " ");
    BackedDimension entry{.dimension = static_cast<Dimension>(
                              fields.number("dimension_id", std::numeric_limits<Dimension>::max())),
                          .name = fields.exact("name"),
                          .layers = fields.number("layers"),
                          .digest = fields.bits("digest"),
                          .kind = kind_of(fields)};
    if (fields.has("own_region")) {
        const Fields region(fields.at("own_region"), path, "\"own_region\" ");
        entry.own_region = {.max_bytes = region.number("max_bytes"),
                            .mode = static_cast<std::uint32_t>(region.number("mode", 0777))};
    }
    if (entry.kind != BackupKind::whole) {
        entry.base = fields.number("base");
        if (manifest.link(entry.base) == nullptr) {
            fields.complain("builds on backup " + std::to_string(entry.base) +
                            ", which \"builds_on\" does not list");
        }
    }
    if (entry.kind == BackupKind::changes) {
        for (const json& number : fields.list("removed")) {
            entry.removed.push_back(
                fields.number(number, "removed", std::numeric_limits<std::uint64_t>::max()));
        }
    }
    if (entry.kind != BackupKind::same) {
        entry.index_bytes = fields.number("index_bytes", max_index_bytes);
        entry.index_checksum = fields.checksum("index_checksum");
        entry.region_bytes = fields.number("region_bytes");
        entry.region_checksum = fields.checksum("region_checksum");
    }
    return entry;
}

void parse_links(const Fields& fields, BackupManifest& manifest,
                 const std::filesystem::path& path) {
    for (const json& object : fields.list("builds_on")) {
        const Fields link(object, path, "a link in \"builds_on\" ");
        // Only backwards: a chain cannot lead in a circle.
        const std::uint64_t number = link.number("number", manifest.number - 1);
        const std::uint64_t before =
            manifest.builds_on.empty() ? 0 : manifest.builds_on.back().number;
        if (number <= before) {
            link.complain("to backup " + std::to_string(number) + " does not ascend");
        }
        manifest.builds_on.push_back({number, link.checksum("checksum")});
    }
}

/// Those that are the same, or all others.
void parse_dimensions(const Fields& fields, BackupManifest& manifest,
                      const std::filesystem::path& path, bool same) {
    const std::size_t before = manifest.dimensions.size();
    for (const json& object : fields.list("dimensions")) {
        const std::size_t count = manifest.dimensions.size() - before;
        BackedDimension entry = parse_dimension(object, manifest, path, count + 1);
        if ((entry.kind == BackupKind::same) != same) {
            fields.complain("lists dimension " + std::to_string(entry.dimension) + " as " +
                            kind_names[static_cast<std::size_t>(entry.kind)] +
                            ", which belongs into the other file");
        }
        if (count > 0 && manifest.dimensions.back().dimension >= entry.dimension) {
            fields.complain("lists dimension " + std::to_string(entry.dimension) +
                            " in no ascending order");
        }
        manifest.dimensions.push_back(std::move(entry));
    }
}

// How deep brackets are nested, outside of texts; of what is no JSON anything.
int depth_of(std::string_view json_text) noexcept {
    int depth = 0;
    int deepest = 0;
    for (std::size_t i = 0; i < json_text.size(); ++i) {
        const char c = json_text[i];
        if (c == '"') {
            do {
                i = json_text.find_first_of("\"\\", i + 1);
            } while (i < json_text.size() && json_text[i] == '\\' && ++i < json_text.size());
            if (i >= json_text.size()) {
                break;
            }
        } else if (c == '[' || c == '{') {
            deepest = std::max(deepest, ++depth);
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return deepest;
}

// The bound on nesting is looked at beforehand: a callback of the parser could do it, but with one
// it looks at all elements of a list again after each of them.
json parse_json(std::string_view text, const std::filesystem::path& path) {
    if (depth_of(text) > max_depth) {
        fail_corrupt(operation, path,
                     "is nested deeper than " + std::to_string(max_depth) + " levels");
    }
    try {
        return json::parse(text);
    } catch (const json::exception& error) {
        fail_corrupt(operation, path, std::string("is no JSON: ") + error.what());
    }
}

}  // namespace

BackupManifest parse_manifest(std::string_view text, const std::filesystem::path& path) {
    const json document = parse_json(text, path);
    const Fields fields(document, path, "");
    if (fields.text("format") != manifest_format) {
        fields.complain("is not the manifest of a backup");
    }
    if (const std::uint64_t version = fields.number("version"); version != manifest_version) {
        ipc::fail(Errc::format_version, operation, path.string(),
                  "has version " + std::to_string(version) + " of the format",
                  "this library reads version 2");
    }
    BackupManifest manifest{.number = fields.number("number"),
                            .store = fields.exact("store"),
                            .store_id = fields.text("store_id"),
                            .generation = fields.number("generation"),
                            .digest = fields.bits("digest"),
                            .published_at = fields.text("published_at"),
                            .made_at = fields.text("made_at"),
                            .memory_limit = fields.number("memory_limit"),
                            .region_max_bytes = fields.number("region_max_bytes"),
                            .mode = static_cast<std::uint32_t>(fields.number("mode", 07777)),
                            .complete = fields.truth("complete")};
    if (manifest.number == 0) {
        fields.complain("has number 0");
    }
    parse_links(fields, manifest, path);
    if (fields.has("unchanged")) {
        const Fields file(fields.at("unchanged"), path, "\"unchanged\" ");
        manifest.unchanged = {.bytes = file.number("bytes", max_manifest_bytes),
                              .checksum = file.checksum("checksum")};
    }
    parse_dimensions(fields, manifest, path, false);
    return manifest;
}

void parse_unchanged(std::string_view text, const std::filesystem::path& path,
                     BackupManifest& manifest) {
    const json document = parse_json(text, path);
    const Fields fields(document, path, "");
    if (const std::uint64_t number = fields.number("number"); number != manifest.number) {
        fields.complain("is of backup " + std::to_string(number));
    }
    const auto changed = static_cast<std::ptrdiff_t>(manifest.dimensions.size());
    parse_dimensions(fields, manifest, path, true);
    std::ranges::inplace_merge(manifest.dimensions, manifest.dimensions.begin() + changed, {},
                               &BackedDimension::dimension);
    const auto twice =
        std::ranges::adjacent_find(manifest.dimensions, {}, &BackedDimension::dimension);
    if (twice != manifest.dimensions.end()) {
        fields.complain("lists dimension " + std::to_string(twice->dimension) +
                        ", and the manifest does as well");
    }
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
// An archive's index as it is gathered field by field, in whatever order they come: each field
// once, of its kind and within its bounds, and none missing that has to be there. Knows nothing of
// JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "volume/archive_index.hpp"

namespace strata::volume_impl {

enum class IndexField : unsigned char {
    unknown,
    dimension_id,
    dimension_name,
    dimension_name_base64,
    version,
    created_at,
    updated_at,
    live_generation,
    layer_count,
    total_size,
    layers,
    layer_id,
    offset,
    size,
    content_size,
    frequency,
    frequency_bits,
    keywords,
    keywords_base64,
    name,
    name_base64,
    type_tag,
    alignment,
    checksum,
    live_checksum,
};

/// Throws corrupt, naming the file and the layer; format_version. Not thread-safe.
class ArchiveIndexBuilder {
public:
    /// `path` outlives it; it is what errors name.
    explicit ArchiveIndexBuilder(const std::filesystem::path& path) : path_(path) {}

    // Which object the fields are of: first the index, then, between begin_layers and end_layers,
    // each layer.
    void begin_index() noexcept { seen_ = 0; }
    void begin_layers() noexcept { in_layers_ = true; }
    void begin_layer();
    void end_layer();
    void end_layers() noexcept { in_layers_ = false; }
    void end_index() noexcept { index_seen_ = seen_; }

    /// The next values are of the field called `name`: `unknown` if the format has none such.
    void begin_field(std::string_view name);
    IndexField field() const noexcept { return field_; }

    void number(std::uint64_t value);
    void frequency(double value) noexcept { layer_.frequency = value; }
    void text(std::string& value);     // moved from
    void keyword(std::string& value);  // one of the list; moved from

    /// The whole, its layers sorted as parse_index() says.
    ParsedIndex finish();

    [[noreturn]] void complain(const std::string& what) const;

private:
    static bool has(std::uint32_t seen, IndexField field) noexcept {
        return ((seen >> static_cast<unsigned>(field)) & 1) != 0;
    }
    void require(std::uint32_t seen, IndexField field, const char* name) const;
    std::string decoded(const std::string& value) const;
    std::uint64_t bits(const std::string& name, const std::string& value) const;

    const std::filesystem::path& path_;
    ParsedIndex parsed_;
    std::optional<std::string> dimension_name_exact_;
    ArchivedLayer layer_;
    std::optional<std::string> exact_name_;
    std::optional<double> exact_frequency_;
    std::vector<std::string> exact_keywords_;
    bool in_layers_ = false;
    IndexField field_ = IndexField::unknown;
    std::uint32_t seen_ = 0;        // fields of the object that is open
    std::uint32_t index_seen_ = 0;  // of the index, while a layer is open and at the end
};

}  // namespace strata::volume_impl

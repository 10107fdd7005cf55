// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "console.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

std::string_view kind_text(StoreFile::Kind kind) {
    switch (kind) {
        case StoreFile::Kind::control: return "control";
        case StoreFile::Kind::lock: return "lock";
        case StoreFile::Kind::region: return "region";
        case StoreFile::Kind::unused: return "unused";
        case StoreFile::Kind::slots: return "slots";
        case StoreFile::Kind::bookmarks: return "bookmarks";
        case StoreFile::Kind::foreign: break;
    }
    return "foreign";
}

template <class T>
Json optional_json(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

// Beyond 2^53 most readers of JSON (JavaScript, jq) round numbers: such integers become strings.
void quote_large_integers(Json& value) {
    constexpr std::int64_t most = std::int64_t{1} << 53;
    if (value.is_structured()) {
        for (Json& part : value) {
            quote_large_integers(part);
        }
    } else if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        value = number > static_cast<std::uint64_t>(most) ? Json(std::to_string(number)) : value;
    } else if (value.is_number_integer()) {
        const auto number = value.get<std::int64_t>();
        value = number < -most || number > most ? Json(std::to_string(number)) : value;
    }
}

std::string octal(std::uint32_t mode) {
    char text[16];
    std::snprintf(text, sizeof(text), "%04o", mode);
    return text;
}

}  // namespace

std::string json_text(const Json& value, bool indented) {
    Json exact = value;
    quote_large_integers(exact);
    return printable_json(
        exact.dump(indented ? 2 : -1, ' ', false, Json::error_handler_t::replace));
}

void print_json(const Json& value) { write_line(json_text(value, true)); }

JsonList::JsonList() { write_out("["); }

void JsonList::add(const Json& item) {
    write_out(empty_ ? "\n  " : ",\n  ");
    write_out(json_text(item));
    empty_ = false;
}

void JsonList::end() { write_line(empty_ ? "]" : "\n]"); }

Json to_json(const StoreInfo& info) {
    Json readers = Json::array();
    for (const ReaderInfo& reader : info.readers) {
        readers.push_back({{"pid", reader.pid}, {"epoch", reader.epoch}});
    }
    Json files = Json::array();
    for (const StoreFile& file : info.files) {
        files.push_back({{"name", file.name},
                         {"kind", kind_text(file.kind)},
                         {"size_bytes", file.size_bytes},
                         {"allocated_bytes", file.allocated_bytes}});
    }
    Json bookmarks = Json::array();
    for (const Bookmark& bookmark : info.bookmarks) {
        bookmarks.push_back(to_json(bookmark));
    }
    return {{"store", info.name},
            {"path", info.path.string()},
            {"id", info.id},
            {"format_version", info.format_version},
            {"owner", info.owner},
            {"mode", octal(info.mode)},
            {"created_at", rfc3339_ns(info.created_at)},
            {"region_max_bytes", info.region_max_bytes},
            {"producer_pid", optional_json(info.producer_pid)},
            {"generation", info.generation},
            {"oldest_retained", info.oldest_retained},
            {"bookmarks", std::move(bookmarks)},
            {"published_at", rfc3339_ns(info.published_at)},
            {"published_epoch", info.published_epoch},
            {"epoch", info.epoch},
            {"dimensions", info.dimensions},
            {"layers", info.layers},
            {"memory_limit", info.memory_limit},
            {"committed_bytes", info.committed_bytes},
            {"live_bytes", info.live_bytes},
            {"control_bytes", info.control_bytes},
            {"readers", std::move(readers)},
            {"files", std::move(files)}};
}

Json to_json(const Bookmark& bookmark) {
    return {{"bookmark", bookmark.name},
            {"generation", bookmark.generation},
            {"made_at", rfc3339_ns(bookmark.made_at)}};
}

Json to_json(const DimensionInfo& info) {
    return {{"dimension", info.dimension}, {"name", info.name},
            {"layers", info.layers},       {"live_bytes", info.live_bytes},
            {"region", info.region},       {"generation", info.generation}};
}

Json to_json(const Layer& layer, const LayerId& id) {
    Json keywords = Json::array();
    for (const std::string_view keyword : layer.keywords()) {
        keywords.push_back(keyword);
    }
    const double frequency = layer.frequency();
    return {{"dimension", id.dimension},
            {"layer", id.layer},
            {"name", layer.name()},
            {"size_bytes", layer.size()},
            {"generation", layer.generation()},
            {"frequency", std::isfinite(frequency) ? Json(frequency) : Json(nullptr)},
            {"keywords", std::move(keywords)},
            {"type_tag", layer.type_tag()},
            {"checksum", layer.checksum()}};
}

Json to_json(const Change& change) {
    constexpr std::array<const char*, 3> kinds = {"added", "updated", "removed"};
    Json json = {{"change", kinds[static_cast<std::size_t>(change.kind)]},
                 {"dimension", change.id.dimension},
                 {"layer", change.id.layer}};
    if (change.before) {
        json["before"] = to_json(change.before, change.id);
    }
    if (change.after) {
        json["after"] = to_json(change.after, change.id);
    }
    return json;
}

Json to_json(const Error& error) {
    Json json = {{"code", to_string(error.code())}, {"message", error.what()},
                 {"operation", error.operation()},  {"path", error.path()},
                 {"detail", error.detail()},        {"hint", error.hint()},
                 {"errno", error.errno_value()}};
    if (error.limit() != 0) {
        json["needed"] = error.needed();
        json["limit"] = error.limit();
        json["current"] = error.current();
    }
    return json;
}

}  // namespace strata::tools

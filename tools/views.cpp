// SPDX-License-Identifier: Apache-2.0
#include "views.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "console.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

template <class T>
Json value_at(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(value));  // an array of another type may lie anywhere
    if constexpr (std::is_floating_point_v<T>) {
        // As short as it can be without loss, in its own precision: 0.1f is 0.1.
        return std::isfinite(value) ? Json::parse(number_text(value)) : Json(number_text(value));
    } else {
        return value;
    }
}

struct View {
    const char* name;
    std::size_t size;
    Json (*value_at)(const std::byte*);
};

constexpr std::array<View, 10> views = {{{"i8", 1, value_at<std::int8_t>},
                                         {"i16", 2, value_at<std::int16_t>},
                                         {"i32", 4, value_at<std::int32_t>},
                                         {"i64", 8, value_at<std::int64_t>},
                                         {"u8", 1, value_at<std::uint8_t>},
                                         {"u16", 2, value_at<std::uint16_t>},
                                         {"u32", 4, value_at<std::uint32_t>},
                                         {"u64", 8, value_at<std::uint64_t>},
                                         {"f32", 4, value_at<float>},
                                         {"f64", 8, value_at<double>}}};

const View* find_view(std::string_view name) {
    const auto* const found = std::find_if(views.begin(), views.end(),
                                           [&](const View& view) { return view.name == name; });
    return found != views.end() ? found : nullptr;
}

}  // namespace

void write_hex(std::span<const std::byte> bytes) {
    constexpr std::size_t row = 16;
    char text[96];
    for (std::size_t at = 0; at < bytes.size(); at += row) {
        const auto part = bytes.subspan(at, std::min(row, bytes.size() - at));
        int size = std::snprintf(text, sizeof(text), "%08zx ", at);
        for (std::size_t i = 0; i < row; ++i) {
            size += i < part.size()
                        ? std::snprintf(text + size, sizeof(text) - static_cast<std::size_t>(size),
                                        i == row / 2 ? "  %02x" : " %02x",
                                        std::to_integer<unsigned>(part[i]))
                        : std::snprintf(text + size, sizeof(text) - static_cast<std::size_t>(size),
                                        i == row / 2 ? "    " : "   ");
        }
        std::string line(text, static_cast<std::size_t>(size));
        line += "  |";
        for (const std::byte byte : part) {
            const auto c = std::to_integer<unsigned char>(byte);
            line += c >= 0x20 && c < 0x7F ? static_cast<char>(c) : '.';
        }
        write_line(line + "|");
    }
    std::snprintf(text, sizeof(text), "%08zx", bytes.size());
    write_line(text);
}

std::vector<std::string> view_types() {
    std::vector<std::string> names{"tag"};
    for (const View& view : views) {
        names.emplace_back(view.name);
    }
    return names;
}

std::string element_type(const Layer& layer, const std::string& type) {
    std::string name = type == "tag" ? type_tag_text(layer.type_tag()) : type;
    if (name.ends_with("[]")) {
        name.resize(name.size() - 2);
    }
    const View* const view = find_view(name);
    if (view == nullptr) {
        throw Complaint{Exit::failed, "type_mismatch",
                        "the layer holds " + name +
                            ", no numbers that have a name here; --as f64 "
                            "and the like read it as such"};
    }
    if (layer.size() % view->size != 0) {
        throw Complaint{Exit::failed, "type_mismatch",
                        "the layer's " + std::to_string(layer.size()) +
                            " bytes are no whole number of " + name + ", of " +
                            std::to_string(view->size) + " bytes each"};
    }
    return name;
}

void for_each_value(const Layer& layer, const std::string& type,
                    const std::function<void(const Json&)>& call) {
    const View& view = *find_view(type);
    for (std::size_t at = 0; at < layer.size(); at += view.size) {
        call(view.value_at(layer.data() + at));
    }
}

}  // namespace strata::tools

// SPDX-License-Identifier: Apache-2.0
#include "ipc/format/layer_metadata.hpp"

#include <cstring>

namespace strata::ipc {

namespace {

constexpr std::uint8_t long_length = 0xFF;  // a u32 follows

std::uint64_t text_bytes(std::string_view text) noexcept {
    return (text.size() < long_length ? 1 : 1 + sizeof(std::uint32_t)) + text.size();
}

std::byte* append(std::byte* at, std::string_view text) noexcept {
    if (text.size() < long_length) {
        *at++ = static_cast<std::byte>(text.size());
    } else {
        const auto length = static_cast<std::uint32_t>(text.size());
        *at++ = std::byte{long_length};
        std::memcpy(at, &length, sizeof(length));
        at += sizeof(length);
    }
    if (!text.empty()) {
        std::memcpy(at, text.data(), text.size());
    }
    return at + text.size();
}

/// Takes one text after the other from the front.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

    /// False: it is cut off.
    bool text(std::string_view& result) noexcept {
        std::uint32_t length = 0;
        std::span<const std::byte> bytes;
        if (!take(1, bytes)) {
            return false;
        }
        length = std::to_integer<std::uint32_t>(bytes[0]);
        if (length == long_length) {
            if (!take(sizeof(length), bytes)) {
                return false;
            }
            std::memcpy(&length, bytes.data(), sizeof(length));
        }
        if (!take(length, bytes)) {
            return false;
        }
        result = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        return true;
    }
    bool at_end() const noexcept { return rest_.empty(); }

private:
    bool take(std::size_t size, std::span<const std::byte>& result) noexcept {
        if (size > rest_.size()) {
            return false;
        }
        result = rest_.first(size);
        rest_ = rest_.subspan(size);
        return true;
    }

    std::span<const std::byte> rest_;
};

}  // namespace

std::uint64_t LayerMetadata::bytes_with_keywords(
    std::string_view name, std::span<const std::string_view> keywords) noexcept {
    std::uint64_t bytes = text_bytes(name);
    for (const std::string_view keyword : keywords) {
        bytes += text_bytes(keyword);
    }
    return bytes;
}

void LayerMetadata::write(std::byte* at, std::string_view name,
                          std::span<const std::string_view> keywords) noexcept {
    if (keywords.empty()) {
        std::memcpy(at, name.data(), name.size());
        return;
    }
    at = append(at, name);
    for (const std::string_view keyword : keywords) {
        at = append(at, keyword);
    }
}

std::optional<std::string_view> LayerMetadata::name() const noexcept {
    if (!has_keywords_) {
        return std::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    }
    Reader reader(bytes_);
    std::string_view name;
    return reader.text(name) ? std::optional(name) : std::nullopt;
}

const char* LayerMetadata::keywords(std::vector<std::string_view>& result) const {
    if (!has_keywords_) {
        return nullptr;
    }
    Reader reader(bytes_);
    std::string_view text;
    if (!reader.text(text)) {
        return cut_off;
    }
    while (!reader.at_end()) {
        if (!reader.text(text)) {
            return cut_off;
        }
        result.push_back(text);
    }
    return nullptr;
}

}  // namespace strata::ipc

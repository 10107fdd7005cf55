// SPDX-License-Identifier: Apache-2.0
// The metadata of a layer: its name and keywords, as they stand behind the payload. Reading checks
// every length; damage is reported, never thrown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace strata::ipc {

/// Without keywords the bytes of the name, and nothing at all if there is none. With keywords: the
/// name, then each keyword, each after its length: one byte below 0xFF, or 0xFF and a u32.
class LayerMetadata {
public:
    static constexpr std::size_t most_keywords = 65535;
    static constexpr std::size_t most_keyword_bytes = std::size_t{64} << 10;

    static std::uint64_t bytes_for(std::string_view name,
                                   std::span<const std::string_view> keywords) noexcept {
        return keywords.empty() ? name.size() : bytes_with_keywords(name, keywords);
    }
    /// As many bytes as bytes_for says.
    static void write(std::byte* at, std::string_view name,
                      std::span<const std::string_view> keywords) noexcept;

    LayerMetadata(std::span<const std::byte> bytes, bool has_keywords) noexcept
        : bytes_(bytes), has_keywords_(has_keywords) {}

    /// Views into the bytes. nullopt: they are cut off.
    std::optional<std::string_view> name() const noexcept;
    /// Appends views into the bytes. What is wrong with them; null: nothing.
    const char* keywords(std::vector<std::string_view>& result) const;

    static constexpr const char* cut_off = "its metadata is cut off";

private:
    static std::uint64_t bytes_with_keywords(std::string_view name,
                                             std::span<const std::string_view> keywords) noexcept;

    std::span<const std::byte> bytes_;
    bool has_keywords_;
};

}  // namespace strata::ipc

// SPDX-License-Identifier: Apache-2.0
// Damaging a file of a store where its content can be recognised.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

namespace strata::test {

/// Overwrites the first place in a file where `text` stands.
inline void damage(const std::filesystem::path& file, const std::string& text) {
    std::string bytes(std::filesystem::file_size(file), '\0');
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const std::size_t at = bytes.find(text);
    REQUIRE(at != std::string::npos);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put('#');
}

}  // namespace strata::test

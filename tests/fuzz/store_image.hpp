// SPDX-License-Identifier: Apache-2.0
// A sound store as bytes: what fuzzing starts from. Kept in files (tests/fuzz/images/) whose zeros
// are left out, so that a corpus means the same whatever an allocator does by then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <strata/types.hpp>

namespace strata::fuzz {

/// What a word of a store is for.
enum class Area : std::uint16_t {
    identity = 1 << 0,
    cells = 1 << 1,
    statistics = 1 << 2,  // and memory tables
    history = 1 << 3,
    root = 1 << 4,
    directory = 1 << 5,  // its nodes
    record = 1 << 6,
    region_header = 1 << 7,
    index = 1 << 8,
    layer = 1 << 9,  // headers
    metadata = 1 << 10,
    payload = 1 << 11,  // the first word of each
};
using Areas = std::uint16_t;
constexpr Areas operator|(Area a, Area b) noexcept {
    return static_cast<Areas>(static_cast<Areas>(a) | static_cast<Areas>(b));
}
constexpr Areas operator|(Areas a, Area b) noexcept {
    return static_cast<Areas>(a | static_cast<Areas>(b));
}
inline constexpr Areas everything = 0xFFFF;

/// A word that is worth changing.
struct Place {
    std::uint16_t file = 0;
    Area area = Area::identity;
    std::uint64_t offset = 0;
    std::uint64_t block = 0;  // offset of the block (or the header) that it belongs to
};

struct StoreImage {
    struct File {
        std::string name;
        std::string bytes;
    };

    std::string name;
    std::vector<File> files;
    std::vector<Place> places;  // of all files, found by walking the store
    std::vector<LayerId> ids;   // of all layers of all generations that are kept

    /// Reads the files of a store.
    static StoreImage of_store(const std::filesystem::path& directory);
    /// An image that `save` wrote.
    static StoreImage load(const std::filesystem::path& file);
    void save(const std::filesystem::path& file) const;

private:
    void find_places();
};

/// All images of a folder, by name.
std::vector<StoreImage> load_images(const std::filesystem::path& folder);

}  // namespace strata::fuzz

// SPDX-License-Identifier: Apache-2.0
// Stores on shared memory that a fuzzer's input has changed.
//
// An input is a list of changes, each of a few bytes: what to do, to which word, with which number.
// Any bytes are a valid list, so that the fuzzer's plain mutations all mean something, and an input
// is short. The first byte says which image is changed (bits 0-3) and whether checksums are made
// right afterwards (bit 4: of records and headers, bit 5: of layers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/store_image.hpp"

namespace strata::fuzz {

class MutatedStores {
public:
    /// Writes the images to a directory of their own, which goes with the object. Only words of
    /// `areas` will be changed.
    MutatedStores(std::vector<StoreImage> images, Areas areas);
    MutatedStores(const MutatedStores&) = delete;
    MutatedStores& operator=(const MutatedStores&) = delete;
    ~MutatedStores();

    const std::filesystem::path& base() const noexcept { return base_; }

    /// Changes a store as the input says; which one.
    const StoreImage& apply(std::span<const std::uint8_t> input);
    /// Makes it what it was.
    void undo();
    /// As undo, of a store whose directory has been worked in.
    void recreate();

private:
    struct File {
        std::string bytes;                                           // as changed
        std::vector<std::pair<std::uint64_t, std::uint64_t>> dirty;  // offset, size
        bool resized = false;
        bool removed = false;
    };
    struct Store {
        StoreImage image;
        std::vector<Place> places;  // those of the areas
        std::vector<File> files;
    };

    std::filesystem::path path_of(const Store& store, std::size_t file) const;
    void write_whole(const Store& store, std::size_t file) const;
    void write_word(Store& store, std::size_t file, std::uint64_t offset, std::uint64_t word,
                    std::size_t bytes = 8);
    void change(Store& store, class InputReader& input);
    void repair(Store& store, bool records, bool layers);

    std::filesystem::path base_;
    std::vector<Store> stores_;
    Store* current_ = nullptr;
};

}  // namespace strata::fuzz

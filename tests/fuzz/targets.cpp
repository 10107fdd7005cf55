// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "ipc/files/store_files.hpp"
#include "tests/fuzz/directory_target.hpp"
#include "tests/fuzz/exercise.hpp"
#include "tests/fuzz/mutated_store.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/fuzz/text_target.hpp"
#include "tests/fuzz/wordnet_target.hpp"

namespace strata::fuzz {

namespace {

using Bytes = std::span<const std::uint8_t>;

std::shared_ptr<MutatedStores> stores(Areas areas) {
    return std::make_shared<MutatedStores>(load_images(STRATA_FUZZ_IMAGES), areas);
}

// Stores with changes in these areas, read.
template <Areas areas>
RunInput reading() {
    return [mutated = stores(areas)](Bytes input) {
        const StoreImage& image = mutated->apply(input);
        read_everything(mutated->base(), image);
        mutated->undo();
    };
}

// Stores with changes anywhere, taken over by a producer.
RunInput taking_over() {
    return [mutated = stores(everything)](Bytes input) {
        const StoreImage& image = mutated->apply(input);
        take_over(mutated->base(), image);
        mutated->recreate();
    };
}

// A control file of any bytes at all.
RunInput any_control() {
    return [mutated = stores(everything)](Bytes input) {
        const StoreImage& image = mutated->apply({});
        {
            std::ofstream file(mutated->base() / image.name / ipc::control_file_name,
                               std::ios::binary | std::ios::trunc);
            file.write(reinterpret_cast<const char*>(input.data()),
                       static_cast<std::streamsize>(input.size()));
        }
        read_everything(mutated->base(), image);
        mutated->recreate();
    };
}

constexpr std::array<Target, 10> all = {{
    {"control", "identity, mutable words, history, roots",
     reading<Area::identity | Area::cells | Area::statistics | Area::history | Area::root>},
    {"directory", "the trie of dimensions and their records",
     reading<Area::root | Area::directory | Area::record>},
    {"region", "headers of region files, sizes of all files",
     reading<Area::region_header | Area::statistics | Area::record>},
    {"index", "the tries of layers", reading<Area::index | Area::record>},
    {"layer", "headers, metadata and content of layers",
     reading<Area::layer | Area::metadata | Area::payload | Area::index>},
    {"takeover", "a producer takes a damaged store over", taking_over},
    {"bytes", "any bytes as control.mmap", any_control},
    {"wordnet", "the parser of WordNet's files", wordnet_target},
    {"mapped", "cursors over files of directories", directory_input_target},
    {"text", "names and numbers, from and for people", text_target},
}};

}  // namespace

std::span<const Target> targets() noexcept { return all; }

const Target* find_target(std::string_view name) noexcept {
    for (const Target& target : all) {
        if (target.name == name) return &target;
    }
    return nullptr;
}

}  // namespace strata::fuzz

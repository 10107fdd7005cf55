// SPDX-License-Identifier: Apache-2.0
// usage: fuzz_images FOLDER
// Builds the stores that fuzzing starts from, and writes their images.
#include <cstdio>
#include <filesystem>
#include <string>

#include "tests/fuzz/store_image.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using strata::test::mixed;
using strata::test::payload_of;

namespace {

Producer create(const test::TempStore& store, std::uint32_t retain = 0) {
    return Producer::create(store.name(), {.base_path = store.base(),
                                           .memory_limit = 8_MiB,
                                           .region_max_bytes = 1_MiB,
                                           .retain = retain});
}

// One dimension whose root entry is a lone layer; everything that a layer can have.
void fill_lone(const test::TempStore& store) {
    Producer producer = create(store);
    Batch batch = producer.batch();
    batch.put(1, "joy", std::as_bytes(std::span("bliss", 5)),
              {.frequency = 1.5, .keywords = {"emotion", "", "feeling"}, .alignment = 256});
    batch.crystallize();
}

// Array nodes: dense numbers, updates, retained generations, typed values, an empty dimension.
void fill_dense(const test::TempStore& store) {
    Producer producer = create(store, 4);
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 80; ++i) {
        batch.put({1, i}, payload_of(i, 0, 8 + i % 20),
                  {.frequency = static_cast<double>(i), .keywords = {"a", "key"}});
    }
    batch.add_dimension(14, "Security");
    batch.crystallize();
    for (std::uint64_t round = 1; round < 5; ++round) {
        batch.put({1, round * 7}, payload_of(round, round, 100));
        batch.erase({1, round * 9});
        batch.put_value({4, round}, round);
        const std::uint32_t values[] = {1, 2, 3};
        batch.put_values<std::uint32_t>({4, 70 + round}, values);
        batch.crystallize();
    }
}

// Bitmap nodes, all eleven levels: sparse numbers, names, dimensions far apart.
void fill_sparse(const test::TempStore& store) {
    Producer producer = create(store, 2);
    Batch batch = producer.batch();
    for (const Dimension dimension : {0U, 1U, 70U, 5000U, 1U << 20, 0xFFFF'FFFFU}) {
        for (std::uint64_t i = 0; i < (dimension == 1 ? 25U : 2U); ++i) {
            batch.put({dimension, mixed(dimension + i)}, payload_of(i, dimension, 20));
        }
    }
    batch.put({1, ~0ULL}, "the last");
    batch.put({1, ~0ULL - 1}, "the last but one");
    batch.put(1, "sorrow", std::as_bytes(std::span("tears", 5)), {.keywords = {"emotion"}});
    batch.crystallize();
    batch.erase({1, ~0ULL});
    batch.remove_dimension(70);
    batch.crystallize();
}

template <class Fill>
void make(const std::filesystem::path& folder, const char* name, Fill fill) {
    const test::TempStore store(name);
    fill(store);
    const fuzz::StoreImage image = fuzz::StoreImage::of_store(store.path());
    image.save(folder / (image.name + ".image"));
    std::printf("%s: %zu files, %zu layers, %zu words to change\n", name, image.files.size(),
                image.ids.size(), image.places.size());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: fuzz_images FOLDER\n");
        return 2;
    }
    std::filesystem::create_directories(argv[1]);
    make(argv[1], "lone", fill_lone);
    make(argv[1], "dense", fill_dense);
    make(argv[1], "sparse", fill_sparse);
}

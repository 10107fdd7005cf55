// SPDX-License-Identifier: Apache-2.0
// Bytes that change while they are read: a check that looks at shared memory twice would be fooled.
// A hostile process writes to the store's files without end; a reader ends in results or errors.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/fuzz/mutated_store.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using strata::test::Channel;
using strata::test::Child;

namespace {

// Words come and go between what they were and something else that looks like them.
[[noreturn]] void scribble(const std::filesystem::path& directory, const fuzz::StoreImage& image,
                           std::uint64_t seed) {
    std::vector<std::byte*> mapped;
    for (const fuzz::StoreImage::File& file : image.files) {
        const int fd = ::open((directory / file.name).c_str(), O_RDWR | O_CLOEXEC);
        void* const base = file.bytes.empty() ? nullptr
                                              : ::mmap(nullptr, file.bytes.size(),
                                                       PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        mapped.push_back(static_cast<std::byte*>(base));
        ::close(fd);
    }
    const fuzz::Areas areas = fuzz::Area::cells | fuzz::Area::history | fuzz::Area::directory |
                              fuzz::Area::index | fuzz::Area::layer | fuzz::Area::metadata |
                              fuzz::Area::record;
    std::vector<fuzz::Place> places;
    for (const fuzz::Place& place : image.places) {
        if ((static_cast<fuzz::Areas>(place.area) & areas) != 0) places.push_back(place);
    }
    test::Random random(seed);
    for (;;) {
        const fuzz::Place& place = places[random.below(places.size())];
        const fuzz::Place& other = places[random.below(places.size())];
        const std::string& sound = image.files[place.file].bytes;
        std::uint64_t was = 0;
        std::uint64_t word = 0;
        std::memcpy(&was, sound.data() + place.offset, 8);
        std::memcpy(&word, image.files[other.file].bytes.data() + other.offset, 8);
        auto* const target = reinterpret_cast<std::uint64_t*>(mapped[place.file] + place.offset);
        const std::uint64_t choices[] = {
            word, ~word, was + 64 * random.below(64), was | 0xFFFF, ~std::uint64_t{0}, 0};
        for (int i = 0; i < 20; ++i) {
            __atomic_store_n(target, choices[random.below(std::size(choices))], __ATOMIC_RELAXED);
            __atomic_store_n(target, was, __ATOMIC_RELAXED);
        }
    }
}

std::uint64_t read_all(const std::filesystem::path& base, const fuzz::StoreImage& image) {
    std::uint64_t layers = 0;
    fuzz::typed([&] {
        Consumer consumer =
            Consumer::attach(image.name, {.base_path = base, .keep_idle_pin = false});
        for (int i = 0; i < 20; ++i) {
            fuzz::typed([&] {
                const Snapshot snapshot = consumer.snapshot();
                (void)verify(snapshot);
                fuzz::typed([&] { (void)changes(Snapshot(), snapshot); });
                std::vector<Layer> found(image.ids.size());
                snapshot.find(image.ids, found);
                for (const Layer& layer : found) {
                    if (!layer) continue;
                    ++layers;
                    (void)layer.verify();
                    fuzz::typed([&] { (void)layer.name().size(); });
                    fuzz::typed([&] { (void)layer.keywords().size(); });
                }
                for (const DimensionInfo& info : snapshot.dimensions()) {
                    fuzz::typed([&] {
                        for (const Layer& layer : snapshot.dimension(info.dimension)) {
                            (void)layer.verify();
                            ++layers;
                        }
                    });
                    fuzz::typed([&] { ContextIndex(snapshot, info.dimension); });
                }
            });
        }
    });
    return layers;
}

}  // namespace

TEST_CASE("a store whose bytes change under its readers gives results or errors") {
    fuzz::MutatedStores stores(fuzz::load_images(STRATA_FUZZ_IMAGES), fuzz::everything);
    const char* const asked = std::getenv("STRATA_RACE_SECONDS");
    const std::chrono::seconds time(asked != nullptr ? std::atoi(asked) : 1);
    for (std::uint8_t number = 0; number < 3; ++number) {
        const std::vector<std::uint8_t> input = {number};
        const fuzz::StoreImage& image = stores.apply(input);
        CAPTURE(image.name);
        Child writer = Child::start([&](const Channel& channel) {
            channel.send(1);
            scribble(stores.base() / image.name, image, number);
        });
        REQUIRE(writer.receive() == 1);
        Child reader = Child::start([&](const Channel& channel) {
            std::uint64_t layers = 0;
            const auto end = std::chrono::steady_clock::now() + time;
            while (std::chrono::steady_clock::now() < end || layers == 0) {
                layers += read_all(stores.base(), image);
            }
            channel.send(layers);
        });
        CHECK(reader.receive() > 0);
        CHECK(reader.join() == "");
        CHECK(writer.kill_and_join() == "");
        stores.recreate();
    }
}

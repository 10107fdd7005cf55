// SPDX-License-Identifier: Apache-2.0
// verify() and inspect(): sound stores after churn, each kind of damage named, random damage
// bounded.
#include <algorithm>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

std::string content_of(const fs::path& file) {
    std::string bytes(fs::file_size(file), '\0');
    std::ifstream(file, std::ios::binary)
        .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

void overwrite(const fs::path& file, std::uint64_t offset, std::string_view bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(offset));
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A store without a producer: dense and sparse layers, named ones, aligned ones, one alone.
void fill(const TempStore& store) {
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 500; ++i) {
        batch.put({1, i}, payload_of(i, 1, i % 300), {.frequency = 1, .keywords = {"word"}});
        batch.put({2, i * 0x9E3779B97F4A7C15ULL}, "sparse");
    }
    batch.put(3, "alone", std::as_bytes(std::span(std::string_view("named"))), {.alignment = 4096});
    batch.add_dimension(4, "empty");
    batch.crystallize();
}

VerifyReport verified(const TempStore& store, const VerifyOptions& options = {}) {
    Consumer consumer = store.attach();
    return verify(consumer.snapshot(), options);
}

}  // namespace

TEST_CASE("a sound store has no failures, also after churn and beside a producer") {
    const TempStore store(TempStore::Regions::own);
    fill(store);
    std::uint64_t last = 0;
    unsigned calls = 0;
    const VerifyReport report = verified(store, {.progress = [&](const VerifyProgress& progress) {
                                             CHECK(progress.layers >= last);
                                             CHECK(progress.layers_total == 1001);
                                             last = progress.layers;
                                             ++calls;
                                         }});
    CHECK(report.ok());
    CHECK(report.generation == 2);
    CHECK(report.dimensions == 4);
    CHECK(report.layers == 1001);
    CHECK(last == 1001);
    CHECK(calls >= 1);

    Producer producer = store.open();
    Consumer consumer = store.attach();
    std::mt19937_64 random(7);
    for (int round = 0; round < 30; ++round) {
        Batch batch = producer.batch();
        for (int i = 0; i < 50; ++i) {
            const LayerId id{static_cast<Dimension>(1 + random() % 3),
                             random() % 2 == 0 ? random() % 600 : random()};
            if (random() % 3 == 0) {
                batch.erase(id);
            } else {
                batch.put(id, payload_of(id.layer, 2, random() % 5000));
            }
        }
        batch.crystallize();
        const VerifyReport now = verify(consumer.snapshot());
        CAPTURE(now.failure_count);
        REQUIRE(now.ok());
        REQUIRE(now.layers == consumer.snapshot().layer_count());
    }
    CHECK(verify(consumer.snapshot(), 3).dimensions == 1);
    CHECK(code_of([&] { static_cast<void>(verify(consumer.snapshot(), 99)); }) ==
          "dimension_not_found");
    CHECK(verify(Snapshot()).ok());
}

TEST_CASE("each kind of damage is named, with its file and layer") {
    const TempStore store(TempStore::Regions::own);
    fill(store);
    const fs::path region = store.file("region-1.mmap");
    const std::string bytes = content_of(region);
    const std::uint64_t payload = bytes.find(payload_of(299, 1, 299));
    REQUIRE(payload != std::string::npos);
    const std::uint64_t header = payload - sizeof(ipc::LayerHeader);
    struct Case {
        std::uint64_t offset;
        std::string_view bytes;
        const char* what;
    };
    const Case cases[] = {
        {payload, "?", "its checksum does not match"},
        {payload + 299 + 2, "?", "its checksum does not match"},     // the frequency
        {payload + 299 + 8, "\x07", "its checksum does not match"},  // bytes of metadata
        {payload + 299 + 11, "?", "its checksum does not match"},    // a keyword
        {header + offsetof(ipc::LayerHeader, layer), "?", "its header says layer"},
        {header + offsetof(ipc::LayerHeader, dimension), "\x09", "its header says dimension 9"},
        {header + offsetof(ipc::LayerHeader, shape) + 1, "?", "its header says"},
        {header + offsetof(ipc::LayerHeader, shape), "\xB3", "it is not aligned"},
        {header + offsetof(ipc::LayerHeader, shape), "\xBF", "it is not aligned"},
        {header + offsetof(ipc::LayerHeader, shape) + 3, "\xF6", "its checksum does not match"},
        {header + offsetof(ipc::LayerHeader, stamp), "?", "its checksum does not match"},
        {header + offsetof(ipc::LayerHeader, stamp) + 3, "\x7F", "its header says generation"},
    };
    for (const Case& item : cases) {
        CAPTURE(item.what);
        overwrite(region, item.offset, item.bytes);
        const VerifyReport report = verified(store);
        overwrite(region, item.offset, bytes.substr(item.offset, item.bytes.size()));
        CHECK(report.layers == 1001);  // the walk went on
        REQUIRE(report.failure_count == 1);
        const VerifyFailure& failure = report.failures[0];
        CHECK(failure.file == "region-1.mmap");
        CHECK(failure.dimension == Dimension{1});
        CHECK(failure.layer == std::uint64_t{299});
        CHECK(failure.offset == header);
        CHECK(failure.what.find(item.what) != std::string::npos);
    }
    REQUIRE(verified(store).ok());

    // A region's header, a region that is gone, one that is cut off.
    overwrite(region, 0, "?");
    VerifyReport report = verified(store);
    CHECK(report.failure_count == 1);
    CHECK(report.failures[0].file == "region-1.mmap");
    CHECK(report.layers == 501);
    overwrite(region, 0, bytes.substr(0, 1));
    fs::rename(region, store.base() / "away");
    CHECK(verified(store).failure_count == 1);
    fs::rename(store.base() / "away", region);
    fs::resize_file(region, 4096);
    CHECK(verified(store).failure_count == 1);
}

TEST_CASE("at most max_failures are remembered, all are counted") {
    const TempStore store(TempStore::Regions::own);
    fill(store);
    const fs::path region = store.file("region-2.mmap");
    std::string bytes = content_of(region);
    for (std::size_t at = bytes.find("sparse"); at != std::string::npos;
         at = bytes.find("sparse", at + 1)) {
        bytes[at] = 'S';
    }
    overwrite(region, 0, bytes);
    const VerifyReport report = verified(store, {.max_failures = 7});
    CHECK(report.failure_count == 500);
    CHECK(report.failures.size() == 7);
}

TEST_CASE("random damage is bounded and never crashes") {
    const TempStore store(TempStore::Regions::own);
    fill(store);
    std::mt19937_64 random(20240501);
    for (const auto& entry : fs::directory_iterator(store.path())) {
        const fs::path file = entry.path();
        const std::string bytes = content_of(file);
        // Behind the header page: what is in front of it is checked when attaching.
        for (int round = 0; bytes.size() > ipc::header_bytes && round < 60; ++round) {
            for (int i = 0; i < 20; ++i) {
                const std::uint64_t at =
                    ipc::header_bytes + random() % (bytes.size() - ipc::header_bytes);
                // Often something that looks like an index entry.
                std::uint64_t word =
                    random() % 3 == 0 ? random() : (random() % 65536) | random() % 4;
                word = random() % 4 == 0 ? ~std::uint64_t{0} : word;
                overwrite(file, at & ~std::uint64_t{7},
                          {reinterpret_cast<const char*>(&word), sizeof(word)});
            }
            try {
                const VerifyReport report = verified(store);
                CHECK(report.layers <= 1001);
                CHECK(report.failures.size() <= 100);
            } catch (const Error& error) {  // the root itself
                CHECK(error.code() == Errc::corrupt);
            }
            overwrite(file, 0, bytes);
        }
    }
    CHECK(verified(store).ok());
}

TEST_CASE("inspect, store_in_use and leftovers") {
    TempStore store("market");
    CHECK(list_stores(store.base()).empty());
    CHECK(list_stores(store.base() / "missing").empty());
    CHECK(code_of([&] { static_cast<void>(inspect("market", store.base())); }) ==
          "store_not_found");
    std::optional<Producer> producer(store.create());
    publish(*producer, {1, 1}, "one");
    publish(*producer, {2, 1}, "two");
    {
        Batch batch = producer->batch();
        batch.remove_dimension(2);
        batch.crystallize();
    }
    CHECK(list_stores(store.base()) == std::vector<std::string>{"market"});
    const StoreInfo info = inspect("market", store.base());
    CHECK(info.generation == 4);
    CHECK(info.layers == 1);
    CHECK(info.producer_pid == ::getpid());
    CHECK(info.readers.empty());
    CHECK(info.memory_limit == 64_MiB);
    const auto kind = [&](std::string_view name) {
        const auto found = std::find_if(info.files.begin(), info.files.end(),
                                        [&](const StoreFile& file) { return file.name == name; });
        return found == info.files.end() ? StoreFile::Kind::foreign : found->kind;
    };
    CHECK(kind("control.mmap") == StoreFile::Kind::control);
    CHECK(kind("producer.lock") == StoreFile::Kind::lock);
    CHECK(kind("region-1.mmap") == StoreFile::Kind::region);

    CHECK(store_in_use("market", store.base()) == true);
    producer.reset();
    CHECK(store_in_use("market", store.base()) == false);
    {
        const Consumer consumer = store.attach();  // no snapshot, no pin
        CHECK(inspect("market", store.base()).readers.empty());
        CHECK(store_in_use("market", store.base()) == true);
    }
    CHECK(store_in_use("market", store.base()) == false);

    const fs::path left = store.base() / ".other.new-17-42";
    fs::create_directory(left);
    std::ofstream(left / "producer.lock");
    const auto list = leftovers(store.base());
    REQUIRE(list.size() == 1);
    CHECK(list[0].store == "other");
    CHECK(list[0].creator_pid == 17);
    CHECK(list[0].in_use == false);
    CHECK(code_of([&] { remove_leftover(store.path()); }) == "invalid_argument");
    remove_leftover(left);
    CHECK(!fs::exists(left));
    CHECK(code_of([&] { remove_leftover(left); }) == "store_not_found");
}

// SPDX-License-Identifier: Apache-2.0
// Numbers that a user chooses, and numbers that shared bytes claim: taken up to the very bound,
// refused one step beyond it, with the reason in the error's text.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <string>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::ControlEditor;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

template <class Change>
std::string code_with(Change change) {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    change(options);
    return code_of([&] {
        Producer producer = Producer::create(store.name(), options);
        publish(producer, {1, 1}, "x");
    });
}

}  // namespace

TEST_CASE("options of a store are taken up to their bounds") {
    CHECK(code_with([](auto& o) { o.region_max_bytes = 64_KiB; }) == "no error");
    CHECK(code_with([](auto& o) { o.region_max_bytes = 60_KiB; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.region_max_bytes = 64_KiB + 1; }) == "invalid_argument");
    if (!strata::test::sanitized) {  // they cannot map as much
        CHECK(code_with([](auto& o) { o.region_max_bytes = max_region_bytes; }) == "no error");
    }
    CHECK(code_with([](auto& o) { o.memory_limit = 128_KiB + 16_KiB; }) == "no error");
    CHECK(code_with([](auto& o) { o.memory_limit = 128_KiB - 1; }) == "invalid_argument");
    CHECK(code_with([](auto& o) {
              o.region_max_bytes = 1_MiB;
              o.region_initial_bytes = 1_MiB;
          }) == "no error");
    CHECK(code_with([](auto& o) {
              o.region_max_bytes = 1_MiB;
              o.region_initial_bytes = 1_MiB + 1;
          }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.warning_threshold = 0; }) == "no error");
    CHECK(code_with([](auto& o) { o.warning_threshold = 1; }) == "no error");
    CHECK(code_with([](auto& o) { o.pool_shares = {0, 1, 0, 1}; }) == "no error");
    CHECK(code_with([](auto& o) { o.pool_shares[3] = 1.001; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.pool_shares[0] = -0.001; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.pool_shares[1] = std::numeric_limits<double>::quiet_NaN(); }) ==
          "invalid_argument");
    CHECK(code_with([](auto& o) { o.warning_threshold = -0.001; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.warning_threshold = 1.001; }) == "invalid_argument");
    CHECK(code_with([](auto& o) {
              o.warning_threshold = std::numeric_limits<double>::quiet_NaN();
          }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.retain = ~std::uint32_t{0}; }) == "no error");
    CHECK(code_with([](auto& o) { o.retain_for = std::chrono::hours(24); }) == "no error");
    CHECK(code_with([](auto& o) { o.retain_for = -std::chrono::nanoseconds(1); }) ==
          "invalid_argument");
}

TEST_CASE("options of a dimension are taken up to their bounds") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Dimension next = 1;
    const auto add = [&](const DimensionOptions& options) {
        return code_of([&] { producer.add_dimension(next++, options); });
    };
    CHECK(add({.max_bytes = 64_KiB}) == "no error");
    CHECK(add({.max_bytes = 60_KiB}) == "invalid_argument");
    CHECK(add({.max_bytes = 64_KiB + 1}) == "invalid_argument");
    CHECK(add({.max_bytes = TempStore::region_max_bytes}) == "no error");
    CHECK(add({.max_bytes = TempStore::region_max_bytes + 4096}) == "invalid_argument");
    CHECK(add({.initial_bytes = 2_MiB, .max_bytes = 1_MiB}) ==
          "no error");  // as much as it may have
    CHECK(std::filesystem::file_size(store.file("region-3.mmap")) == 1_MiB);
    CHECK(add({.name = std::string(max_dimension_name_bytes, 'n')}) == "no error");
    CHECK(add({.name = std::string(max_dimension_name_bytes + 1, 'n')}) == "invalid_argument");
    CHECK(store.attach().snapshot().dimension_count() == 4);
}

TEST_CASE("options of a layer are taken up to their bounds") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    const auto put = [&](std::uint64_t alignment) {
        return code_of([&] { batch.put({1, alignment}, "x", {.alignment = alignment}); });
    };
    for (const std::uint64_t alignment :
         std::initializer_list<std::uint64_t>{8, 16, 64, 128, 2048, 4096}) {
        CHECK(put(alignment) == "no error");
    }
    for (const std::uint64_t alignment :
         std::initializer_list<std::uint64_t>{0, 1, 4, 65, 96, 8192}) {
        CAPTURE(alignment);
        const auto error = error_of([&] { batch.put({1, 1}, "x", {.alignment = alignment}); });
        REQUIRE(error);
        CHECK(error->code() == Errc::invalid_argument);
        CHECK(error->detail().find("alignment " + std::to_string(alignment)) != std::string::npos);
    }
    batch.put(1, std::string(max_layer_name_bytes, 'n'), {});
    CHECK(code_of([&] { batch.put(1, std::string(max_layer_name_bytes + 1, 'n'), {}); }) ==
          "invalid_argument");
    CHECK(code_of([&] {
              (void)batch.loan({1, 1}, TempStore::region_max_bytes + 1);
          }) == "layer_too_large");
    CHECK(code_of([&] {
              (void)batch.loan({1, 1}, TempStore::region_max_bytes);
          }) == "layer_too_large");
    CHECK(batch.size() == 7);
    batch.crystallize();
    CHECK(store.attach().snapshot().layer_count() == 7);
}

TEST_CASE("a record that claims more than its own region may have is corrupt, file or no file") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        producer.add_dimension(1, {.max_bytes = 1_MiB});
        publish(producer, {1, 1}, "x");
    }
    const auto region = store.file("region-1.mmap");
    ControlEditor(store.path()).forge_record([](ipc::DimensionRecord& record) {
        record.committed_pages = 2_MiB / 4096;  // the store's other regions may have as much
    });
    for (const bool with_file : {false, true}) {
        CAPTURE(with_file);
        if (with_file) {
            std::filesystem::resize_file(region, 2_MiB);
        }
        const auto error = error_of([&] { (void)store.attach().snapshot().get({1, 1}); });
        REQUIRE(error);
        CHECK(error->code() == Errc::corrupt);
        CHECK(error->path() == region);
        CHECK(code_of([&] { store.open(); }) == "corrupt");
    }
}

TEST_CASE("who may write to a file although he must not is told by its mode") {
    const TempStore store(TempStore::Regions::own);
    { store.create(); }
    const auto control = store.file("control.mmap");
    REQUIRE(::chmod(control.c_str(), 0646) == 0);
    const auto error = error_of([&] { store.attach(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::not_trusted);
    CHECK(error->path() == control);
    CHECK(error->detail().find("mode 0646") != std::string::npos);
}

TEST_CASE("a base directory that cannot be made is named") {
    const TempStore store(TempStore::Regions::own);
    std::ofstream(store.base() / "file") << "x";
    for (const char* const below : {"file/base", "file/further/base"}) {
        ProducerOptions options = store.producer_options();
        options.base_path = store.base() / below;
        const auto error = error_of([&] { (void)Producer::create("market", options); });
        REQUIRE(error);
        CHECK(error->code() == Errc::not_trusted);  // ENOTDIR
        CHECK(error->path() == options.base_path);
        CHECK(error->detail() == "cannot make the base directory");
        CHECK(error->hint().starts_with((store.base() / "file").string() + " is no directory"));
    }
}

TEST_CASE("what has the name of a base directory and is none is named, and stays") {
    const TempStore store(TempStore::Regions::own);
    std::ofstream(store.base() / "file") << "x";
    std::filesystem::create_symlink(store.base() / "nothing", store.base() / "link");
    for (const char* const name : {"file", "link"}) {
        CAPTURE(name);
        ProducerOptions options = store.producer_options();
        options.base_path = store.base() / name;
        const auto error = error_of([&] { (void)Producer::create("market", options); });
        REQUIRE(error);
        CHECK(error->errno_value() == (std::string(name) == "file" ? ENOTDIR : EEXIST));
        CHECK(error->path() == options.base_path);
        CHECK(error->hint().starts_with(options.base_path.string() + " is no directory"));
    }
    CHECK(std::filesystem::is_regular_file(store.base() / "file"));
    CHECK(std::filesystem::is_symlink(store.base() / "link"));
    CHECK_FALSE(std::filesystem::exists(store.base() / "nothing"));
}

TEST_CASE("a base directory is made with its parents, and one that is there keeps its mode") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.base_path = store.base() / "a" / "b" / "base";
    { (void)Producer::create("market", options); }
    CHECK(inspect("market", options.base_path).generation == 1);
    std::filesystem::permissions(options.base_path, std::filesystem::perms::owner_all);
    { (void)Producer::create("other", options); }
    CHECK(std::filesystem::status(options.base_path).permissions() ==
          std::filesystem::perms::owner_all);
}

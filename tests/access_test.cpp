// SPDX-License-Identifier: Apache-2.0
// Who may open what: modes and groups of a store and of single dimensions, planted links, files in
// the reach of others. What needs a second user is in process_access_test.cpp.
#include <chrono>
#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace fs = std::filesystem;

namespace {

struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}
unsigned mode_of(const fs::path& path) { return status_of(path).st_mode & 07777U; }

class UmaskOf {
public:
    explicit UmaskOf(mode_t mask) : before_(::umask(mask)) {}
    UmaskOf(const UmaskOf&) = delete;
    UmaskOf& operator=(const UmaskOf&) = delete;
    ~UmaskOf() { ::umask(before_); }

private:
    mode_t before_;
};

std::string attach_and_read(const TempStore& store) {
    return code_of([&] { (void)store.attach().snapshot().get({1, 1}).text(); });
}

}  // namespace

TEST_CASE("files have the mode that was asked for, whatever the umask") {
    for (const mode_t mask : {0U, 022U, 077U, 0777U}) {
        for (const std::uint32_t mode : {0644U, 0640U, 0600U}) {
            CAPTURE(mask);
            CAPTURE(mode);
            const TempStore store(TempStore::Regions::own);
            ProducerOptions options = store.producer_options();
            options.access.mode = mode;
            const UmaskOf umask(mask);
            Producer producer = Producer::create(store.name(), options);
            publish(producer, {1, 1}, "usual");
            producer.add_dimension(2, {.access = FileAccess{.mode = 0600}});
            CHECK(mode_of(store.path()) == (mode | ((mode & 0444U) >> 2)));
            CHECK(mode_of(store.file("control.mmap")) == mode);
            CHECK(mode_of(store.file("producer.lock")) == 0600);
            CHECK(mode_of(store.file("region-1.mmap")) == mode);
            CHECK(mode_of(store.file("region-2.mmap")) == 0600);
        }
    }
}

TEST_CASE("a mode that lets others write, or keeps the owner out, is refused") {
    const TempStore store(TempStore::Regions::own);
    for (const std::uint32_t mode : {0666U, 0664U, 0622U, 0755U, 04644U, 0400U, 0044U, 0U}) {
        CAPTURE(mode);
        ProducerOptions options = store.producer_options();
        options.access.mode = mode;
        CHECK(code_of([&] { (void)Producer::create(store.name(), options); }) ==
              "invalid_argument");
    }
    CHECK(fs::is_empty(store.base()));
    Producer producer = store.create();
    CHECK(code_of([&] { producer.add_dimension(1, {.access = FileAccess{.mode = 0660}}); }) ==
          "invalid_argument");
    CHECK(store.region_files() == 0);
    CHECK(producer.add_dimension(1) == 2);
}

TEST_CASE("what its group or everybody may write to is not trusted") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "text");
    CHECK(attach_and_read(store) == "no error");
    for (const char* const name : {"", "control.mmap", "region-1.mmap"}) {
        CAPTURE(name);
        const fs::path path = store.path() / name;
        const unsigned usual = mode_of(path);
        for (const mode_t bit : {0020U, 0002U}) {
            REQUIRE(::chmod(path.c_str(), usual | bit) == 0);
            CHECK(attach_and_read(store) == "not_trusted");
        }
        REQUIRE(::chmod(path.c_str(), usual) == 0);
        CHECK(attach_and_read(store) == "no error");
    }
}

TEST_CASE("a file with a second name is refused, by readers and by the next producer") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "text");
    }
    for (const char* const name : {"control.mmap", "region-1.mmap"}) {
        CAPTURE(name);
        const fs::path other = store.base() / "planted";
        fs::create_hard_link(store.file(name), other);
        CHECK(attach_and_read(store) == "not_trusted");
        const auto error = error_of([&] { store.open(); });
        REQUIRE(error);
        CHECK(error->code() == Errc::not_trusted);
        CHECK(error->detail().find("2 names") != std::string::npos);
        fs::remove(other);
        CHECK(attach_and_read(store) == "no error");
        CHECK(code_of([&] { store.open(); }) == "no error");
    }
}

TEST_CASE("a symbolic link under a store's or a file's name leads nowhere") {
    const TempStore target(TempStore::Regions::own);
    {
        Producer producer = target.create();
        publish(producer, {1, 1}, "text");
    }
    const TempStore link;
    fs::create_directory_symlink(target.path(), link.path());
    CHECK(attach_and_read(link) == "not_a_store");
    CHECK(code_of([&] { link.open(); }) == "not_a_store");
    CHECK(code_of([&] { link.create(); }) == "store_exists");
    ProducerOptions replace = link.producer_options();
    replace.replace = true;
    CHECK(code_of([&] { (void)Producer::create(link.name(), replace); }) == "not_a_store");
    CHECK(code_of([&] { remove_store(link.name(), link.base()); }) != "no error");
    CHECK(attach_and_read(target) == "no error");

    const fs::path region = target.file("region-1.mmap");
    fs::rename(region, target.base() / "elsewhere");
    fs::create_symlink(target.base() / "elsewhere", region);
    CHECK(attach_and_read(target) == "not_trusted");
    CHECK(code_of([&] { target.open(); }) == "not_trusted");
    CHECK(error_of([&] { target.open(); })->detail() == "is a symbolic link");
    CHECK(error_of([&] { target.open(); })->path() == region);

    fs::remove(region);
    fs::rename(target.base() / "elsewhere", region);
    const fs::path control = target.file("control.mmap");
    fs::rename(control, target.base() / "elsewhere");
    fs::create_symlink(target.base() / "elsewhere", control);
    CHECK(error_of([&] { target.attach(); })->detail() == "is a symbolic link");
    CHECK(error_of([&] { target.attach(); })->path() == control);
    CHECK(code_of([&] { target.open(); }) == "not_trusted");
}

TEST_CASE("a dimension that moves to another file keeps its mode") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB, .access = FileAccess{.mode = 0640}});
    REQUIRE(::chmod(store.file("region-1.mmap").c_str(), 0600) == 0);  // by hand, later on
    const auto fill = [&](std::uint64_t layers, std::uint64_t version) {
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < layers; ++i) {
            batch.put({1, i}, payload_of(i, version, 20'000));
        }
        batch.crystallize();
    };
    fill(130, 0);
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();  // what it reaches does not become free
    for (std::uint64_t version = 1; version < 12; ++version) {
        fill(40, version);
    }
    REQUIRE(statistics(producer).relocations >= 1);
    unsigned regions = 0;
    for (const auto& entry : fs::directory_iterator(store.path())) {
        if (entry.path().filename().string().starts_with("region-")) {
            CHECK(mode_of(entry.path()) == 0600);
            ++regions;
        }
    }
    CHECK(regions == 2);
    CHECK(held.get({1, 0}).text() == payload_of(0, 0, 20'000));
    CHECK(consumer.snapshot().get({1, 0}).text() == payload_of(0, 11, 20'000));
}

TEST_CASE("a reader that owns the files leaves no trace in them, not even a time of access") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "text");
    }
    const auto age = [&](const fs::path& path) {
        // Older than the last change: so the file system would write down any access.
        const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 2, .tv_nsec = 0}};
        REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
    };
    std::vector<fs::path> files{store.path()};
    for (const auto& entry : fs::directory_iterator(store.path())) {
        files.push_back(entry.path());
    }
    for (const fs::path& path : files) {
        age(path);
    }
    const auto touched = [&] {
        std::string names;
        for (const fs::path& path : files) {
            const struct stat status = status_of(path);
            if (status.st_atim.tv_sec != 1 || status.st_mtim.tv_sec != 2) {
                names += path.filename().string() + " ";
            }
        }
        return names;
    };
    {
        Consumer consumer = store.attach();
        CHECK(consumer.snapshot().get({1, 1}).text() == "text");
        consumer.wait(2, std::chrono::milliseconds(1));
        CHECK(touched() == "");
        CHECK(verify(consumer.snapshot()).ok());
        (void)statistics(consumer);
    }
    (void)inspect(store.name(), store.base());
    (void)readers(store.name(), store.base());
    CHECK(touched() == "");
    (void)fs::exists(store.path());
}

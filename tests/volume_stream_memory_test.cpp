// SPDX-License-Identifier: Apache-2.0
// Memory is refused, also to libarchive and what it calls: that is never taken for damage, and
// nothing is left behind. The program has a malloc of its own, which fails when a test says so: for
// pieces of some size, since for want of a short string libarchive ends the process, and so does
// nlohmann_json for want of a little memory to destroy a document with.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <new>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/backup_setting.hpp"
#include "tests/support/process.hpp"
#include <strata/volume_stream.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

#if defined(__GLIBC__)
#define STRATA_OWN_MALLOC (!strata::test::sanitized)
#else
#define STRATA_OWN_MALLOC false
#endif

namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
thread_local std::uint64_t pieces_left = never;
thread_local bool refused = false;

/// The next `count` pieces of memory that this thread asks for succeed, the one after them fails.
struct RefusedMalloc {
    explicit RefusedMalloc(std::uint64_t count) {
        refused = false;
        pieces_left = count;
    }
    RefusedMalloc(const RefusedMalloc&) = delete;
    RefusedMalloc& operator=(const RefusedMalloc&) = delete;
    ~RefusedMalloc() { pieces_left = never; }
};

[[maybe_unused]] bool refuses(std::size_t bytes) noexcept {
    constexpr std::size_t least_bytes = 1024;
    if (bytes < least_bytes || pieces_left == never || pieces_left-- != 0) {
        return false;
    }
    pieces_left = never;
    refused = true;
    errno = ENOMEM;
    return true;
}

}  // namespace

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);

void* malloc(std::size_t bytes) { return refuses(bytes) ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) {
    return refuses(count * bytes) ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
    return refuses(bytes) ? nullptr : __libc_realloc(memory, bytes);
}
}
#endif

namespace {

struct MemorySetting : BackupSetting {
    fs::path folder = store.base() / "streams";
    fs::path stream = folder / "market.tar";

    explicit MemorySetting(StreamFormat format) {
        fs::create_directory(folder);
        Producer producer = store.create();
        publish(producer, {1, 1}, payload_of(1, 1, 3000));
        send(format);
    }
    void send(StreamFormat format) const {
        Consumer consumer = Consumer::attach(store.name(), {.base_path = store.base()});
        send_backup(consumer, stream, {.format = format, .threads = 1});
    }
};

/// Refuses each of the allocations of `work` in turn, until there is none left to refuse.
void refuse_each_allocation(const std::function<void()>& work,
                            const std::function<void(bool done)>& check) {
    STRATA_SKIP_IF(!STRATA_OWN_MALLOC, "the allocator is another one");
    for (std::uint64_t n = 0;; ++n) {
        CAPTURE(n);
        REQUIRE(n < 10'000);
        bool done = false;
        std::optional<Error> error;
        try {
            const RefusedMalloc refusing(n);
            work();
            done = true;
        } catch (const std::bad_alloc&) {
        } catch (const Error& thrown) {
            error = thrown;
        }
        if (error) {
            CAPTURE(std::string(error->what()));
            // zlib's own failure has no reason with it.
            CHECK((error->code() != Errc::corrupt ||
                   std::string(error->detail()).ends_with("gzip decompression failed")));
            CHECK(error->code() != Errc::format_version);
        }
        check(done);
        if (!refused) {
            CHECK(done);
            CHECK(n > 3);
            break;
        }
    }
}

}  // namespace

TEST_CASE("a receiver that gets no memory says so, and leaves nothing") {
    StreamFormat format = StreamFormat::tar;
    SUBCASE("tar") {}
    SUBCASE("tar.gz") { format = StreamFormat::tar_gz; }
    SUBCASE("tar.zst") { format = StreamFormat::tar_zst; }
    const MemorySetting setting(format);
    refuse_each_allocation([&] { receive_backup(setting.stream, setting.backups, {.threads = 1}); },
                           [&](bool done) {
                               if (fs::exists(setting.backups / "backup-00000001")) {
                                   CHECK(verify_backups(setting.backups).ok());
                               } else {
                                   CHECK(!done);
                               }
                               fs::remove_all(setting.backups);
                           });
}

TEST_CASE("a sender that gets no memory says so, and the file that was there stays") {
    StreamFormat format = StreamFormat::tar;
    SUBCASE("tar") {}
    SUBCASE("tar.gz") { format = StreamFormat::tar_gz; }
    SUBCASE("tar.zst") { format = StreamFormat::tar_zst; }
    const MemorySetting setting(format);
    const auto put_back = [&] { std::ofstream(setting.stream, std::ios::trunc) << "there before"; };
    put_back();
    refuse_each_allocation([&] { setting.send(format); },
                           [&](bool done) {
                               CHECK((content_of(setting.stream) == "there before") == !done);
                               put_back();
                           });
    setting.send(format);
    CHECK(receive_backup(setting.stream, setting.backups).made);
    CHECK(entries(setting.folder) == 1);
}

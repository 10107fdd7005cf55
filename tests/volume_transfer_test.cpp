// SPDX-License-Identifier: Apache-2.0
// What only makes transfers fast changes nothing else: the disk begins to write while an archive
// still grows, threads take turns at the batch of an import, pages are asked for before they are
// filled. Refused, the same comes about.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_transfer.hpp>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

using namespace strata;
using namespace strata::test;

namespace {

std::atomic<int> refused_with{0};  // 0: they are not refused
std::atomic<unsigned> begun{0};
std::atomic<unsigned> populated{0};

struct Refusing {
    explicit Refusing(int error) {
        refused_with = error;
        begun = 0;
        populated = 0;
    }
    Refusing(const Refusing&) = delete;
    Refusing& operator=(const Refusing&) = delete;
    ~Refusing() { refused_with = 0; }
};

}  // namespace

// The C library's names: the library under test calls these.
#if STRATA_OWN_SYSTEM_CALLS
extern "C" int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags) {
    ++begun;
    if (const int error = refused_with.load()) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_sync_file_range, fd, offset, bytes, flags));
}
extern "C" int madvise(void* at, std::size_t bytes, int advice) noexcept {
    if (advice == MADV_POPULATE_WRITE) {
        ++populated;
        if (const int error = refused_with.load()) {
            errno = error;
            return -1;
        }
    }
    return static_cast<int>(::syscall(SYS_madvise, at, bytes, advice));
}
#endif

namespace {

struct TempVolume {
    TempBase base;
    Volume volume = Volume::init({.base_path = base.path() / "v", .max_size = 32_MiB});
};

// Many small layers, some with names; and a few that one thread is busy with for a while.
void fill(Producer& producer) {
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < 1500; ++layer) {
        batch.put({1, layer * 3}, payload_of(1, layer, layer % 700), {.keywords = {"k"}});
        batch.put(2, "name " + std::to_string(layer), payload_of(2, layer, layer % 90));
    }
    for (std::uint64_t layer = 0; layer < 8; ++layer) {
        batch.put({3, layer}, payload_of(3, layer, (3 << 20) + layer), {.alignment = 4096});
        batch.put({4, layer}, payload_of(4, layer, layer == 5 ? 0 : 20'000 * layer + 1));
    }
    batch.crystallize();
}

}  // namespace

TEST_CASE("an archive of many layers is on its way to the disk before it is complete") {
    const TempStore from("from");
    Producer producer = from.create();
    fill(producer);
    const Snapshot snapshot = from.attach().snapshot();
    for (const int error : {0, ENOSYS}) {
        const TempVolume temp;
        const Refusing refusing(error);
        const TransferReport report = export_dimensions(snapshot, temp.volume, {.dimensions = {3}});
        CHECK(report.layers == 8);
        CHECK((begun >= 2) == calls_can_fail);  // of 24 MiB
        const ArchiveReader reader = ArchiveReader::open(temp.volume.archive_path(3));
        for (const ArchivedLayer& layer : reader.index().layers) {
            CHECK_NOTHROW(reader.verify(layer));
        }
    }
}

TEST_CASE("an import gives the same with any number of threads, and without its hints") {
    const TempStore from("from");
    Producer producer = from.create();
    fill(producer);
    const Snapshot snapshot = from.attach().snapshot();
    const TempVolume temp;
    export_dimensions(snapshot, temp.volume);
    for (const unsigned threads : {1U, 2U, 7U}) {
        for (const int error : {0, EINVAL}) {
            CAPTURE(threads);
            CAPTURE(error);
            const TempStore to("to");
            Producer target = to.create();
            const Refusing refusing(error);
            const TransferReport report = import_dimensions(
                target, temp.volume, {.dimensions = {1, 2, 3, 4}, .threads = threads});
            CHECK(report.layers == 3016);
            CHECK((populated > 0) == calls_can_fail);
            const Snapshot now = to.attach().snapshot();
            CHECK(now.digest() == snapshot.digest());
            CHECK(all_of(now) == all_of(snapshot));
            CHECK(verify(now).ok());
        }
    }
}

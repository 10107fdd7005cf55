// SPDX-License-Identifier: Apache-2.0
#include "bench/rows/volume_yardsticks.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <fcntl.h>
#include <span>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "bench/harness/machine.hpp"
#include "bench/harness/row.hpp"
#include "ipc/os.hpp"
#include "volume/sha256.hpp"
#include <strata/layer.hpp>

namespace strata::bench {

namespace {

namespace fs = std::filesystem;
using volume_impl::Sha256;

constexpr std::size_t step_bytes = 256 << 10;  // stays in a processor's own cache

/// `work(dimension)` for each of them, which says whether it succeeded.
template <class Work>
void in_parallel(Dimension dimensions, const Work& work) {
    std::atomic<Dimension> next{1};
    std::atomic<bool> failed{false};
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < std::min<std::size_t>(usable_cpus().size(), dimensions); ++i) {
            threads.emplace_back([&] {
                for (Dimension mine = next++; mine <= dimensions; mine = next++) {
                    if (!work(mine)) failed = true;
                }
            });
        }
    }
    if (failed) throw NotRun("a file cannot be read or written");
}

ipc::FileDescriptor fresh(const fs::path& directory, Dimension dimension) {
    return ipc::FileDescriptor(::open((directory / std::to_string(dimension)).c_str(),
                                      O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
}

ipc::FileDescriptor region_of(const Volume& volume, Dimension dimension) {
    return ipc::FileDescriptor(
        ::open((volume.archive_path(dimension) / "region.mmap").c_str(), O_RDONLY | O_CLOEXEC));
}

bool write_all(int fd, std::span<const std::byte> bytes) {
    return ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
}

/// Hashes what comes into `part(at, bytes)`, and calls `filled` of it.
template <class Part, class Filled>
bool hash_file(int fd, std::size_t bytes, const Part& part, const Filled& filled) {
    Sha256 sha;
    for (std::size_t at = 0; at < bytes; at += step_bytes) {
        const std::span<std::byte> room = part(at, std::min(step_bytes, bytes - at));
        if (::pread(fd, room.data(), room.size(), static_cast<off_t>(at)) !=
            static_cast<ssize_t>(room.size())) {
            return false;
        }
        sha.update(room);
        if (!filled(room)) return false;
    }
    sha.finish();
    return true;
}

std::size_t size_of(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

}  // namespace

void hash_and_write(const Snapshot& snapshot, Dimension dimensions, const fs::path& directory) {
    in_parallel(dimensions, [&](Dimension dimension) {
        Sha256 sha;
        const ipc::FileDescriptor file = fresh(directory, dimension);
        for (const Layer& layer : snapshot.in(dimension)) {
            sha.update(layer.bytes());
            if (!write_all(file.get(), layer.bytes())) return false;
        }
        sha.finish();
        return ::fdatasync(file.get()) == 0;
    });
}

void hash_archives_and_write(const Volume& volume, Dimension dimensions,
                             const fs::path& directory) {
    in_parallel(dimensions, [&](Dimension dimension) {
        const ipc::FileDescriptor from = region_of(volume, dimension);
        const ipc::FileDescriptor to = fresh(directory, dimension);
        std::vector<std::byte> buffer(step_bytes);
        return hash_file(
            from.get(), size_of(from.get()),
            [&](std::size_t, std::size_t bytes) { return std::span(buffer).first(bytes); },
            [&](std::span<const std::byte> bytes) { return write_all(to.get(), bytes); });
    });
}

void hash_archives_into_mappings(const Volume& volume, Dimension dimensions,
                                 const fs::path& directory) {
    in_parallel(dimensions, [&](Dimension dimension) {
        const ipc::FileDescriptor from = region_of(volume, dimension);
        const ipc::FileDescriptor to = fresh(directory, dimension);
        const std::size_t bytes = size_of(from.get());
        if (::posix_fallocate(to.get(), 0, static_cast<off_t>(bytes)) != 0) return false;
        void* const mapped =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, to.get(), 0);
        if (mapped == MAP_FAILED) return false;
        const std::span room(static_cast<std::byte*>(mapped), bytes);
        const bool done = hash_file(
            from.get(), bytes,
            [&](std::size_t at, std::size_t part) { return room.subspan(at, part); },
            [](std::span<const std::byte>) { return true; });
        ::munmap(mapped, bytes);
        return done;
    });
}

void settle(const fs::path& directory) {
    const ipc::FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::syncfs(fd.get()) != 0) throw NotRun("cannot be flushed");
}

}  // namespace strata::bench

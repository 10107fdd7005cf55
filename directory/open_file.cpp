// SPDX-License-Identifier: Apache-2.0
#include "directory/open_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "directory/directory_state.hpp"
#include "directory/failures.hpp"
#include "directory/preload.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

// The C library copies a large block through vector registers, a smaller one by `rep movsb`, which
// is what the kernel does for pread, and by a tenth to a sixth faster (glibc 2.36, Zen 4): unless
// source and target stand apart by other than whole cache lines.
void copy_large(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
    constexpr std::uintptr_t line = 64;
    constexpr std::size_t piece = 128 << 10;
    const auto apart =
        reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from);
    const std::size_t step = apart % line == 0 ? piece : bytes;
    for (std::size_t done = 0; done < bytes; done += step) {
        std::memcpy(to + done, from + done, std::min(step, bytes - done));
    }
}

FileKey key_of(std::string name, const ipc::os::FileIdentity& identity, ReadAdvice advice) {
    return {.name = std::move(name),
            .device = identity.status.device,
            .inode = identity.status.inode,
            .size = identity.status.size_bytes,
            .modified_ns = identity.modified_ns,
            .changed_ns = identity.changed_ns,
            .advice = advice};
}

OpenFile::OpenFile(std::shared_ptr<DirectoryState> directory, FileKey key, std::uint32_t owner)
    : owner_(std::move(directory)),
      directory_(owner_.get()),
      key_(std::move(key)),
      user_(owner),
      advice_(key_.advice) {}

OpenFile::~OpenFile() {
    if (place_.block != nullptr) {
        directory_->give_back(place_.block);
    }
}

std::string OpenFile::path() const { return directory_->path_of(name()); }

std::optional<MapFailure> OpenFile::map(const ipc::FileDescriptor& file, unsigned chunk_power,
                                        std::uint64_t most_mappings, bool survive_lost_bytes) {
    auto failure = chunks_.map(file, size(), chunk_power, most_mappings, path(),
                               survive_lost_bytes ? &lost : nullptr);
    if (!failure) {
        backing_ = Backing::mapped;
        if (advice() != ReadAdvice::normal) {
            advise(advice());
        }
    }
    return failure;
}

void OpenFile::advise(ReadAdvice advice) noexcept {
    advice_.store(advice, std::memory_order_relaxed);
    const ipc::os::Advice meant = advice_to_kernel(advice);
    if (backing_ == Backing::buffered) {
        ipc::os::advise_file(descriptor_.get(), 0, size(), meant);
    } else if (backing_ == Backing::mapped) {
        for_each_run(0, size(), [&](const ChunkMap::Run& run) {
            ipc::os::advise_mapping(run.begin, run.bytes, meant);
            return true;
        });
    }
}

bool OpenFile::take_place() noexcept {
    if (size() == 0) {
        return true;
    }
    const auto taken = directory_->take(static_cast<std::size_t>(size()));
    place_ = taken.value_or(FileArena::Place{});
    return taken.has_value();
}

std::optional<ReadFailure> OpenFile::load(const ipc::FileDescriptor& file) {
    backing_ = Backing::grouped;
    // What git calls racily clean: times are those of a tick of the clock, of 10 ms at most, on
    // some file systems of two seconds, and a number of a file is used again within one.
    constexpr std::int64_t settled_ns = 2'500'000'000;
    const std::int64_t age = ipc::os::realtime_ns() - std::max(key_.modified_ns, key_.changed_ns);
    shareable_ = age > settled_ns;
    if (size() == 0) {
        return std::nullopt;
    }
    const auto bytes = static_cast<std::size_t>(size());
    const auto got = ipc::os::read_up_to(file.get(), place_.bytes, bytes, 0);
    if (!got || got.value < bytes) {
        return ReadFailure{got.error};
    }
    return std::nullopt;
}

void OpenFile::keep_descriptor(ipc::FileDescriptor descriptor) noexcept {
    descriptor_ = std::move(descriptor);
    backing_ = Backing::buffered;
}

ChunkMap::Run OpenFile::run_at(std::uint64_t position) const noexcept {
    return backing_ == Backing::mapped ? chunks_.run_at(position)
                                       : ChunkMap::Run{place_.bytes + position, size() - position};
}

std::optional<ReadFailure> OpenFile::read_at(std::uint64_t position,
                                             std::span<std::byte> out) const {
    if (backing_ == Backing::buffered) {
        const auto got = ipc::os::read_up_to(descriptor_.get(), out.data(), out.size(), position);
        if (!got || got.value < out.size()) {
            return ReadFailure{got.error};
        }
        return std::nullopt;
    }
    std::byte* to = out.data();
    for_each_run(position, out.size(), [&](const ChunkMap::Run& run) {
        copy_bytes(to, run.begin, static_cast<std::size_t>(run.bytes));
        to += run.bytes;
        return true;
    });
    return std::nullopt;
}

ipc::os::Result<std::optional<std::uint64_t>> OpenFile::size_now() const {
    const auto now = backing_ == Backing::buffered ? ipc::os::identity(descriptor_.get())
                                                   : directory_->identity_of(name());
    if (!now) {
        return {std::nullopt, leads_nowhere(now.error) ? 0 : now.error};
    }
    if (now.value.status.device != key_.device || now.value.status.inode != key_.inode) {
        return {};
    }
    return {now.value.status.size_bytes};
}

void OpenFile::fail(std::string_view operation, const std::string& label, ReadFailure failure) {
    const std::optional<std::uint64_t> now = size_now().value;  // else it is not said
    const bool lost_before = lost.load(std::memory_order_relaxed) != 0 || failure.error == EFAULT;
    const bool bytes_are_lost = failure.error == 0 || failure.error == EFAULT ||
                                failure.error == EIO || (now && *now < size());
    if (bytes_are_lost && backing_ != Backing::grouped) {  // a copy is whole
        // Release, as in the handler of SIGBUS; partner: bytes_before_flag.
        lost.store(1, std::memory_order_release);
    }
    if (now && *now < size()) {
        throw Error({.code = Errc::truncated,
                     .operation = std::string(operation),
                     .path = label,
                     .detail = "was cut short while it is open: it has " + std::to_string(*now) +
                               " bytes now and had " + std::to_string(size()),
                     .hint = "write a new file and rename it into place instead; open it again",
                     .needed = size(),
                     .limit = *now});
    }
    if (failure.error != 0 && failure.error != EFAULT) {
        fail_file(failure.error, operation, label,
                  "cannot be read (a file of " + std::to_string(size()) + " bytes)");
    }
    if (now && !lost_before) {
        ipc::fail(Errc::truncated, operation, label,
                  "ends before its size of " + std::to_string(size()) + " bytes",
                  "files of /proc and /sys do not know theirs: they are no files to read in place");
    }
    if (now) {
        ipc::fail_errno(EIO, operation, label,
                        "has lost bytes: its disk fails, its file system is full (a hole of a "
                        "file in memory), or it was cut short and grew again (" +
                            std::to_string(*now) + " bytes)",
                        "see the kernel's log; open it again");
    }
    ipc::fail(Errc::truncated, operation, label,
              "has lost bytes (a file of " + std::to_string(size()) +
                  " bytes that has no name any more): it was cut short, or its disk fails",
              "open the file that has the name now");
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

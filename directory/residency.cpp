// SPDX-License-Identifier: Apache-2.0
#include "directory/residency.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "directory/failures.hpp"
#include "directory/open_file.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace os = ipc::os;

namespace {

int add_resident(Residency& sum, const std::byte* at, std::uint64_t bytes) {
    const auto resident = os::resident_bytes(at, bytes);
    sum.resident_bytes += resident.value;
    return resident.error;
}

// mincore(2) calls all pages resident, without a word, to who neither owns the file nor may write
// it.
bool kernel_tells(std::uint32_t owner, const DirectoryState& directory, const std::string& name) {
    const std::uint32_t user = os::effective_user();
    return user == 0 || user == owner || os::may_write_at(directory.descriptor().get(), name);
}

std::optional<Residency> ask_by_descriptor(const ipc::FileDescriptor& source,
                                           const DirectoryState& directory, const std::string& name,
                                           std::uint64_t offset, std::uint64_t size, int& error) {
    Residency result{.bytes = size};
    if (const auto pages = os::cached_pages(source.get(), offset, size)) {
        result.resident_bytes = pages.value.resident;
        result.dirty_bytes = pages.value.dirty;
        result.evicted_bytes = pages.value.evicted;
        result.exact = true;
        return result;
    }
    const auto identity = os::identity(source.get());
    if (!identity || !kernel_tells(identity.value.status.owner, directory, name)) {
        error = identity ? EPERM : identity.error;
        return std::nullopt;
    }
    constexpr std::uint64_t step = std::uint64_t{1} << 30;
    const std::uint64_t end = offset + size;
    for (std::uint64_t at = offset - offset % step; at < end; at += step) {
        const std::uint64_t bytes = std::min(step, end - at);
        const auto mapped = os::map_file(source.get(), at, bytes);
        if (!mapped) {
            error = mapped.error;
            return std::nullopt;
        }
        const std::uint64_t skipped = at < offset ? offset - at : 0;
        error = add_resident(result, mapped.value + skipped, bytes - skipped);
        os::unmap_file(mapped.value, bytes);
        if (error != 0) {
            return std::nullopt;
        }
    }
    return result;
}

// The file, if its name still leads to it.
ipc::FileDescriptor open_again(const OpenFile& file, int& error) {
    const DirectoryState& directory = file.directory();
    const auto is_same = [&](const os::Result<os::FileIdentity>& found) {
        error = !found ? found.error
                : found.value.status.device == file.key().device &&
                        found.value.status.inode == file.key().inode
                    ? 0
                    : ENOENT;
        return error == 0;
    };
    if (!is_same(directory.identity_of(file.name()))) {  // opening a device may have effects
        return {};
    }
    auto again = os::open_file(directory.descriptor().get(), file.name(), os::FileMode::read);
    if (!again) {
        error = again.error;
        return {};
    }
    return is_same(os::identity(again.value.get())) ? std::move(again.value)
                                                    : ipc::FileDescriptor();
}

[[noreturn]] void fail_unknown(int error, const std::string& path) {
    fail_file(error, "ask for residency", path,
              error == EPERM ? "cannot be known: the kernel tells the file's owner and who "
                               "may write it"
                             : "cannot be known");
}

}  // namespace

Residency residency_of(const OpenFile& from, bool in_place, std::uint64_t offset,
                       std::uint64_t size) {
    const DirectoryState& directory = from.directory();
    int error = 0;
    if (!in_place) {
        if (auto found =
                ask_by_descriptor(from.descriptor(), directory, from.name(), offset, size, error)) {
            return *found;
        }
        fail_unknown(error, from.path());
    }
    // The descriptor was closed.
    if (const auto again = open_again(from, error)) {
        if (auto found = ask_by_descriptor(again, directory, from.name(), offset, size, error)) {
            return *found;
        }
    }
    if (from.backing() == Backing::grouped) {  // what is in memory is a copy, not the file
        fail_unknown(error, from.path());
    }
    Residency result{.bytes = size};
    if (!kernel_tells(from.owner(), directory, from.name())) {
        fail_unknown(EPERM, from.path());
    }
    from.for_each_run(offset, size, [&](const ChunkMap::Run& run) {
        error = add_resident(result, run.begin, run.bytes);
        return error == 0;
    });
    if (error != 0) {
        fail_unknown(error, from.path());
    }
    return result;
}

Residency residency_of(DirectoryState& directory, std::string_view name) {
    os::FileIdentity identity;
    const std::string own_name(name);
    const auto file = directory.open_to_read("ask for residency", own_name, identity);
    if (identity.status.size_bytes == 0) {
        return {};
    }
    int error = 0;
    auto found = ask_by_descriptor(file, directory, own_name, 0, identity.status.size_bytes, error);
    if (!found) {
        fail_unknown(error, directory.path_of(name));
    }
    return *found;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

// SPDX-License-Identifier: Apache-2.0
#include "directory/failures.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "directory/file_arena.hpp"
#include "directory/mapping_budget.hpp"
#include "ipc/failure.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace {

using ipc::os::LimitUse;

std::string text_of(const std::optional<std::uint64_t>& limit) {
    return limit ? std::to_string(*limit) : "unlimited";
}

Errc code_of(int errno_value) noexcept {
    switch (errno_value) {
        case ENOENT:
        case ENOTDIR: return Errc::file_not_found;
        case EEXIST: return Errc::file_exists;
        case EMFILE:
        case ENFILE: return Errc::limit_exceeded;
        case ENAMETOOLONG: return Errc::invalid_name;
        case EISDIR: return Errc::invalid_argument;
        case EFBIG: return Errc::no_space;
        case ELOOP: return Errc::system;
        default: return ipc::errc_of(errno_value);
    }
}

}  // namespace

void check_file_name(std::string_view operation, std::string_view name) {
    constexpr std::size_t most = 255;  // NAME_MAX
    if (name.empty() || name.size() > most || name == "." || name == ".." ||
        name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
        ipc::fail(Errc::invalid_name, operation, ipc::quoted(name), "is no name of a file",
                  "names are 1 to 255 bytes without '/'; for a file elsewhere open its directory");
    }
}

bool leads_nowhere(int errno_value) noexcept {
    return errno_value == ENOENT || errno_value == ENOTDIR || errno_value == ELOOP ||
           errno_value == ENAMETOOLONG;
}

void fail_file(int errno_value, std::string_view operation, const std::string& path,
               std::string detail) {
    Error::Parts parts{.code = code_of(errno_value),
                       .operation = std::string(operation),
                       .path = path,
                       .detail = std::move(detail),
                       .errno_value = errno_value};
    if (errno_value == EMFILE) {
        const LimitUse use = ipc::os::descriptor_count();
        // More than the limit may be open, from before it was lowered.
        parts.detail += ": ulimit -n: " + text_of(use.limit) + ", all in use (" +
                        std::to_string(use.used) + " descriptors are open)";
        parts.hint = "close some, or raise `ulimit -n`; a mapped file keeps none";
        parts.needed = 1;
        parts.limit = use.limit.value_or(0);
        parts.current = use.used;
    } else if (errno_value == ENFILE) {
        parts.hint = "the whole system has too many open files; see fs.file-max";
    } else if (errno_value == EFBIG) {
        parts.hint = "see `ulimit -f`, and the largest file that the file system can have";
    }
    throw Error(std::move(parts));
}

namespace {

constexpr std::string_view fewer_mappings_hint =
    ", use a larger chunk_power, or a larger group_files_up_to for small files";

Error budget_failure(Error::Parts parts, std::uint64_t chunks, const MapAttempt& attempt) {
    const auto kernel_limit = ipc::os::mapping_limit();
    const std::uint64_t used = MappingBudget::used();
    parts.code = Errc::limit_exceeded;
    parts.detail += "; most_mappings: " + std::to_string(attempt.most_mappings) + ", " +
                    std::to_string(used) + " in use by directories of this process; " +
                    "vm.max_map_count: " + text_of(kernel_limit);
    parts.hint =
        (attempt.most_mappings < MappingBudget::most_of(kernel_limit)
             ? "raise the option most_mappings"
             : "raise vm.max_map_count (sysctl -w vm.max_map_count=" +
                   std::to_string(4 * kernel_limit.value_or(attempt.most_mappings)) + ")") +
        std::string(fewer_mappings_hint);
    parts.needed = chunks;
    parts.limit = attempt.most_mappings;
    parts.current = used;
    return Error(std::move(parts));
}

Error lock_failure(Error::Parts parts) {
    const LimitUse locked = ipc::os::locked_memory();
    parts.code = Errc::limit_exceeded;
    parts.detail += "; ulimit -l: " + text_of(locked.limit) + " bytes, " +
                    std::to_string(locked.used) + " in use, and the process locks what it maps";
    parts.hint = "raise `ulimit -l`, or end mlockall(MCL_FUTURE)";
    parts.limit = locked.limit.value_or(0);
    parts.current = locked.used;
    return Error(std::move(parts));
}

Error space_failure(Error::Parts parts, std::uint64_t chunks) {
    const LimitUse space = ipc::os::address_space();
    const LimitUse maps = ipc::os::mapping_count();
    parts.code = Errc::limit_exceeded;
    parts.detail += "; ulimit -v: " + text_of(space.limit) + " bytes, " +
                    std::to_string(space.used) +
                    " in use; vm.max_map_count: " + text_of(maps.limit) + ", " +
                    std::to_string(maps.used) + " in use";
    // The kernel allows itself and the C library a few more or fewer than it says.
    constexpr std::uint64_t slack = 16;
    const std::uint64_t map_limit = maps.limit.value_or(UINT64_MAX);
    if (space.limit && parts.needed > *space.limit - std::min(*space.limit, space.used)) {
        parts.limit = *space.limit;
        parts.current = space.used;
        parts.hint =
            "raise `ulimit -v`, or use a smaller chunk_power if address space is scattered";
    } else if (chunks > map_limit || maps.used + chunks + slack >= map_limit) {
        parts.needed = chunks;
        parts.limit = map_limit;
        parts.current = maps.used;
        parts.hint = "raise it (sysctl -w vm.max_map_count=" + std::to_string(4 * map_limit) + ")" +
                     std::string(fewer_mappings_hint);
    } else {
        parts.hint =
            "there is no free address space of that size: use a smaller chunk_power, or, if the "
            "file exceeds the address space of this machine, a BufferedDirectory";
    }
    return Error(std::move(parts));
}

}  // namespace

Error map_failure(const MapFailure& failure, const std::string& path, const MapAttempt& attempt) {
    const std::uint64_t chunk_size = std::uint64_t{1} << attempt.chunk_power;
    const std::uint64_t chunks = (attempt.size - 1) / chunk_size + 1;
    Error::Parts parts{.code = Errc::system,
                       .operation = "map",
                       .path = path,
                       .errno_value = failure.error,
                       .needed = attempt.size};
    parts.detail = "a file of " + std::to_string(attempt.size) + " bytes, chunk " +
                   std::to_string(failure.chunk + 1) + " of " + std::to_string(chunks) +
                   " (chunk_power " + std::to_string(attempt.chunk_power) + ": " +
                   std::to_string(chunk_size) + " bytes)";
    if (failure.budget_spent) {
        return budget_failure(std::move(parts), chunks, attempt);
    }
    switch (failure.error) {
        case EAGAIN: return lock_failure(std::move(parts));
        case ENOMEM: return space_failure(std::move(parts), chunks);
        case ENODEV:
            parts.hint = "its file system cannot map files: read it through a BufferedDirectory";
            break;
        default: break;
    }
    return Error(std::move(parts));
}

Error group_failure(const std::string& path, std::uint64_t size) {
    const std::uint64_t needed = FileArena::block_bytes(static_cast<std::size_t>(size));
    const LimitUse space = ipc::os::address_space();
    return Error({.code = Errc::limit_exceeded,
                  .operation = "group",
                  .path = path,
                  .detail = "there is no memory for a copy of " + std::to_string(size) +
                            " bytes, in a block of " + std::to_string(needed) +
                            "; ulimit -v: " + text_of(space.limit) + " bytes, " +
                            std::to_string(space.used) + " in use",
                  .hint = "raise `ulimit -v`, or set group_files_up_to to 0, so that it is mapped",
                  .errno_value = ENOMEM,
                  .needed = needed,
                  .limit = space.limit.value_or(0),
                  .current = space.used});
}

void fail_memory(std::string_view operation, const std::string& path, std::uint64_t needed,
                 std::string detail, std::string hint) {
    throw Error({.code = Errc::limit_exceeded,
                 .operation = std::string(operation),
                 .path = path,
                 .detail = std::move(detail),
                 .hint = std::move(hint),
                 .errno_value = ENOMEM,
                 .needed = needed});
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

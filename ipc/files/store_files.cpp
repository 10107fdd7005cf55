// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/store_files.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <utility>

#include "ipc/failure.hpp"
#include "strata/store.hpp"

namespace strata::ipc {

std::string region_file_name(std::uint64_t serial) {
    return std::string("region-").append(std::to_string(serial)).append(".mmap");
}

bool parse_region_file_name(std::string_view name, std::uint64_t& serial) {
    constexpr std::string_view prefix = "region-";
    constexpr std::string_view suffix = ".mmap";
    if (!name.starts_with(prefix) || !name.ends_with(suffix) ||
        name.size() <= prefix.size() + suffix.size()) {
        return false;
    }
    name.remove_prefix(prefix.size());
    name.remove_suffix(suffix.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), serial);
    return error == std::errc{} && end == name.data() + name.size();
}

std::string staging_prefix(std::string_view name) {
    std::string prefix(1, '.');
    prefix.append(name).append(".new-");
    return prefix;
}

void check_trust(const os::FileStatus& status, bool directory, const Trust& trust,
                 std::string_view operation, std::string_view path) {
    if (directory ? !status.is_directory : !status.is_regular) {
        fail(Errc::not_a_store, operation, path,
             directory ? "is not a directory" : "is not a regular file");
    }
    if (!trust.any_owner && status.owner != 0 && status.owner != trust.owner) {
        fail(Errc::not_trusted, operation, path,
             "owned by user " + std::to_string(status.owner) + ", expected user " +
                 std::to_string(trust.owner) + " or root",
             "if that user is meant to publish it, say so with trusted_owner");
    }
    constexpr std::uint32_t others_write = 0022;
    if ((status.mode & others_write) != 0) {
        char mode[16];
        std::snprintf(mode, sizeof(mode), "%04o", status.mode);
        fail(Errc::not_trusted, operation, path,
             std::string("mode ") + mode + " lets others than its owner write to it",
             "find out who did that; remove it or take the permission away (chmod go-w)");
    }
    // A second name may be in the reach of somebody who must not have this file, or was planted.
    if (!directory && status.links > 1) {
        fail(Errc::not_trusted, operation, path,
             "has " + std::to_string(status.links) + " names (hard links)",
             "find out who made them; remove the others");
    }
}

os::FileStatus trusted_status(const FileDescriptor& file, const Trust& trust,
                              std::string_view operation, std::string_view path) {
    const auto status = os::status(file.get());
    if (!status) {
        fail_errno(status.error, operation, path, "cannot read its status");
    }
    check_trust(status.value, false, trust, operation, path);
    return status.value;
}

std::string operation_on(std::string_view operation, std::string_view name) {
    std::string text(operation);
    return text.append(1, ' ').append(quoted(name));
}

namespace {

// Whether the name in the directory `base` is that of the directory with this status.
os::Result<bool> leads_to(int base, const std::string& name, const os::FileStatus& directory) {
    const auto named = os::status_at(base, name);
    if (!named) {
        return {false, named.error == ENOENT ? 0 : named.error};
    }
    return {named.value.inode == directory.inode && named.value.device == directory.device};
}

}  // namespace

std::string StoreDirectory::file(std::string_view file_name) const {
    std::string result;
    result.reserve(path.size() + 1 + file_name.size());
    return result.append(path).append(1, '/').append(file_name);
}

OptionalFile open_optional(const StoreDirectory& store, const char* name, bool writable,
                           const Trust& trust, std::string_view operation, std::string_view what) {
    auto file = writable ? os::open_write(store.directory.get(), name)
                         : os::open_read(store.directory.get(), name);
    if (file.error == ENOENT) {
        return {};
    }
    const std::string path = store.file(name);
    if (!file) {
        fail_errno(file.error, operation, path, std::string("cannot open ").append(what));
    }
    const os::FileStatus status = trusted_status(file.value, trust, operation, path);
    return {.file = std::move(file.value), .status = status};
}

StoreDirectory open_store_directory(const std::filesystem::path& base, std::string_view name,
                                    const Trust& trust, std::string_view operation) {
    check_store_name(name);
    StoreDirectory store;
    store.name = std::string(name);
    store.path = base.native();
    if (!store.path.empty() && store.path.back() != '/') {
        store.path += '/';
    }
    store.path += name;
    auto opened_base = os::open_directory(base.native());
    if (!opened_base) {
        fail_errno(
            opened_base.error, operation, base.string(), "cannot open the base directory",
            opened_base.error == ENOENT ? "is the producer running, and with this base path?" : "");
    }
    store.base = std::move(opened_base.value);
    auto directory = os::open_directory_at(store.base.get(), store.name);
    if (!directory) {
        if (directory.error == ENOENT) {
            fail_errno(ENOENT, operation, store.path, "no such store",
                       "start its producer, or wait for it (ConsumerOptions::wait_for_store)");
        }
        if (directory.error == ENOTDIR) {  // also what O_NOFOLLOW gives for a link to a directory
            fail(Errc::not_a_store, operation, store.path,
                 "is not a directory (links are refused)");
        }
        fail_errno(directory.error, operation, store.path, "cannot open the store's directory");
    }
    store.directory = std::move(directory.value);
    const auto status = os::status(store.directory.get());
    if (!status) {
        fail_errno(status.error, operation, store.path, "cannot read its status");
    }
    check_trust(status.value, true, trust, operation, store.path);
    store.status = status.value;
    return store;
}

os::Result<bool> is_named(const std::filesystem::path& base, std::string_view name,
                          const os::FileStatus& directory) {
    const auto opened = os::open_directory(base.native());
    if (!opened) {
        return {false, opened.error == ENOENT || opened.error == ENOTDIR ? 0 : opened.error};
    }
    return leads_to(opened.value.get(), std::string(name), directory);
}

os::Result<bool> is_replaced(const StoreDirectory& store, const FileDescriptor& control) {
    const auto file = os::status(control.get());
    if (file && file.value.links == 0) {
        return {true};
    }
    const auto own = os::status(store.directory.get());
    if (!file || !own) {
        return {false, file ? own.error : file.error};
    }
    const auto named = leads_to(store.base.get(), store.name, own.value);
    return {named && !named.value, named.error};
}

}  // namespace strata::ipc

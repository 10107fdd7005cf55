// SPDX-License-Identifier: Apache-2.0
// Temporary stores whose creators ended before giving them their name.
#include <algorithm>
#include <cerrno>
#include <charconv>

#include "ipc/failure.hpp"
#include "ipc/store_files.hpp"
#include "producer/producer_lock.hpp"
#include "producer/remove.hpp"
#include "strata/inspect.hpp"

namespace strata {

namespace {

// Takes `.NAME.new-PID-SALT` apart.
bool parse_staging_name(std::string_view entry, Leftover& leftover) {
    constexpr std::string_view infix = ".new-";
    const std::size_t at = entry.rfind(infix);
    if (!entry.starts_with('.') || at == std::string_view::npos || at < 2) {
        return false;
    }
    const std::string_view rest = entry.substr(at + infix.size());
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), leftover.creator_pid);
    leftover.store = std::string(entry.substr(1, at - 1));
    return error == std::errc{} && end != rest.data() + rest.size() && *end == '-';
}

// A creator locks as its first act; before that it has not even made the lock file.
std::optional<bool> creator_at_work(int directory) {
    const auto file = ipc::os::open_write(directory, ipc::lock_file_name);
    if (!file) {
        return file.error == ENOENT ? std::optional(false) : std::nullopt;
    }
    return ipc::os::find_lock(file.value.get(), ipc::os::LockType::exclusive, 0, 1).has_value();
}

std::uint64_t allocated_bytes(int directory) {
    std::uint64_t bytes = 0;
    for (const std::string& name : ipc::os::list_directory(directory).value) {
        bytes += ipc::os::status_at(directory, name).value.allocated_bytes;
    }
    return bytes;
}

}  // namespace

std::vector<Leftover> leftovers(const std::filesystem::path& base) {
    std::vector<Leftover> result;
    const auto opened = ipc::os::open_directory(base.string());
    if (opened.error == ENOENT) {
        return result;
    }
    const auto entries = opened ? ipc::os::list_directory(opened.value.get())
                                : ipc::os::Result<std::vector<std::string>>{{}, opened.error};
    if (!entries) {
        ipc::fail_errno(entries.error, "list leftovers", base.string(),
                        "cannot read the base directory");
    }
    for (const std::string& entry : entries.value) {
        Leftover leftover{.path = base / entry};
        if (!parse_staging_name(entry, leftover)) {
            continue;
        }
        if (const auto directory = ipc::os::open_directory_at(opened.value.get(), entry)) {
            leftover.in_use = creator_at_work(directory.value.get());
            leftover.allocated_bytes = allocated_bytes(directory.value.get());
        } else if (directory.error != EACCES) {
            continue;  // gone this moment, or no directory
        }
        result.push_back(std::move(leftover));
    }
    std::sort(result.begin(), result.end(),
              [](const Leftover& a, const Leftover& b) { return a.path < b.path; });
    return result;
}

void remove_leftover(const std::filesystem::path& path) {
    const std::string operation = "remove leftover";
    const std::string entry = path.filename().string();
    Leftover leftover;
    if (!parse_staging_name(entry, leftover)) {
        ipc::fail(Errc::invalid_argument, operation, path.string(),
                  "is not the name of a temporary store");
    }
    const auto base = ipc::os::open_directory(path.parent_path().string());
    const auto directory = base ? ipc::os::open_directory_at(base.value.get(), entry)
                                : ipc::os::Result<ipc::FileDescriptor>{{}, base.error};
    if (!directory) {
        ipc::fail_errno(directory.error, operation, path.string(), "cannot open it");
    }
    const std::optional<bool> at_work = creator_at_work(directory.value.get());
    if (at_work == std::nullopt) {
        ipc::fail_errno(EACCES, operation, path.string(), "cannot look at its lock");
    }
    if (*at_work) {
        ipc::fail(Errc::producer_active, operation, path.string(),
                  "process " + std::to_string(leftover.creator_pid) + " is just creating it");
    }
    const int error = producer_impl::remove_store_directory(base.value.get(), entry);
    if (error != 0) {
        ipc::fail_errno(error, operation, path.string(), "cannot remove all of it");
    }
}

}  // namespace strata

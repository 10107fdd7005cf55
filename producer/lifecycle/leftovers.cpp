// SPDX-License-Identifier: Apache-2.0
// Temporary stores whose makers ended before giving them their name. Two kinds: a store itself
// under a hidden name (create, remove), and a hidden directory that a restore builds a store in.
#include "strata/leftovers.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "ipc/failure.hpp"
#include "ipc/files/stage_name.hpp"
#include "ipc/files/store_files.hpp"
#include "producer/lifecycle/producer_lock.hpp"
#include "producer/lifecycle/remove.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

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

/// Whether its creator still works on it; `error`: why that is unknown.
struct AtWork {
    std::optional<bool> answer;
    int error = 0;
};

// A creator locks as its first act; before that it has not even made the lock file.
AtWork creator_at_work(const ipc::FileDescriptor& directory) {
    const auto file = ipc::os::open_write(directory.get(), ipc::lock_file_name);
    if (!file) {
        return file.error == ENOENT ? AtWork{false, 0} : AtWork{std::nullopt, file.error};
    }
    const auto lock = ipc::os::find_lock(file.value.get(), ipc::os::LockType::exclusive, 0, 1);
    return lock ? AtWork{lock.value.has_value(), 0} : AtWork{std::nullopt, lock.error};
}

// What may not be opened as a directory has to be none by another call's word, too.
bool is_no_directory(const ipc::FileDescriptor& base, const std::string& entry) {
    const auto status = ipc::os::status_at(base.get(), entry);
    return status ? !status.value.is_directory : status.error == ENOENT;
}

/// Whether a stage is being created at this moment and is not locked yet: to be asked after the
/// stage was seen, and before its own lock is. See volume/staged_directory.hpp.
AtWork stage_being_made(const ipc::FileDescriptor& base) {
    const auto lock = ipc::os::find_lock(base.get(), ipc::os::LockType::exclusive, 0, 1);
    return lock ? AtWork{lock.value.has_value(), 0} : AtWork{std::nullopt, lock.error};
}

AtWork restore_at_work(const AtWork& being_made, const ipc::FileDescriptor& stage) {
    const auto lock = ipc::os::find_lock(stage.get(), ipc::os::LockType::exclusive, 0, 1);
    if (!lock) {
        return {std::nullopt, lock.error};
    }
    return lock.value ? AtWork{true, 0} : being_made;
}

// A stage may be an archive's or a backup's as well: those are for others to clear up.
bool holds_store(const std::vector<std::string>& entries, std::string_view store) {
    return std::all_of(entries.begin(), entries.end(), [&](const std::string& entry) {
        return entry == store || entry.starts_with(ipc::staging_prefix(store));
    });
}

// For people: what cannot be read, or went meanwhile, is not counted.
std::uint64_t allocated_bytes(const ipc::FileDescriptor& directory) {
    std::uint64_t bytes = 0;
    for (const std::string& name : ipc::os::list_directory(directory.get()).value) {
        bytes += ipc::os::status_at(directory.get(), name).value.allocated_bytes;
    }
    return bytes;
}

std::uint64_t allocated_bytes_of_stage(const ipc::FileDescriptor& stage,
                                       const std::vector<std::string>& entries) {
    std::uint64_t bytes = 0;
    for (const std::string& entry : entries) {
        if (const auto store = ipc::os::open_directory_at(stage.get(), entry)) {
            bytes += allocated_bytes(store.value);
        }
    }
    return bytes;
}

bool parse_stage_name(std::string_view entry, Leftover& leftover) {
    leftover.store = std::string(ipc::stage_name_of(entry));
    return !leftover.store.empty();
}

/// What is known of a hidden entry of `base`; nullopt: it is no temporary store, or is gone.
std::optional<Leftover> look_at(const std::filesystem::path& base,
                                const ipc::FileDescriptor& base_directory, const std::string& entry,
                                const AtWork& being_made) {
    Leftover leftover{.path = base / entry};
    const bool restored = parse_stage_name(entry, leftover);
    if (!restored && !parse_staging_name(entry, leftover)) {
        return std::nullopt;
    }
    const auto directory = ipc::os::open_directory_at(base_directory.get(), entry);
    if (directory.error == ENOENT ||
        (directory.error == ENOTDIR && is_no_directory(base_directory, entry))) {
        return std::nullopt;  // gone this moment, or no directory
    }
    if (directory && !restored) {
        leftover.in_use = creator_at_work(directory.value).answer;
        leftover.allocated_bytes = allocated_bytes(directory.value);
    }
    if (directory && restored) {
        leftover.in_use = restore_at_work(being_made, directory.value).answer;
        const auto entries = ipc::os::list_directory(directory.value.get());
        if (entries && !holds_store(entries.value, leftover.store)) {
            return std::nullopt;
        }
        leftover.allocated_bytes = allocated_bytes_of_stage(directory.value, entries.value);
    }
    return leftover;
}

int remove_stage(const ipc::FileDescriptor& base, const std::string& stage,
                 const ipc::FileDescriptor& directory, const std::vector<std::string>& entries) {
    for (const std::string& entry : entries) {
        if (const int error = producer_impl::remove_store_directory(directory, entry)) {
            return error;
        }
    }
    return ipc::os::remove_directory(base.get(), stage);
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
    const AtWork being_made = stage_being_made(opened.value);
    for (const std::string& entry : entries.value) {
        if (auto leftover = look_at(base, opened.value, entry, being_made)) {
            result.push_back(std::move(*leftover));
        }
    }
    std::sort(result.begin(), result.end(),
              [](const Leftover& a, const Leftover& b) { return a.path < b.path; });
    return result;
}

void remove_leftover(const std::filesystem::path& path) {
    const std::string operation = "remove leftover";
    const std::string entry = path.filename().string();
    Leftover leftover;
    const bool restored = parse_stage_name(entry, leftover);
    if (!restored && !parse_staging_name(entry, leftover)) {
        ipc::fail(Errc::invalid_argument, operation, path.string(),
                  "is not the name of a temporary store");
    }
    const auto base = ipc::os::open_directory(path.parent_path().string());
    const auto directory = base ? ipc::os::open_directory_at(base.value.get(), entry)
                                : ipc::os::Result<ipc::FileDescriptor>{{}, base.error};
    if (!directory) {
        ipc::fail_errno(directory.error, operation, path.string(), "cannot open it");
    }
    const ipc::FileDescriptor& at = directory.value;
    const AtWork at_work =
        restored ? restore_at_work(stage_being_made(base.value), at) : creator_at_work(at);
    if (!at_work.answer) {
        ipc::fail_errno(at_work.error, operation, path.string(), "cannot look at its lock");
    }
    if (*at_work.answer) {
        ipc::fail(Errc::producer_active, operation, path.string(),
                  restored
                      ? "it is just being restored"
                      : "process " + std::to_string(leftover.creator_pid) + " is just creating it");
    }
    const auto entries =
        restored ? ipc::os::list_directory(at.get()) : ipc::os::Result<std::vector<std::string>>{};
    if (!entries) {
        ipc::fail_errno(entries.error, operation, path.string(), "cannot be listed");
    }
    if (!holds_store(entries.value, leftover.store)) {
        ipc::fail(Errc::invalid_argument, operation, path.string(),
                  "is something else that was half made, no store",
                  "`strata volume clean` removes what is left of archives and backups");
    }
    const int error = restored ? remove_stage(base.value, entry, at, entries.value)
                               : producer_impl::remove_store_directory(base.value, entry);
    if (error != 0) {
        ipc::fail_errno(error, operation, path.string(), "cannot remove all of it");
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

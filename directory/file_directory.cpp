// SPDX-License-Identifier: Apache-2.0
#include "strata/file_directory.hpp"

#include <algorithm>
#include <cerrno>

#include "directory/directory_state.hpp"
#include "directory/failures.hpp"
#include "directory/output_file.hpp"
#include "directory/residency.hpp"
#include "directory/unpublished.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;

FileDirectory::FileDirectory(std::shared_ptr<detail::DirectoryState> state) noexcept
    : state_(std::move(state)) {}
FileDirectory::~FileDirectory() = default;
FileDirectory::FileDirectory(const FileDirectory&) noexcept = default;
FileDirectory& FileDirectory::operator=(const FileDirectory&) noexcept = default;

const std::filesystem::path& FileDirectory::path() const noexcept { return state_->path(); }

std::vector<FileEntry> FileDirectory::list() const {
    const auto names = os::list_directory(state_->descriptor().get());
    if (!names) {
        detail::fail_file(names.error, "list", path().string(), "cannot be read");
    }
    std::vector<FileEntry> files;
    for (const std::string& name : names.value) {
        // Gone meanwhile, a link to nowhere, or to where one may not look: not there.
        const auto found = state_->identity_of(name);
        if (!found && !detail::leads_nowhere(found.error) && found.error != EACCES) {
            detail::fail_file(found.error, "list", state_->path_of(name), "cannot be looked at");
        }
        if (found && found.value.status.is_regular && !detail::is_unpublished(name)) {
            files.push_back({name, found.value.status.size_bytes});
        }
    }
    std::sort(files.begin(), files.end(),
              [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
    return files;
}

std::uint64_t FileDirectory::size(std::string_view name) const {
    detail::check_file_name("look at", name);
    const auto found = state_->identity_of(std::string(name));
    if (!found) {
        detail::fail_file(found.error, "look at", state_->path_of(name), "has no size");
    }
    if (!found.value.status.is_regular) {
        ipc::fail(Errc::invalid_argument, "look at", state_->path_of(name), "is no regular file");
    }
    return found.value.status.size_bytes;
}

bool FileDirectory::exists(std::string_view name) const {
    detail::check_file_name("look at", name);
    const auto found = state_->identity_of(std::string(name));
    if (!found && !detail::leads_nowhere(found.error)) {
        detail::fail_file(found.error, "look at", state_->path_of(name), "cannot be looked at");
    }
    return found && found.value.status.is_regular;
}

MappedInput FileDirectory::open(std::string_view name, const OpenOptions& options) const {
    return state_->open(name, options);
}

void FileDirectory::rename(std::string_view from, std::string_view to,
                           ExistingFile existing) const {
    detail::check_file_name("rename", from);
    detail::check_file_name("rename", to);
    const std::string old_name(from);
    const std::string new_name(to);
    const ipc::FileDescriptor& directory = state_->descriptor();
    const auto renamed = os::status_at(directory.get(), old_name);
    if (renamed && renamed.value.is_directory) {
        ipc::fail(Errc::invalid_argument, "rename", state_->path_of(from), "is a directory");
    }
    const int error =
        !renamed ? renamed.error
        : existing == ExistingFile::replace
            ? os::rename_over(directory.get(), old_name, new_name)
            : os::rename_at(directory.get(), old_name, new_name, os::RenameMode::no_replace);
    if (error != 0) {
        detail::fail_file(error, "rename", state_->path_of(from),
                          "cannot be renamed to " + ipc::quoted(to));
    }
}

void FileDirectory::remove(std::string_view name) const {
    detail::check_file_name("remove", name);
    if (const int error = os::remove_file(state_->descriptor().get(), std::string(name))) {
        detail::fail_file(error, "remove", state_->path_of(name), "cannot be removed");
    }
}

void FileDirectory::sync() const {
    if (const int error = os::sync_directory(state_->descriptor().get())) {
        detail::fail_file(error, "sync", path().string(), "names are not known to be durable");
    }
}

void FileDirectory::sync(std::span<const std::string> names) const {
    for (const std::string& name : names) {
        os::FileIdentity identity;
        const auto file = state_->open_to_read("sync", name, identity);
        if (const int error = os::sync_all(file.get())) {
            detail::fail_file(error, "sync", state_->path_of(name), "is not known to be durable");
        }
    }
    sync();
}

std::size_t FileDirectory::remove_unpublished(std::chrono::seconds not_written_for) const {
    const auto names = os::list_directory(state_->descriptor().get());
    if (!names) {
        detail::fail_file(names.error, "list", path().string(), "cannot be read");
    }
    constexpr std::int64_t second_ns = 1'000'000'000;
    const std::int64_t newest_second = os::realtime_ns() / second_ns - not_written_for.count();
    std::size_t removed = 0;
    for (const std::string& name : names.value) {
        if (!detail::is_unpublished(name)) {
            continue;
        }
        const auto found = state_->identity_of(name);
        if (!found && !detail::leads_nowhere(found.error)) {
            detail::fail_file(found.error, "remove", state_->path_of(name), "cannot be looked at");
        }
        if (!found || !found.value.status.is_regular ||
            found.value.modified_ns / second_ns > newest_second) {
            continue;
        }
        const int error = os::remove_file(state_->descriptor().get(), name);
        if (error != 0 && error != ENOENT) {  // published or removed meanwhile
            detail::fail_file(error, "remove", state_->path_of(name), "cannot be removed");
        }
        removed += error == 0 ? 1 : 0;
    }
    return removed;
}

FileOutput FileDirectory::create(std::string_view name) const {
    return FileOutput(detail::OutputFile::create(state_, name));
}

FileOutput FileDirectory::append(std::string_view name) const {
    return FileOutput(detail::OutputFile::append(state_, name));
}

FileOutput FileDirectory::replace(std::string_view name) const {
    return FileOutput(detail::OutputFile::replace(state_, name));
}

void FileDirectory::write_file(std::string_view name, std::span<const std::byte> bytes) const {
    FileOutput out = replace(name);
    out.write(bytes);
    out.publish();
}

Residency FileDirectory::residency(std::string_view name) const {
    return detail::residency_of(*state_, name);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

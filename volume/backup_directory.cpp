// SPDX-License-Identifier: Apache-2.0
#include "volume/backup_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <span>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/stage_name.hpp"
#include "ipc/os/named_files.hpp"
#include "volume/failures.hpp"
#include "volume/sha256.hpp"
#include "volume/staged_directory.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

namespace {

constexpr std::string_view folder_prefix = "backup-";

std::string read_text(const std::filesystem::path& directory, const char* name,
                      std::uint64_t most_bytes, std::string_view operation) {
    const std::filesystem::path path = directory / name;
    const auto opened = os::open_directory(directory.string());
    const auto file = opened ? os::open_read(opened.value.get(), name)
                             : os::Result<ipc::FileDescriptor>{{}, opened.error};
    if (!file) {
        fail_file(file.error, operation, path, "cannot be opened");
    }
    const auto status = os::status(file.value.get());
    if (!status) {
        fail_file(status.error, operation, path, "cannot be looked at");
    }
    if (!status.value.is_regular) {
        ipc::fail(Errc::not_trusted, operation, path.string(), "is no regular file");
    }
    if (status.value.size_bytes > most_bytes) {
        fail_limit(operation, path, "has " + std::to_string(status.value.size_bytes) + " bytes",
                   status.value.size_bytes, most_bytes, "is it the file of a backup?");
    }
    std::string text(static_cast<std::size_t>(status.value.size_bytes), '\0');
    const auto done = os::read_up_to(file.value.get(), text.data(), text.size(), 0);
    if (!done) {
        fail_file(done.error, operation, path, "cannot be read");
    }
    text.resize(done.value);
    return text;
}

}  // namespace

std::string backup_folder(std::uint64_t number) {
    char digits[24];
    std::snprintf(digits, sizeof(digits), "%08llu", static_cast<unsigned long long>(number));
    return std::string(folder_prefix) + digits;
}

std::uint64_t backup_number(const std::string& folder) noexcept {
    std::uint64_t number = 0;
    if (folder.starts_with(folder_prefix)) {
        std::from_chars(folder.data() + folder_prefix.size(), folder.data() + folder.size(),
                        number);
    }
    return number != 0 && backup_folder(number) == folder ? number : 0;
}

// Nobody else may read it: the store may have been for few.
void make_backup_directory(const std::filesystem::path& directory, std::string_view operation) {
    constexpr std::uint32_t mode = 0700;
    const std::filesystem::path place = absolute_place(directory, operation);
    const std::filesystem::path parent = place.parent_path();
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) {
        fail_file(error.value(), operation, parent, "cannot be made");
    }
    const int made = os::create_directory(place.string(), mode);
    if (made == EEXIST) {
        return;
    }
    const auto above = os::open_directory(parent.string());
    const int sync_error = above ? os::sync_directory(above.value.get()) : above.error;
    if (const int failed = made != 0 ? made : sync_error) {
        fail_file(failed, operation, directory, "cannot be made");
    }
}

void remove_unfinished_backups(const std::filesystem::path& directory, std::string_view operation) {
    remove_abandoned_stages(directory, operation, [](const std::string& stage) {
        return backup_number(std::string(ipc::stage_name_of(stage))) != 0;
    });
}

Sha256Digest check_manifest(std::string_view text, std::string_view checksum_file,
                            const std::filesystem::path& path, std::string_view operation) {
    const Sha256Digest checksum = sha256_of(text);
    const auto wanted =
        parse_checksum("sha256:" + std::string(checksum_file.substr(0, checksum_file.find(' '))));
    if (!wanted || *wanted != checksum) {
        fail_corrupt(operation, path,
                     "does not have the checksum in " + std::string(manifest_checksum_name));
    }
    return checksum;
}

BackupDirectory::BackupDirectory(std::filesystem::path path, std::string_view operation)
    : path_(std::move(path)), operation_(operation) {
    const auto opened = os::open_directory(path_.string());
    if (!opened) {
        fail_file(opened.error, operation_, path_, "cannot be opened");
    }
    const auto names = os::list_directory(opened.value.get());
    if (!names) {
        fail_file(names.error, operation_, path_, "cannot be listed");
    }
    for (const std::string& name : names.value) {
        if (const std::uint64_t number = backup_number(name); number != 0) {
            numbers_.push_back(number);
        }
    }
    std::ranges::sort(numbers_);
}

void BackupDirectory::add_unpublished(std::uint64_t number, std::filesystem::path path) {
    unpublished_ = number;
    unpublished_path_ = std::move(path);
    const auto at = std::ranges::lower_bound(numbers_, number);
    if (at == numbers_.end() || *at != number) {
        numbers_.insert(at, number);
    }
}

BackupDirectory::Loaded BackupDirectory::read_changed(std::uint64_t number) const {
    const std::filesystem::path folder = backup_path(number);
    const std::filesystem::path path = folder / manifest_name;
    const std::string text = read_text(folder, manifest_name, max_manifest_bytes, operation_);
    const std::string said =
        read_text(folder, manifest_checksum_name, max_checksum_bytes, operation_);
    const Sha256Digest checksum = check_manifest(text, said, path, operation_);
    BackupManifest manifest = parse_manifest(text, path);
    if (manifest.number != number) {
        fail_corrupt(operation_, path,
                     "is the manifest of backup " + std::to_string(manifest.number),
                     "the folder must be " + backup_folder(manifest.number));
    }
    return {std::move(manifest), checksum};
}

const BackupDirectory::Loaded& BackupDirectory::changed(std::uint64_t number) const {
    const auto found = changed_.find(number);
    return found != changed_.end() ? found->second
                                   : changed_.emplace(number, read_changed(number)).first->second;
}

const BackupManifest& BackupDirectory::manifest(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    const BackupManifest& changes = changed(number).manifest;
    if (!changes.unchanged) {
        return changes;
    }
    const auto found = whole_.find(number);
    if (found != whole_.end()) {
        return found->second;
    }
    const std::filesystem::path path = backup_path(number) / unchanged_name;
    const std::string text =
        read_text(backup_path(number), unchanged_name, max_manifest_bytes, operation_);
    if (text.size() != changes.unchanged->bytes || sha256_of(text) != changes.unchanged->checksum) {
        fail_corrupt(operation_, path, "does not have the checksum in the manifest");
    }
    BackupManifest whole = changes;
    parse_unchanged(text, path, whole);
    return whole_.emplace(number, std::move(whole)).first->second;
}

const BackupManifest& BackupDirectory::changes(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    return changed(number).manifest;
}

const Sha256Digest& BackupDirectory::checksum(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    return changed(number).checksum;
}

const BackupManifest& BackupDirectory::base(const BackupManifest& from,
                                            std::uint64_t number) const {
    const std::string link =
        "backup " + std::to_string(from.number) + " builds on backup " + std::to_string(number);
    if (!std::ranges::binary_search(numbers_, number)) {
        ipc::fail(Errc::file_not_found, operation_, backup_path(number).string(),
                  link + ", which is not there", "an earlier backup may not need it");
    }
    const std::lock_guard lock(mutex_);
    const Loaded& loaded = changed(number);
    const BackupLink* const known = from.link(number);
    if (known == nullptr || known->checksum != loaded.checksum) {
        fail_corrupt(operation_, backup_path(number) / manifest_name,
                     link + ", and this is another one than it was then");
    }
    return loaded.manifest;
}

}  // namespace strata::volume_impl

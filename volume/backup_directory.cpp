// SPDX-License-Identifier: Apache-2.0
#include "volume/backup_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <span>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/os/named_files.hpp"
#include "volume/failures.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

namespace {

constexpr std::string_view folder_prefix = "backup-";

std::uint64_t number_of(const std::string& folder) noexcept {
    std::uint64_t number = 0;
    if (folder.starts_with(folder_prefix)) {
        std::from_chars(folder.data() + folder_prefix.size(), folder.data() + folder.size(),
                        number);
    }
    return number != 0 && backup_folder(number) == folder ? number : 0;
}

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
        if (const std::uint64_t number = number_of(name); number != 0) {
            numbers_.push_back(number);
        }
    }
    std::ranges::sort(numbers_);
}

BackupDirectory::Loaded BackupDirectory::read(std::uint64_t number) const {
    const std::filesystem::path folder = backup_path(number);
    const std::filesystem::path path = folder / manifest_name;
    const std::string text = read_text(folder, manifest_name, max_manifest_bytes, operation_);
    // As sha256sum writes it: so that `sha256sum -c` can check it, too.
    constexpr std::uint64_t most_bytes = 4096;
    const std::string said = read_text(folder, manifest_checksum_name, most_bytes, operation_);
    const Sha256Digest checksum = sha256_of(text);
    const auto wanted = parse_checksum("sha256:" + said.substr(0, said.find(' ')));
    if (!wanted || *wanted != checksum) {
        fail_corrupt(operation_, path,
                     "does not have the checksum in " + std::string(manifest_checksum_name));
    }
    BackupManifest manifest = parse_manifest(text, path);
    if (manifest.number != number) {
        fail_corrupt(operation_, path,
                     "is the manifest of backup " + std::to_string(manifest.number),
                     "the folder must be " + backup_folder(manifest.number));
    }
    return {std::move(manifest), checksum};
}

const BackupDirectory::Loaded& BackupDirectory::load(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    const auto found = loaded_.find(number);
    return found != loaded_.end() ? found->second
                                  : loaded_.emplace(number, read(number)).first->second;
}

const BackupManifest& BackupDirectory::manifest(std::uint64_t number) const {
    return load(number).manifest;
}

const Sha256Digest& BackupDirectory::checksum(std::uint64_t number) const {
    return load(number).checksum;
}

const BackupManifest& BackupDirectory::base(const BackupManifest& from,
                                            std::uint64_t number) const {
    const std::string link =
        "backup " + std::to_string(from.number) + " builds on backup " + std::to_string(number);
    if (!std::ranges::binary_search(numbers_, number)) {
        ipc::fail(Errc::file_not_found, operation_, backup_path(number).string(),
                  link + ", which is not there", "an earlier backup may not need it");
    }
    const Loaded& loaded = load(number);
    const BackupLink* const known = from.link(number);
    if (known == nullptr || known->checksum != loaded.checksum) {
        fail_corrupt(operation_, backup_path(number) / manifest_name,
                     link + ", and this is another one than it was then");
    }
    return loaded.manifest;
}

}  // namespace strata::volume_impl

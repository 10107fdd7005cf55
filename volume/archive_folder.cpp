// SPDX-License-Identifier: Apache-2.0
#include "volume/archive_folder.hpp"

#include <cerrno>
#include <charconv>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/volume_archive.hpp"
#include "volume/archive_files.hpp"
#include "volume/failures.hpp"
#include "volume/staged_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;

std::string archive_folder(Dimension dimension) {
    const std::string number = std::to_string(dimension);
    return (number.size() < 2 ? "D0" : "D") + number;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

namespace strata::volume_impl {

namespace {

ipc::FileDescriptor open_parent(const std::filesystem::path& parent, std::string_view operation) {
    auto opened = os::open_directory(parent.string());
    if (!opened) {
        fail_file(opened.error, operation, parent, "cannot be opened");
    }
    return std::move(opened.value);
}

int unless_gone(int error) noexcept { return error == ENOENT ? 0 : error; }

void check_no_layers(int folder, const std::filesystem::path& path, std::string_view operation) {
    const auto layers = os::open_directory_at(folder, layers_name);
    const auto names = layers ? os::list_directory(layers.value.get())
                              : os::Result<std::vector<std::string>>{{}, layers.error};
    if (!names && names.error != ENOENT) {
        fail_file(names.error, operation, path / layers_name, "cannot be listed");
    }
    if (!names.value.empty()) {
        ipc::fail(Errc::file_exists, operation, (path / layers_name / names.value[0]).string(),
                  "is no part of an archive, and the folder would be removed", "move it elsewhere");
    }
}

}  // namespace

std::optional<Dimension> archive_dimension(const std::string& folder) {
    Dimension dimension = 0;
    const char* const end = folder.data() + folder.size();
    const bool found = folder.starts_with('D') &&
                       std::from_chars(folder.data() + 1, end, dimension).ptr == end &&
                       archive_folder(dimension) == folder;
    return found ? std::optional(dimension) : std::nullopt;
}

ReplacedArchive::ReplacedArchive(const std::string& hidden, const std::string& folder)
    : hidden_(hidden),
      region_(hidden + "/" + region_name),
      index_(hidden + "/" + index_name),
      layers_(hidden + "/" + layers_name),
      new_layers_(folder + "/" + layers_name) {}

// Removing an empty directory is the one question that nobody can overtake: others may replace the
// archive, and put something into either folder, at any time.
int ReplacedArchive::save_layers(const ipc::FileDescriptor& parent) const noexcept {
    const auto remove_empty = [&] {
        return unless_gone(os::remove_directory(parent.get(), layers_));
    };
    int error = remove_empty();
    if (error != ENOTEMPTY && error != EEXIST && error != ENOTDIR) {  // ENOTDIR: a link, a file
        return error;
    }
    error = os::rename_at(parent.get(), layers_, new_layers_, os::RenameMode::exchange);
    if (error == ENOENT) {  // the archive has no layers/, or is not there any more
        error = os::rename_at(parent.get(), layers_, new_layers_, os::RenameMode::no_replace);
    }
    if (error != 0) {
        return error;
    }
    error = remove_empty();
    return error == ENOTEMPTY || error == EEXIST ? ENOTEMPTY : 0;
}

int ReplacedArchive::remove(const ipc::FileDescriptor& parent) const noexcept {
    int error = 0;
    for (const std::string* const file : {&region_, &index_}) {
        const int failed = unless_gone(os::remove_file(parent.get(), *file));
        error = error != 0 ? error : failed;
    }
    const int kept = unless_gone(os::remove_directory(parent.get(), layers_));
    const int failed = unless_gone(os::remove_directory(parent.get(), hidden_));
    return error != 0 ? error : kept != 0 ? kept : failed;
}

void check_replaceable(const std::filesystem::path& parent, const std::string& folder,
                       std::string_view operation) {
    const std::filesystem::path path = parent / folder;
    const ipc::FileDescriptor above = open_parent(parent, operation);
    const auto there = os::open_directory_at(above.get(), folder);
    if (!there) {
        if (there.error == ENOENT) {
            return;
        }
        fail_file(there.error, operation, path, "is no directory of an archive",
                  "links are not followed");
    }
    const auto names = os::list_directory(there.value.get());
    if (!names) {
        fail_file(names.error, operation, path, "cannot be listed");
    }
    for (const std::string& name : names.value) {
        if (name != region_name && name != index_name && name != layers_name) {
            ipc::fail(Errc::file_exists, operation, (path / name).string(),
                      "is no part of an archive, and the folder would be replaced",
                      "move it elsewhere; layers/ is kept and may hold anything");
        }
    }
}

void remove_archive(const std::filesystem::path& parent, const std::string& folder,
                    std::string_view operation) {
    check_replaceable(parent, folder, operation);
    const std::filesystem::path path = parent / folder;
    const ipc::FileDescriptor above = open_parent(parent, operation);
    const auto there = os::open_directory_at(above.get(), folder);
    if (!there) {
        fail_file(there.error, operation, path, "cannot be opened");
    }
    check_no_layers(there.value.get(), path, operation);
    const std::string hidden = hidden_name_for(folder);
    const ReplacedArchive removed(hidden, folder);
    if (const int error = os::rename_at(above.get(), folder, hidden, os::RenameMode::no_replace)) {
        fail_file(error, operation, path, "cannot be renamed");
    }
    int error = removed.remove(above);
    error = error != 0 ? error : os::sync_directory(above.get());
    if (error != 0) {
        fail_file(error, operation, path,
                  "is gone, but its files are not all removed, or that is not known to be durable",
                  "`strata volume clean` removes what is left");
    }
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
#include "volume/archive_folder.hpp"

#include <cerrno>
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
    if (const int error = os::rename_at(above.get(), folder, hidden, os::RenameMode::no_replace)) {
        fail_file(error, operation, path, "cannot be renamed");
    }
    int error = remove_tree(above, hidden);
    error = error != 0 ? error : os::sync_directory(above.get());
    if (error != 0) {
        fail_file(error, operation, path,
                  "is gone, but its files are not all removed, or that is not known to be durable",
                  "`strata volume clean` removes what is left");
    }
}

}  // namespace strata::volume_impl

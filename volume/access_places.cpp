// SPDX-License-Identifier: Apache-2.0
#include "volume/access_places.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "ipc/os/mount.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/error.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

VolumePlace look_at(const std::filesystem::path& path) {
    VolumePlace place{.path = path};
    const auto directory = os::open_directory(path.string());
    const auto status = directory ? os::status(directory.value.get())
                                  : os::Result<os::FileStatus>{{}, directory.error};
    if (!status) {
        return place;
    }
    place.found = true;
    place.owner = status.value.owner;
    place.group = status.value.group;
    place.mode = status.value.mode;
    if (auto mount = os::mount_of(directory.value.get())) {
        place.file_system = std::move(mount.value.type);
        place.mount_point = std::move(mount.value.point);
        place.mount_options = std::move(mount.value.options);
        place.read_only = mount.value.read_only;
        place.no_exec = mount.value.no_exec;
    }
    return place;
}

const VolumePlace* place_of(const std::vector<VolumePlace>& places,
                            const std::filesystem::path& path) {
    const VolumePlace* deepest = nullptr;
    for (const VolumePlace& place : places) {
        const auto [end, at] = std::ranges::mismatch(place.path, path);
        if (end == place.path.end() &&
            (deepest == nullptr || place.path.native().size() > deepest->path.native().size())) {
            deepest = &place;
        }
    }
    return deepest;
}

std::string circumstances(const AccessReport& report, const std::filesystem::path& path) {
    std::string text = "this is user " + std::to_string(report.user);
    const VolumePlace* const place = place_of(report.places, path);
    if (place == nullptr || !place->found) {
        return text;
    }
    std::array<char, 80> owner{};
    std::snprintf(owner.data(), owner.size(), " has mode %04o and belongs to user %u, group %u",
                  place->mode, place->owner, place->group);
    text += "; " + place->path.string() + owner.data();
    if (!place->file_system.empty()) {
        text += "; " + place->file_system + " mounted at " + place->mount_point + " (" +
                place->mount_options + ")";
    }
    return text;
}

std::string advice_for(const Error& error, const VolumePlace* place) {
    if (error.errno_value() == EROFS || (place != nullptr && place->read_only)) {
        return "mounted read-only, which is right for consumers; a producer needs it read-write";
    }
    if (error.code() == Errc::permission_denied) {
        return "a producer has to own the volume or may write all of it; a consumer may read it";
    }
    return error.hint();
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
#include "volume/region_settings.hpp"

#include <cerrno>
#include <utility>

#include "ipc/files/store_files.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/os/files.hpp"
#include "volume/failures.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

namespace {

constexpr std::string_view operation = "backup";
constexpr std::uint32_t permission_bits = 0777;
constexpr OwnRegion closed{.max_bytes = 0, .mode = 0600};

}  // namespace

RegionSettings::RegionSettings(const std::filesystem::path& store) : store_(store) {
    auto opened = os::open_directory(store.string());
    if (!opened) {
        fail_file(opened.error, operation, store, "cannot be opened");
    }
    directory_ = std::move(opened.value);
}

std::optional<OwnRegion> RegionSettings::of(std::uint64_t serial) {
    const auto known = known_.find(serial);
    return known != known_.end() ? known->second
                                 : known_.emplace(serial, read(serial)).first->second;
}

std::optional<OwnRegion> RegionSettings::read(std::uint64_t serial) const {
    const std::string name = ipc::region_file_name(serial);
    const auto file = os::open_read(directory_.get(), name);
    if (!file) {
        if (file.error == ENOENT) {
            return closed;
        }
        fail_file(file.error, operation, store_ / name, "cannot be opened");
    }
    const auto status = os::status(file.value.get());
    if (!status) {
        fail_file(status.error, operation, store_ / name, "cannot be looked at");
    }
    ipc::RegionHeader header{};
    if (const int error = os::read_at(file.value.get(), &header, sizeof(header), 0)) {
        fail_file(error, operation, store_ / name, "cannot be read");
    }
    if (header.magic != ipc::region_magic || header.checksum != ipc::record_checksum(header)) {
        fail_corrupt(operation, store_ / name, "has a damaged header");
    }
    if (header.shared != 0) {
        return std::nullopt;
    }
    return OwnRegion{.max_bytes = header.max_bytes, .mode = status.value.mode & permission_bits};
}

}  // namespace strata::volume_impl

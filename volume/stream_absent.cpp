// SPDX-License-Identifier: Apache-2.0
// In the place of streams, where the library is built without libarchive.
#include "ipc/failure.hpp"
#include "strata/volume_stream.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

[[noreturn]] void fail_absent(std::string_view operation) {
    ipc::fail(Errc::invalid_argument, operation, "", "streams were not built into this library",
              "build it with libarchive: -DSTRATA_VOLUME_STREAMS=ON");
}

}  // namespace

struct UnpackedBackup::State {
    std::filesystem::path directory;
    BackupReport report;
};

BackupReport send_backup(Consumer& /*consumer*/, int /*descriptor*/,
                         const SendOptions& /*options*/) {
    fail_absent("send backup");
}
BackupReport send_backup(Consumer& /*consumer*/, const std::filesystem::path& /*file*/,
                         const SendOptions& /*options*/) {
    fail_absent("send backup");
}
BackupReport receive_backup(int /*descriptor*/, const std::filesystem::path& /*directory*/,
                            const ReceiveOptions& /*options*/) {
    fail_absent("receive backup");
}
BackupReport receive_backup(const std::filesystem::path& /*file*/,
                            const std::filesystem::path& /*directory*/,
                            const ReceiveOptions& /*options*/) {
    fail_absent("receive backup");
}

UnpackedBackup::UnpackedBackup(int /*descriptor*/, const std::filesystem::path& /*scratch*/,
                               const ReceiveOptions& /*options*/) {
    fail_absent("receive backup");
}
UnpackedBackup::UnpackedBackup(const std::filesystem::path& /*file*/,
                               const std::filesystem::path& /*scratch*/,
                               const ReceiveOptions& /*options*/) {
    fail_absent("receive backup");
}
UnpackedBackup::UnpackedBackup(UnpackedBackup&&) noexcept = default;
UnpackedBackup& UnpackedBackup::operator=(UnpackedBackup&&) noexcept = default;
UnpackedBackup::~UnpackedBackup() = default;
const std::filesystem::path& UnpackedBackup::directory() const noexcept {
    return ipc::part_of(state_, "UnpackedBackup").directory;
}
const BackupReport& UnpackedBackup::report() const noexcept {
    return ipc::part_of(state_, "UnpackedBackup").report;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

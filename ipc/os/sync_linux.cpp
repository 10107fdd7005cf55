// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/sync.hpp"

namespace strata::ipc::os {

namespace {

constexpr unsigned unique_mount_id = 0x4000;  // STATX_MNT_ID_UNIQUE, younger than the headers

// The number that stands at 144 of struct statx; headers of Linux 5.8 and later name it.
std::uint64_t mount_of(int fd) noexcept {
    alignas(8) unsigned char bytes[256] = {};
    static_assert(sizeof(struct statx) == sizeof(bytes));
    constexpr std::size_t mask_at = 0;
    constexpr std::size_t mount_at = 144;
    if (::syscall(SYS_statx, fd, "", AT_EMPTY_PATH, unique_mount_id, bytes) != 0) {
        return 0;
    }
    std::uint32_t mask = 0;
    std::uint64_t mount = 0;
    std::memcpy(&mask, bytes + mask_at, sizeof(mask));
    std::memcpy(&mount, bytes + mount_at, sizeof(mount));
    return (mask & unique_mount_id) != 0 ? mount : 0;
}

int hex_digit(char c) noexcept {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// 32 hexadecimal digits with hyphens between.
bool parse_boot_id(const char* text, std::array<std::uint64_t, 2>& id) noexcept {
    std::size_t digits = 0;
    for (; *text != '\0' && digits < 32; ++text) {
        if (*text == '-') {
            continue;
        }
        const int digit = hex_digit(*text);
        if (digit < 0) {
            return false;
        }
        std::uint64_t& word = id[digits++ / 16];
        word = (word << 4) | static_cast<unsigned>(digit);
    }
    return digits == 32;
}

}  // namespace

int sync_file(int fd) noexcept {
    // Interrupted: it was waited for, nothing has failed.
    return retry([&] { return ::fsync(fd); }) == 0 ? 0 : errno;
}

// With this flag alone no error is looked up, so each stays for the descriptor's next flush.
void start_writeback(int fd) noexcept { ::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }

Result<Standpoint> standpoint_of(int fd) {
    Standpoint result;
    const auto file = status(fd);
    if (!file) {
        return {{}, file.error};
    }
    result.device = file.value.device;
    result.mount = mount_of(fd);
    const FileDescriptor boot(
        retry([] { return ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); }));
    if (!boot) {
        return {{}, errno};
    }
    char text[64] = {};
    if (retry([&] { return ::read(boot.get(), text, sizeof(text) - 1); }) < 0) {
        return {{}, errno};
    }
    const bool understood = parse_boot_id(text, result.boot_id);
    return {result, understood ? 0 : EIO};
}

Result<bool> is_volatile(int fd) noexcept {
    struct statfs info {};
    if (retry([&] { return ::fstatfs(fd, &info); }) != 0) {
        return {false, errno};
    }
    const auto kind = static_cast<unsigned long>(info.f_type);
    return {kind == TMPFS_MAGIC || kind == RAMFS_MAGIC || kind == HUGETLBFS_MAGIC, 0};
}

}  // namespace strata::ipc::os

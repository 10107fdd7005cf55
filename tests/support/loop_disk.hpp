// SPDX-License-Identifier: Apache-2.0
// A file system of the test's own, in an image on a loop device, that can fail as disks do: its end
// goes away, it is cut off, it becomes read-only. Needs root and loop devices.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/loop.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <system_error>
#include <unistd.h>

#include "tests/support/process.hpp"

namespace strata::test {

/// For good: what this process and its children mount is seen by nobody else, and goes with them.
inline bool own_mounts() {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// Whether the image is read and written past the page cache, so that what fails, fails at once.
enum class LoopAccess : bool { cached, direct };

class LoopDisk {
public:
    /// In a new directory below `parent`, removed at the end (unmount first).
    explicit LoopDisk(
        const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
        std::string pattern = parent / "strata-disk.XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) fail_errno("mkdtemp");
        path_ = pattern;
        std::filesystem::create_directory(mounted());
    }
    LoopDisk(const LoopDisk&) = delete;
    LoopDisk& operator=(const LoopDisk&) = delete;
    ~LoopDisk() {
        if (::getpid() != owner_) return;
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::filesystem::path image() const { return path_ / "image"; }
    std::filesystem::path mounted() const { return path_ / "mounted"; }
    /// For other files of the test, beside the image.
    const std::filesystem::path& path() const noexcept { return path_; }

    /// An empty file system; `type` is what `mkfs.TYPE` and mount(2) call it.
    bool format(const std::string& type, std::uint64_t size, const std::string& options = "") {
        type_ = type;
        std::ofstream(image(), std::ios::trunc).close();
        std::filesystem::resize_file(image(), size);
        const std::string command = "PATH=$PATH:/sbin:/usr/sbin mkfs." + type + " -q " + options +
                                    " '" + image().string() + "' >/dev/null 2>&1";
        return std::system(command.c_str()) == 0;
    }

    /// The loop device goes when it is unmounted, at the latest with this process.
    bool mount(unsigned long flags = 0, LoopAccess access = LoopAccess::cached) const {
        const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        if (control < 0) return false;
        bool done = false;
        // Somebody else may take the free device that we were told of.
        for (int attempt = 0; attempt < 20 && !done; ++attempt) {
            const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
            if (number < 0) break;
            const std::string device = "/dev/loop" + std::to_string(number);
            const int loop = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
            const int backing = ::open(image().c_str(), O_RDWR | O_CLOEXEC);
            loop_config config{};
            config.fd = static_cast<std::uint32_t>(backing);
            config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
            if (access == LoopAccess::direct) config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
            const bool configured =
                loop >= 0 && backing >= 0 && ::ioctl(loop, LOOP_CONFIGURE, &config) == 0;
            done = configured &&
                   ::mount(device.c_str(), mounted().c_str(), type_.c_str(), flags, "") == 0;
            const int error = errno;
            ::close(backing);
            ::close(loop);
            if (!done && (configured || error != EBUSY)) break;
        }
        ::close(control);
        return done;
    }
    bool unmount() const { return ::umount(mounted().c_str()) == 0; }

private:
    pid_t owner_ = ::getpid();
    std::filesystem::path path_;
    std::string type_;
};

/// What a power failure leaves: nothing is written any more from now on, of the journal neither.
/// `fd`: of any file on it. ext4, xfs and others.
inline bool shut_down(int fd) {
    constexpr unsigned long request = _IOR('X', 125, std::uint32_t);  // FS_IOC_SHUTDOWN
    std::uint32_t without_flushing_the_log = 2;
    return ::ioctl(fd, request, &without_flushing_the_log) == 0;
}

/// What ext4 does with a disk that fails it: read-only from now on.
inline bool abort_journal(const std::filesystem::path& mounted) {
    return ::mount(nullptr, mounted.c_str(), nullptr, MS_REMOUNT, "abort") == 0;
}

}  // namespace strata::test

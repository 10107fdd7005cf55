// SPDX-License-Identifier: Apache-2.0
// See proc(5): /proc/PID/stat, /proc/PID/fd; getrusage(2).
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/other_processes.hpp"

namespace strata::ipc::os {

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// What stands there need not be UTF-8, nor short: of `(name)` the last parenthesis ends it.
Result<std::string> read_stat(std::int64_t process) {
    const std::string path = "/proc/" + std::to_string(process) + "/stat";
    const FileDescriptor file(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
    if (!file) {
        return {{}, errno};
    }
    std::array<char, 2048> text{};
    const auto got = retry([&] { return ::read(file.get(), text.data(), text.size()); });
    if (got < 0) {
        return {{}, errno};
    }
    return {std::string(text.data(), static_cast<std::size_t>(got))};
}

std::optional<std::uint64_t> parse(std::string_view word) noexcept {
    std::uint64_t value = 0;
    const char* const end = word.data() + word.size();
    const auto [at, error] = std::from_chars(word.data(), end, value);
    return error == std::errc{} && at == end ? std::optional(value) : std::nullopt;
}

// Marks which of the files the process has open; false: none, or not for us to know.
bool look_into(int all, const std::string& process, std::span<const FileStatus> files,
               std::vector<bool>& open) {
    const int fd = retry([&] {
        return ::openat(all, (process + "/fd").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    });
    const Directory descriptors(fd < 0 ? nullptr : ::fdopendir(fd));
    if (!descriptors) {
        if (fd >= 0) {
            ::close(fd);
        }
        return false;
    }
    bool any = false;
    while (const dirent* const entry = ::readdir(descriptors.get())) {
        struct stat found {};
        if (entry->d_name[0] == '.' || ::fstatat(fd, entry->d_name, &found, 0) != 0) {
            continue;
        }
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (found.st_dev == files[i].device && found.st_ino == files[i].inode) {
                open[i] = true;
                any = true;
            }
        }
    }
    return any;
}

}  // namespace

PageFaults own_page_faults() noexcept {
    struct rusage used {};
    ::getrusage(RUSAGE_SELF, &used);  // cannot fail
    return {static_cast<std::uint64_t>(used.ru_minflt), static_cast<std::uint64_t>(used.ru_majflt)};
}

Result<PageFaults> page_faults_of(std::int64_t process) {
    const auto text = read_stat(process);
    if (!text) {
        return {{}, text.error};
    }
    // After the name: state, ppid, pgrp, session, tty, tpgid, flags, minflt, cminflt, majflt.
    constexpr std::size_t minor_at = 7;
    constexpr std::size_t major_at = 9;
    std::array<std::string_view, 10> words;
    std::string_view rest(text.value);
    rest.remove_prefix(std::min(rest.size(), rest.rfind(')') + 1));
    for (std::string_view& word : words) {
        rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
        word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(word.size());
    }
    const auto minor = parse(words[minor_at]);
    const auto major = parse(words[major_at]);
    if (!minor || !major) {
        return {{}, EIO};
    }
    return {{*minor, *major}};
}

Result<std::vector<FileUser>> processes_with_open(std::span<const FileStatus> files) {
    const int fd = retry([] { return ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) {
        return {{}, errno};
    }
    const Directory all(::fdopendir(fd));
    if (!all) {
        const int error = errno;
        ::close(fd);
        return {{}, error};
    }
    std::vector<FileUser> users;
    errno = 0;
    while (const dirent* const entry = ::readdir(all.get())) {
        const auto number = parse(entry->d_name);
        std::vector<bool> open(files.size());
        if (number && look_into(fd, entry->d_name, files, open)) {
            users.push_back({static_cast<std::int64_t>(*number), std::move(open)});
        }
        errno = 0;  // readdir reports its own errors by it
    }
    const int error = errno;
    std::ranges::sort(users, {}, &FileUser::process);
    return {std::move(users), error};
}

}  // namespace strata::ipc::os

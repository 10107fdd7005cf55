// SPDX-License-Identifier: Apache-2.0
// See proc(5): /proc/PID/fdinfo, /proc/PID/mountinfo.
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "ipc/os/mount.hpp"

namespace strata::ipc::os {

namespace {

// `mnt_id:	29`
std::string mount_number(int fd) {
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
    for (std::string line; std::getline(info, line);) {
        constexpr std::string_view field = "mnt_id:\t";
        if (line.starts_with(field)) {
            return line.substr(field.size());
        }
    }
    return {};
}

bool is_octal(std::string_view text) noexcept {
    return text.find_first_not_of("01234567") == std::string_view::npos;
}

// Blanks and backslashes are written as three octal digits.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '\\' && text.size() - at >= 4 && is_octal(text.substr(at + 1, 3))) {
            out += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 +
                                     (text[at + 3] - '0'));
            at += 4;
        } else {
            out += text[at++];
        }
    }
    return out;
}

bool has_option(std::string_view options, std::string_view wanted) noexcept {
    while (!options.empty()) {
        const std::string_view option = options.substr(0, options.find(','));
        if (option == wanted) {
            return true;
        }
        options.remove_prefix(option.size());
        options.remove_prefix(options.empty() ? 0 : 1);
    }
    return false;
}

// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
bool parse_mount(const std::string& line, const std::string& wanted, Mount& mount) {
    std::istringstream words(line);
    std::string number;
    std::string ignored;
    std::string point;
    words >> number >> ignored >> ignored >> ignored >> point >> mount.options;
    if (number != wanted) {
        return false;
    }
    do {  // any number of optional fields
        words >> ignored;
    } while (words && ignored != "-");
    std::string of_file_system;
    words >> mount.type >> ignored >> of_file_system;
    if (!words) {
        return false;
    }
    mount.point = unescaped(point);
    mount.read_only = has_option(mount.options, "ro") || has_option(of_file_system, "ro");
    mount.no_exec = has_option(mount.options, "noexec");
    mount.options += "; " + of_file_system;
    return true;
}

}  // namespace

Result<Mount> mount_of(int fd) {
    const std::string number = mount_number(fd);
    std::ifstream list("/proc/self/mountinfo");
    if (number.empty() || !list) {
        return {{}, ENOSYS};  // no /proc
    }
    Mount mount;
    for (std::string line; std::getline(list, line);) {
        if (parse_mount(line, number, mount)) {
            return {std::move(mount)};
        }
    }
    return {{}, ENOENT};
}

}  // namespace strata::ipc::os

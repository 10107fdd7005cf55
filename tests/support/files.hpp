// SPDX-License-Identifier: Apache-2.0
// Files whose every byte is known from its position, and a plain oracle that reads them.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "tests/support/oracle.hpp"
#include "tests/support/temp_store.hpp"

namespace strata::test {

inline std::uint8_t byte_at(std::uint64_t position) noexcept {
    return static_cast<std::uint8_t>(mixed(position / 8) >> (position % 8 * 8));
}

inline std::vector<std::byte> bytes_at(std::uint64_t position, std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::byte>(byte_at(position + i));
    }
    return bytes;
}

/// Most significant byte first, or last.
inline std::uint64_t number_at(std::uint64_t position, std::size_t size, bool big_endian) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t shift = 8 * (big_endian ? size - 1 - i : i);
        value |= std::uint64_t{byte_at(position + i)} << shift;
    }
    return value;
}

/// A directory in shared memory with such files.
class TempFiles {
public:
    const std::filesystem::path& path() const noexcept { return base_.path(); }
    std::filesystem::path file(std::string_view name) const { return base_.path() / name; }

    /// `size` bytes that are those of an endless file from `from` on.
    void make(std::string_view name, std::uint64_t size, std::uint64_t from = 0) const {
        const auto bytes = bytes_at(from, static_cast<std::size_t>(size));
        std::ofstream out(file(name), std::ios::binary | std::ios::trunc);
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
        out.close();
        if (!out) throw std::runtime_error("cannot write " + file(name).string());
    }
    /// A hole of that size.
    void make_sparse(std::string_view name, std::uint64_t size) const {
        std::ofstream(file(name)).close();
        resize(name, size);
    }
    void resize(std::string_view name, std::uint64_t size) const {
        if (::truncate(file(name).c_str(), static_cast<off_t>(size)) != 0) {
            throw std::system_error(errno, std::generic_category(), "truncate");
        }
    }
    /// Writes known bytes into the middle of a file.
    void put(std::string_view name, std::uint64_t position, std::size_t size) const {
        const int fd = ::open(file(name).c_str(), O_WRONLY | O_CLOEXEC);
        const auto bytes = bytes_at(position, size);
        const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(position));
        ::close(fd);
        if (put != static_cast<ssize_t>(size)) throw std::runtime_error("pwrite");
    }

private:
    TempBase base_;
};

inline std::size_t descriptors_open() {
    std::size_t count = 0;
    for (int fd = 0; fd < 4096; ++fd) {
        count += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0;
    }
    return count;
}

/// Of files with this in their paths; all if it is empty.
inline std::size_t mappings_of_process(std::string_view path = {}) {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) {
        count += line.find(path) != std::string::npos ? 1 : 0;
    }
    return count;
}

}  // namespace strata::test

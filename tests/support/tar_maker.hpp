// SPDX-License-Identifier: Apache-2.0
// Tar streams, literally: to be taken apart, changed and put together again, without libarchive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace strata::test {

inline constexpr std::size_t tar_block_bytes = 512;

struct TarFile {
    std::string path{};
    std::string content{};
    char type = '0';     ///< '1' hard link, '2' symbolic link, '3' device, '5' directory
    std::string link{};  ///< where it leads
    std::uint64_t said = ~std::uint64_t{0};  ///< its size in the header, if not the content's
};

inline std::string tar_header(const TarFile& file) {
    std::string header(tar_block_bytes, '\0');
    const auto put = [&](std::size_t at, std::string_view text) {
        header.replace(at, text.size(), text);
    };
    const auto put_number = [&](std::size_t at, int digits, std::uint64_t value) {
        char text[32];
        std::snprintf(text, sizeof(text), "%0*llo", digits, static_cast<unsigned long long>(value));
        put(at, text);
    };
    put(0, std::string_view(file.path).substr(0, 100));
    put_number(100, 7, 0644);
    put_number(108, 7, 0);
    put_number(116, 7, 0);
    const std::uint64_t size = file.said != ~std::uint64_t{0} ? file.said : file.content.size();
    if (size >> 33 != 0) {  // in base 256
        header[124] = static_cast<char>(0x80);
        for (int i = 0; i < 8; ++i) {
            header[static_cast<std::size_t>(135 - i)] = static_cast<char>(size >> (8 * i));
        }
    } else {
        put_number(124, 11, size);
    }
    put_number(136, 11, 0);
    put(148, "        ");
    header[156] = file.type;
    put(157, std::string_view(file.link).substr(0, 100));
    put(257, std::string_view("ustar\00000", 8));
    unsigned sum = 0;
    for (const char byte : header) {
        sum += static_cast<unsigned char>(byte);
    }
    put_number(148, 6, sum);
    header[154] = '\0';
    header[155] = ' ';
    return header;
}

inline std::string tar_of(const std::vector<TarFile>& files) {
    std::string tar;
    for (const TarFile& file : files) {
        tar += tar_header(file) + file.content;
        tar.resize((tar.size() + tar_block_bytes - 1) / tar_block_bytes * tar_block_bytes);
    }
    tar.resize(tar.size() + 2 * tar_block_bytes);
    return tar;
}

/// Of plain files with short names, as a backup has them.
inline std::vector<TarFile> files_of(const std::string& tar) {
    std::vector<TarFile> files;
    for (std::size_t at = 0; at + tar_block_bytes <= tar.size() && tar[at] != '\0';) {
        TarFile file{.path = tar.c_str() + at};
        const auto size =
            static_cast<std::size_t>(std::strtoull(tar.c_str() + at + 124, nullptr, 8));
        file.content = tar.substr(at + tar_block_bytes, size);
        files.push_back(file);
        at += tar_block_bytes + (size + tar_block_bytes - 1) / tar_block_bytes * tar_block_bytes;
    }
    return files;
}

}  // namespace strata::test

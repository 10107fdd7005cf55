// SPDX-License-Identifier: Apache-2.0
// A file on a disk whose words are known: word i is mix(i).
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/harness/context.hpp"
#include "bench/harness/disk_directory.hpp"

namespace strata::bench {

class DataFile {
public:
    DataFile(const Context& context, std::uint64_t bytes);
    DataFile(const DataFile&) = delete;
    DataFile& operator=(const DataFile&) = delete;

    const std::filesystem::path& directory() const noexcept { return directory_.path(); }
    static constexpr const char* name = "data";
    std::filesystem::path path() const { return directory() / name; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    /// Puts it on the disk and drops it from the page cache; throws NotRun if it stays.
    void make_cold() const;

private:
    DiskDirectory directory_;
    std::uint64_t bytes_;
};

}  // namespace strata::bench

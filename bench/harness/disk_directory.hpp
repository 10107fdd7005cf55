// SPDX-License-Identifier: Apache-2.0
// A fresh directory on a disk: what flushing costs, and what is cold, cannot be measured in shared
// memory.
#pragma once

#include <filesystem>

namespace strata::bench {

/// Lives below STRATA_BENCH_DISK, or the system's temporary directory; removed with everything in
/// it at the end.
class DiskDirectory {
public:
    DiskDirectory();
    DiskDirectory(const DiskDirectory&) = delete;
    DiskDirectory& operator=(const DiskDirectory&) = delete;
    ~DiskDirectory();

    const std::filesystem::path& path() const noexcept { return path_; }
    /// False: it is a tmpfs after all, and a flush does nothing.
    bool on_disk() const;

private:
    std::filesystem::path path_;
};

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/disk_directory.hpp"

#include <cstdlib>
#include <linux/magic.h>
#include <stdexcept>
#include <string>
#include <sys/vfs.h>
#include <system_error>

namespace strata::bench {

DiskDirectory::DiskDirectory() {
    const char* const disk = std::getenv("STRATA_BENCH_DISK");
    std::string pattern =
        (disk != nullptr ? std::filesystem::path(disk) : std::filesystem::temp_directory_path()) /
        "strata-bench.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("cannot create " + pattern);
    }
    path_ = pattern;
}

DiskDirectory::~DiskDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

bool DiskDirectory::on_disk() const {
    struct statfs info {};
    return ::statfs(path_.c_str(), &info) == 0 && info.f_type != TMPFS_MAGIC;
}

}  // namespace strata::bench

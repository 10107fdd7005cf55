// SPDX-License-Identifier: Apache-2.0
#include "bench/rows/data_file.hpp"

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "bench/harness/workload.hpp"
#include "bench/peers/file_readers.hpp"

namespace strata::bench {

DataFile::DataFile(const Context&, std::uint64_t bytes) : bytes_(bytes) {
    std::FILE* const out = std::fopen(path().c_str(), "wb");
    std::vector<std::uint64_t> words(1 << 17);
    for (std::uint64_t at = 0; out != nullptr && at < bytes / 8; at += words.size()) {
        for (std::uint64_t i = 0; i < words.size(); ++i) {
            words[i] = mix(at + i);
        }
        std::fwrite(words.data(), 8, words.size(), out);
    }
    if (out == nullptr || std::fclose(out) != 0 || std::filesystem::file_size(path()) != bytes) {
        throw std::runtime_error("cannot write " + path().string());
    }
}

void DataFile::make_cold() const {
    const Descriptor file(path());
    ::fsync(file.get());
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    const Residency left = MappedDirectory(directory()).residency(name);
    if (left.resident_bytes > bytes_ / 100) {
        throw NotRun("the file cannot be dropped from memory: not on a disk, or in use");
    }
}

}  // namespace strata::bench

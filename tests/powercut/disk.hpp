// SPDX-License-Identifier: Apache-2.0
// A disk that forgets: records every version of every sector of a store's files, and which of them
// were flushed, and builds what may be left when the power fails at any of the recorded moments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace strata::powercut {

inline constexpr std::size_t sector_bytes = 512;

class Disk {
public:
    using Moment = std::uint64_t;
    using Random = std::mt19937_64;

    explicit Disk(std::filesystem::path store) : store_(std::move(store)) {}

    /// Notes what changed since the last look. Any thread.
    Moment look();
    Moment now() const noexcept { return now_; }
    /// A flush of the file or directory with this inode: what was there when it began is durable
    /// when it has ended.
    Moment flush_begins(std::uint64_t inode);
    void flush_ended(std::uint64_t inode, Moment begun);

    /// Leaves in `target` what may be on the disk if the power fails at `cut`.
    void build(Moment cut, const std::filesystem::path& target, Random& random) const;

private:
    using Sector = std::array<char, sector_bytes>;
    struct Version {
        Moment since;
        std::shared_ptr<const Sector> bytes;
    };
    struct File {
        std::string name;
        unsigned mode = 0;
        Moment made = 0;
        std::optional<Moment> removed;
        std::vector<std::vector<Version>> sectors;
        std::vector<std::pair<Moment, std::uint64_t>> sizes;
        std::vector<std::pair<Moment, Moment>> flushes;  // ended, what it covers
    };
    static Moment durable_at(const std::vector<std::pair<Moment, Moment>>& flushes, Moment cut);
    void look_at(std::uint64_t inode, const std::filesystem::path& path);

    const std::filesystem::path store_;
    std::mutex mutex_;
    Moment now_ = 0;
    std::map<std::uint64_t, File> files_;                       // by inode
    std::vector<std::pair<Moment, Moment>> directory_flushes_;  // as of a file
};

}  // namespace strata::powercut

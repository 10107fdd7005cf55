// SPDX-License-Identifier: Apache-2.0
#include "tests/powercut/disk.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace strata::powercut {

namespace fs = std::filesystem;

namespace {

std::string read_whole(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool toss(Disk::Random& random) { return (random() & 1) != 0; }

}  // namespace

void Disk::look_at(std::uint64_t inode, const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return;
    }
    File& file = files_[inode];
    if (file.sizes.empty()) {
        file.made = now_;
    }
    file.name = path.filename().string();
    file.mode = status.st_mode & 07777U;
    std::string bytes = read_whole(path);
    if (file.sizes.empty() || file.sizes.back().second != bytes.size()) {
        file.sizes.emplace_back(now_, bytes.size());
    }
    bytes.resize((bytes.size() + sector_bytes - 1) / sector_bytes * sector_bytes);
    file.sectors.resize(std::max(file.sectors.size(), bytes.size() / sector_bytes));
    static const Sector zeros{};
    for (std::size_t i = 0; i < bytes.size() / sector_bytes; ++i) {
        const char* const here = bytes.data() + i * sector_bytes;
        std::vector<Version>& versions = file.sectors[i];
        const char* const before = versions.empty() ? zeros.data() : versions.back().bytes->data();
        if (std::memcmp(before, here, sector_bytes) != 0) {
            auto copy = std::make_shared<Sector>();
            std::memcpy(copy->data(), here, sector_bytes);
            versions.push_back({now_, std::move(copy)});
        }
    }
}

Disk::Moment Disk::look() {
    const std::lock_guard lock(mutex_);
    ++now_;
    std::set<std::uint64_t> seen;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(store_, error)) {
        struct stat status {};
        if (::stat(entry.path().c_str(), &status) == 0) {
            seen.insert(status.st_ino);
            look_at(status.st_ino, entry.path());
        }
    }
    for (auto& [inode, file] : files_) {
        if (!file.removed && !seen.contains(inode)) {
            file.removed = now_;
        }
    }
    return now_;
}

Disk::Moment Disk::flush_begins(std::uint64_t) { return look(); }

void Disk::flush_ended(std::uint64_t inode, Moment begun) {
    const std::lock_guard lock(mutex_);
    ++now_;
    if (const auto file = files_.find(inode); file != files_.end()) {
        file->second.flushes.emplace_back(now_, begun);
        return;
    }
    struct stat status {};
    if (::stat(store_.c_str(), &status) == 0 && status.st_ino == inode) {
        directory_flushes_.emplace_back(now_, begun);
    }
}

Disk::Moment Disk::durable_at(const std::vector<std::pair<Moment, Moment>>& flushes, Moment cut) {
    Moment covered = 0;
    for (const auto& [ended, begun] : flushes) {
        if (ended <= cut) {
            covered = std::max(covered, begun);
        }
    }
    return covered;
}

void Disk::build(Moment cut, const fs::path& target, Random& random) const {
    enum class Mixture { oldest, newest, sectors, pages, newest_but_one, oldest_but_one, count };
    const auto mixture = static_cast<Mixture>(random() % static_cast<unsigned>(Mixture::count));
    const Moment names_durable = durable_at(directory_flushes_, cut);
    fs::create_directory(target);
    for (const auto& [inode, file] : files_) {
        if (file.made > cut) {
            continue;
        }
        // A name that came or went since the directory was flushed may be there, or not.
        const bool surely_there = file.made <= names_durable;
        const bool surely_gone = file.removed && *file.removed <= names_durable;
        const bool perhaps_gone = file.removed && *file.removed <= cut;
        if (surely_gone || (!surely_there && toss(random)) ||
            (surely_there && perhaps_gone && toss(random))) {
            continue;
        }
        const Moment durable = durable_at(file.flushes, cut);
        std::uint64_t least = 0;
        std::uint64_t most = 0;
        for (const auto& [since, size] : file.sizes) {
            least = since <= durable ? size : least;
            most = since <= cut ? size : most;
        }
        const bool whole = mixture == Mixture::newest || toss(random);
        std::string bytes(whole ? most : least, '\0');
        const std::size_t sectors = (bytes.size() + sector_bytes - 1) / sector_bytes;
        const std::size_t odd_one = sectors != 0 ? random() % sectors : 0;
        std::uint64_t page_choice = 0;
        for (std::size_t i = 0; i < std::min(sectors, file.sectors.size()); ++i) {
            if (i % 8 == 0) {
                page_choice = random();
            }
            // Versions that the sector may have: the one that was flushed, or any later one.
            const std::vector<Version>& all = file.sectors[i];
            std::ptrdiff_t first = -1;  // none: zeros
            std::ptrdiff_t last = -1;
            for (std::size_t v = 0; v < all.size(); ++v) {
                first = all[v].since <= durable ? static_cast<std::ptrdiff_t>(v) : first;
                last = all[v].since <= cut ? static_cast<std::ptrdiff_t>(v) : last;
            }
            const auto count = static_cast<std::uint64_t>(last - first + 1);
            std::ptrdiff_t chosen = first;
            switch (mixture) {
                case Mixture::oldest: break;
                case Mixture::newest: chosen = last; break;
                case Mixture::sectors:
                    chosen = first + static_cast<std::ptrdiff_t>(random() % count);
                    break;
                case Mixture::pages:
                    chosen = first + static_cast<std::ptrdiff_t>(page_choice % count);
                    break;
                case Mixture::newest_but_one: chosen = i == odd_one ? first : last; break;
                case Mixture::oldest_but_one: chosen = i == odd_one ? last : first; break;
                case Mixture::count: break;
            }
            if (chosen >= 0) {
                const std::size_t at = i * sector_bytes;
                std::memcpy(bytes.data() + at, all[static_cast<std::size_t>(chosen)].bytes->data(),
                            std::min(sector_bytes, bytes.size() - at));
            }
        }
        const fs::path path = target / file.name;
        std::ofstream(path, std::ios::binary)
            .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        if (::chmod(path.c_str(), file.mode) != 0) {
            throw std::runtime_error("chmod " + path.string());
        }
    }
}

}  // namespace strata::powercut

// SPDX-License-Identifier: Apache-2.0
// A small tmpfs of the test's own, and what fills it.
#pragma once

#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::test {

inline constexpr std::uint64_t page = 4096;

inline bool own_mounts() {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

inline bool may_mount() {
    Child child = Child::start([](const Channel&) { STRATA_REQUIRE(own_mounts()); });
    return child.join().empty();
}

/// A tmpfs over `path`, for this process alone.
inline void mount_tmpfs(const std::filesystem::path& path, const std::string& options) {
    if (!own_mounts() || ::mount("none", path.c_str(), "tmpfs", 0, options.c_str()) != 0) {
        fail_errno("mount a tmpfs");
    }
}

/// A file that takes all of the space but some.
class Ballast {
public:
    explicit Ballast(const std::filesystem::path& directory)
        : path_(directory / "ballast"), fd_(::open(path_.c_str(), O_RDWR | O_CREAT, 0600)) {
        STRATA_REQUIRE(fd_ >= 0);
    }
    Ballast(const Ballast&) = delete;
    Ballast& operator=(const Ballast&) = delete;
    ~Ballast() {
        ::close(fd_);
        ::unlink(path_.c_str());
    }

    void leave(std::uint64_t free_pages) {
        while (::posix_fallocate(fd_, static_cast<off_t>(bytes_), page) == 0) {
            bytes_ += page;
        }
        STRATA_REQUIRE(bytes_ >= free_pages * page);
        bytes_ -= free_pages * page;
        STRATA_REQUIRE_EQ(::ftruncate(fd_, static_cast<off_t>(bytes_)), 0);
    }
    void leave_all() {
        bytes_ = 0;
        STRATA_REQUIRE_EQ(::ftruncate(fd_, 0), 0);
    }

private:
    std::filesystem::path path_;
    int fd_;
    std::uint64_t bytes_ = 0;
};

inline std::string text_of(std::uint64_t layer, std::uint64_t version) {
    return payload_of(layer, version, 100 + (layer * 37 + version * 11) % 3000);
}

/// Runs `body` in a process that has a tmpfs of its own over the store's base directory.
template <class Body>
void on_tmpfs(const std::string& options, Body body) {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!may_mount(), "no mount namespaces to be had");
    const TempStore temp;
    Child child = Child::start([&](const Channel&) {
        mount_tmpfs(temp.base(), options);
        body(temp);
    });
    CHECK(child.join() == "");
}

}  // namespace strata::test

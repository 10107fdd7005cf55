// SPDX-License-Identifier: Apache-2.0
// Whether this process may use a volume as producer and as consumer, found out by doing what they
// do. Part of the component `volume`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/error.hpp"
#include "strata/volume.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

enum class VolumeRole : unsigned char { producer, consumer };

/// A directory of the volume, and what decides about access to it.
struct VolumePlace {
    std::filesystem::path path{};
    bool found = false;  ///< else nothing below is known
    std::uint32_t owner = 0;
    std::uint32_t group = 0;
    std::uint32_t mode = 0;
    std::string file_system{};    ///< "ext4", "tmpfs"; empty: not known
    std::string mount_point{};    ///< in this mount namespace
    std::string mount_options{};  ///< "ro,noexec,relatime; rw,..."
    bool read_only = false;
    bool no_exec = false;  ///< not in strata's way: nothing is executed
};

/// Something that was tried.
struct AccessStep {
    VolumeRole role = VolumeRole::consumer;
    std::string what{};  ///< "make a directory, write a file and lock it"
    std::filesystem::path path{};
    /// None: it can be done. Its hint says what is in the way.
    std::optional<Error> error{};
};

struct AccessOptions {
    bool producer = true;
    bool consumer = true;
};

struct AccessReport {
    std::uint32_t user = 0;             ///< effective
    std::vector<VolumePlace> places{};  ///< the volume's directory and those in it
    std::vector<AccessStep> steps{};
    /// Whether this user may write the volume's files although a consumer does not have to. Then
    /// only strata's own discipline keeps a consumer from it: a read-only mount or another user
    /// does.
    bool consumer_could_write = false;

    [[nodiscard]] bool ok() const noexcept;
    [[nodiscard]] bool ok(VolumeRole role) const noexcept;
};

/// Tries, as a producer: in each directory, to make a directory, write a file in it, lock and sync
/// it; in `live/`, to make a store, publish a layer and make it durable; to open the files of each
/// live store for writing. As a consumer: to attach to that store and to each live store, to read
/// the first layer of each dimension; to read each archive's first layer; and that a file as a
/// consumer opens it cannot be mapped for writing. What is made has a hidden name and is removed
/// again; what a crash leaves of it, `clean` removes. Live stores are not changed.
///
/// What fails is in the report, and does not end the search; nothing is thrown but std::bad_alloc.
/// Thread and process safety: any thread, any number of processes. Takes a flush, and the reading
/// of each archive's index.
[[nodiscard]] AccessReport check_access(const Volume& volume, const AccessOptions& options = {});

}  // namespace strata::inline STRATA_ABI_NAMESPACE

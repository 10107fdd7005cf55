// SPDX-License-Identifier: Apache-2.0
// A shared mapping of a whole file, reserved once at its maximum size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace boost::interprocess {
class mapped_region;
}

namespace strata::ipc {

class FileDescriptor;
struct MappedRange;

enum class Access : unsigned char { read_only, read_write };

/// Maps [0, reserve_bytes) of the file, which may be shorter now and grow later: bytes become
/// usable as the file grows, with no remapping. Touching a byte beyond the file's end raises
/// SIGBUS, so every user keeps to the committed size. The descriptor is not needed after
/// construction.
class Mapping {
public:
    Mapping() noexcept;
    /// Throws Error{system} (ENOMEM: no address space) naming `operation` and `path`.
    Mapping(const FileDescriptor& file, std::uint64_t reserve_bytes, Access access,
            std::string_view operation, std::string_view path);
    Mapping(Mapping&&) noexcept;
    Mapping& operator=(Mapping&&) noexcept;
    ~Mapping();

    explicit operator bool() const noexcept { return base_ != nullptr; }
    /// Writable only if mapped read_write.
    std::byte* base() const noexcept { return base_; }
    std::uint64_t reserved_bytes() const noexcept { return reserved_; }
    /// Keeps it out of forked children (for writable mappings).
    void exclude_from_fork() noexcept;
    /// Forgets a mapping that is not there any more: in a forked child, for one excluded from it.
    /// Its addresses may belong to something else by now, so they must not be unmapped.
    void abandon() noexcept;

private:
    std::unique_ptr<boost::interprocess::mapped_region> region_;
    std::byte* base_ = nullptr;
    std::uint64_t reserved_ = 0;
    MappedRange* range_ = nullptr;  // read-only ones are known to fault guards
};

}  // namespace strata::ipc

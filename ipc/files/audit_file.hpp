// SPDX-License-Identifier: Apache-2.0
// The file of an audit log: appended to line by line, rotated by size, reopened when somebody else
// has renamed or removed it. One thread at a time; several processes take turns by a lock on its
// first byte, so that nobody writes behind half a line, or cuts off what another one wrote.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "ipc/os.hpp"
#include "strata/audit_log.hpp"

namespace strata::ipc {

class AuditFile {
public:
    /// Throws as AuditLog does.
    explicit AuditFile(const AuditOptions& options);

    /// Whole lines: all of them are in the file, or (with an errno) none; what a full disk took of
    /// them is cut off again, and what a process that was killed had written of its last one.
    int append(std::string_view lines);
    /// How often this object has rotated.
    std::uint64_t rotations() const noexcept { return rotations_; }

private:
    int reopen();
    os::Result<bool> is_named() const;
    int follow_name();
    int lock();
    void unlock() const;
    os::Result<bool> is_full(std::size_t more_bytes) const;
    os::Result<bool> take_turn(std::size_t bytes);
    int rotate();
    std::uint64_t without_torn_line(std::uint64_t size_bytes);
    int write(std::string_view lines, bool locked);
    std::string numbered(unsigned number) const;

    std::string name_;
    std::uint64_t max_bytes_;
    unsigned kept_files_;
    FileDescriptor directory_;
    FileDescriptor file_;
    FileDescriptor reader_;    // of the same file, if this user may read it
    std::uint64_t known_ = 0;  // bytes that end with a whole line
    bool torn_ = false;        // the last line may have no end
    bool patient_ = true;      // the lock's last holder released it in time
    std::uint64_t rotations_ = 0;
};

}  // namespace strata::ipc

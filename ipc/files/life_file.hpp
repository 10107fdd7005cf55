// SPDX-License-Identifier: Apache-2.0
// The producer's sign of life: an exclusive lock on a file that each producer creates afresh and
// locks before anybody else may open it, so that no reader can get in its way. The file's number
// stands in the control cells. The kernel drops the lock when the process dies, however it dies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/files/control_file.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/files/unshared_file.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"
#include "strata/store.hpp"

namespace strata::ipc {

std::string life_file_name(std::uint64_t number);
/// True if `name` is a life file's name; gives its number.
bool parse_life_file_name(std::string_view name, std::uint64_t& number);

/// The producer's end. Not thread-safe.
class LifeFile {
public:
    LifeFile() = default;
    /// Makes the file in `directory` with a number from `number` on, and locks it. Precondition:
    /// the producer's lock is held, so that a file which is there already is a dead producer's.
    /// Throws permission_denied, no_space, system (also if the next 1,000 numbers are taken).
    static LifeFile make(const FileDescriptor& directory, std::uint64_t number,
                         const FileAccess& access, std::string_view operation,
                         std::string_view store_path);

    std::uint64_t number() const noexcept { return number_; }
    /// At the producer's end, and if it fails to start: removes the file, then releases the lock,
    /// even if another process shares its description.
    void end(const FileDescriptor& directory) noexcept;

private:
    UnsharedFile file_;
    std::string name_;
    std::uint64_t number_ = 0;
};

struct ProducerSign {
    LockState state = LockState::free;  ///< held: a producer lives
    std::int64_t pid = 0;               ///< in its own pid namespace
    int error = 0;                      ///< why it is unknown
};

/// Whether a producer lives. Three system calls. A file that was removed is that of nobody: a
/// producer removes its own last of all, and removing a store first makes sure that it has none.
ProducerSign find_producer(const StoreDirectory& store, const ControlFile& control) noexcept;
/// Its pid, or nullopt if there is none. Throws system if the kernel does not tell.
std::optional<std::int64_t> producer_pid(const StoreDirectory& store, const ControlFile& control,
                                         std::string_view operation);

}  // namespace strata::ipc

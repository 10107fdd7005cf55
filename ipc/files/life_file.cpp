// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/life_file.hpp"

#include <cerrno>
#include <charconv>
#include <new>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/format/layout.hpp"

namespace strata::ipc {

namespace {

constexpr std::string_view prefix = "life-";
constexpr std::string_view suffix = ".lock";
constexpr std::uint64_t most_names = 1000;

// 0 or an errno. Nobody but this user can open the file before its mode says so.
int lock_and_open_up(const FileDescriptor& file, const FileAccess& access) noexcept {
    const auto pid = static_cast<std::uint64_t>(os::process_id());
    if (const int error = os::set_lock(file.get(), os::LockType::exclusive, pid, 1)) {
        return error;
    }
    return os::set_access(file.get(), access.mode, access.group);
}

}  // namespace

std::string life_file_name(std::uint64_t number) {
    return std::string(prefix).append(std::to_string(number)).append(suffix);
}

bool parse_life_file_name(std::string_view name, std::uint64_t& number) {
    if (!name.starts_with(prefix) || !name.ends_with(suffix) ||
        name.size() <= prefix.size() + suffix.size()) {
        return false;
    }
    name.remove_prefix(prefix.size());
    name.remove_suffix(suffix.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    return error == std::errc{} && end == name.data() + name.size();
}

LifeFile LifeFile::make(const FileDescriptor& directory, std::uint64_t number,
                        const FileAccess& access, std::string_view operation,
                        std::string_view store_path) {
    LifeFile life;
    int error = 0;
    // Dead producers leave a few; a name that is always taken is none of theirs.
    for (life.number_ = number; life.number_ - number < most_names; ++life.number_) {
        life.name_ = life_file_name(life.number_);
        auto made = UnsharedFile::open(
            [&] { return os::create_file(directory.get(), life.name_, lock_file_mode); });
        error = made.error;
        life.file_ = std::move(made.value);
        if (error != EEXIST) {
            break;
        }
    }
    if (error == 0) {
        error = lock_and_open_up(life.file_.descriptor(), access);
        if (error != 0) {
            os::remove_file(directory.get(), life.name_);
        }
    }
    if (error != 0) {
        fail_errno(error, operation, std::string(store_path).append(1, '/').append(life.name_),
                   "cannot make and lock the producer's sign of life",
                   error == EPERM ? "this user has to belong to the store's group" : "");
    }
    return life;
}

void LifeFile::end(const FileDescriptor& directory) noexcept {
    if (file_) {
        os::remove_file(directory.get(), name_);
        STRATA_CRASH_POINT("close.life-removed");
        os::set_lock(file_.descriptor().get(), os::LockType::unlock, 0, pid_span);
        file_.close();
    }
}

ProducerSign find_producer(const StoreDirectory& store, const ControlFile& control) noexcept {
    const std::uint64_t& cell = control.cells().life;
    try {
        for (;;) {
            // Acquire; partner: the release store of a producer that has locked its file.
            const std::uint64_t number = load_acquire(cell);
            const auto file = os::open_read(store.directory.get(), life_file_name(number));
            if (!file) {
                if (load_acquire(cell) != number) {
                    continue;  // a successor has removed its predecessor's
                }
                return file.error == ENOENT ? ProducerSign{}
                                            : ProducerSign{LockState::unknown, 0, file.error};
            }
            // A shared probe: what other consumers may lock there does not count.
            const auto lock = os::find_lock(file.value.get(), os::LockType::shared, 0, pid_span);
            if (!lock) {
                return {LockState::unknown, 0, lock.error};
            }
            return lock.value ? ProducerSign{LockState::held,
                                             static_cast<std::int64_t>(lock.value->start), 0}
                              : ProducerSign{};
        }
    } catch (const std::bad_alloc&) {
        return {LockState::unknown, 0, ENOMEM};
    }
}

std::optional<std::int64_t> producer_pid(const StoreDirectory& store, const ControlFile& control,
                                         std::string_view operation) {
    const ProducerSign sign = find_producer(store, control);
    if (sign.state == LockState::unknown) {
        fail_errno(sign.error, operation,
                   store.file(life_file_name(load_acquire(control.cells().life))),
                   "cannot find out whether a producer lives");
    }
    return sign.state == LockState::held ? std::optional(sign.pid) : std::nullopt;
}

}  // namespace strata::ipc

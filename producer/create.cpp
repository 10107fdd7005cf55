// SPDX-License-Identifier: Apache-2.0
#include "producer/create.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "ipc/atomic_word.hpp"
#include "ipc/checksum.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/layout.hpp"
#include "ipc/lock_table.hpp"
#include "producer/held_store.hpp"
#include "producer/region.hpp"
#include "producer/remove.hpp"

namespace strata {

using producer_impl::ProducerLock;
using producer_impl::remove_store_directory;

namespace {

void open_base(const std::filesystem::path& base, std::string_view operation) {
    std::error_code ignored;
    if (std::filesystem::is_directory(base, ignored)) {
        return;
    }
    // The shared default is open to all users, as /tmp is; a directory of one's own is not.
    const std::uint32_t mode =
        base == default_base_path() ? ipc::base_directory_mode : ipc::directory_mode;
    if (base.has_parent_path() && !std::filesystem::is_directory(base.parent_path(), ignored)) {
        std::error_code error;
        std::filesystem::create_directories(base.parent_path(), error);
    }
    const int error = ipc::os::create_directory(base.string(), mode);
    if (error != 0 && error != EEXIST) {
        ipc::fail_errno(error, operation, base.string(), "cannot make the base directory");
    }
}

// Takes away what creators and removers that died have left under hidden names.
void remove_stale_staging(int base, std::string_view name) {
    const auto entries = ipc::os::list_directory(base);
    for (const std::string& entry : entries.value) {
        if (!entry.starts_with(ipc::staging_prefix(name))) {
            continue;
        }
        const auto directory = ipc::os::open_directory_at(base, entry);
        if (!directory) {
            continue;
        }
        // The control file comes after the lock, and goes after it. So if it is seen first and the
        // lock is absent then, this is what a remover has left. With neither there may be a creator
        // at its first acts. A lock bears its name only once it is locked: a free one's owner died.
        const int at = directory.value.get();
        const bool has_control = static_cast<bool>(ipc::os::status_at(at, ipc::control_file_name));
        const ProducerLock::State lock = ProducerLock::state(at);
        if (lock == ProducerLock::State::free ||
            (lock == ProducerLock::State::absent && has_control)) {
            remove_store_directory(base, entry);
        }
    }
}

class Staging {
public:
    Staging(int base, std::string name) : base_(base), name_(std::move(name)) {}
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging() {
        if (!done_) {
            remove_store_directory(base_, name_);
        }
    }
    void done() noexcept { done_ = true; }

private:
    int base_;
    std::string name_;
    bool done_ = false;
};

ipc::FileDescriptor write_control(int directory, const ProducerOptions& options,
                                  std::string_view operation, const std::string& path) {
    using producer_impl::Region;
    auto file = ipc::os::create_file(directory, ipc::control_file_name, options.access.mode,
                                     options.access.group);
    int error = file.error;
    if (error == 0) {
        error = ipc::os::commit_range(file.value.get(), 0, Region::initial_bytes);
    }
    if (error != 0) {
        ipc::fail_errno(
            error, operation, path,
            "cannot make a control file of " + std::to_string(Region::initial_bytes) + " bytes",
            error == ENOSPC  ? "the file system is full; for /dev/shm in a container see "
                               "--shm-size"
            : error == EPERM ? "this user has to belong to the group of ProducerOptions::access"
                             : "");
    }
    STRATA_CRASH_POINT("create.control-file");
    const ipc::Mapping mapping(file.value.get(), Region::initial_bytes, ipc::Access::read_write,
                               operation, path);
    auto& identity = *reinterpret_cast<ipc::ControlIdentity*>(mapping.base());
    identity.magic = ipc::control_magic;
    identity.version = ipc::format_version;
    identity.byte_order = ipc::byte_order_mark;
    identity.header_bytes = ipc::header_bytes;
    identity.page_bytes = ipc::page_bytes;
    ipc::os::random_bytes(identity.store_id, sizeof(identity.store_id));
    identity.region_max_bytes = options.region_max_bytes;
    identity.control_max_bytes =
        std::min(ipc::max_control_bytes,
                 std::max(options.region_max_bytes, std::uint64_t{Region::initial_bytes}));
    identity.created_at_ns = ipc::os::realtime_ns();
    identity.checksum = ipc::record_checksum(identity);

    STRATA_CRASH_POINT("create.identity-written");
    // Generation 1: the empty store. Its root is the first block.
    constexpr std::uint64_t offset = ipc::header_bytes;
    auto& root = *reinterpret_cast<ipc::RootRecord*>(mapping.base() + offset);
    root.generation = 1;
    root.committed_bytes = Region::initial_bytes;
    root.control_bytes = Region::initial_bytes;
    root.published_at_ns = identity.created_at_ns;
    root.layout_generation = 1;
    root.oldest_retained = 1;
    root.next_serial = 1;
    root.epoch = 1;
    root.memory_limit = options.memory_limit;
    root.checksum = ipc::record_checksum(root);
    auto& cells = *reinterpret_cast<ipc::ControlCells*>(mapping.base() + ipc::cells_offset);
    ipc::store_release(cells.epoch, 1);
    ipc::store_release(cells.root, offset);
    STRATA_CRASH_POINT("create.root-stored");
    ipc::store_release(cells.generation, 1);
    STRATA_CRASH_POINT("create.before-life");
    ipc::announce_life(file.value.get(), ipc::os::process_id());
    return std::move(file.value);
}

}  // namespace

namespace producer_impl {

void check_access(const FileAccess& access, std::string_view operation) {
    constexpr std::uint32_t least = 0600;
    if ((access.mode & ~ipc::most_file_mode) != 0 || (access.mode & least) != least) {
        char mode[32];
        std::snprintf(mode, sizeof(mode), "%04o", access.mode);
        ipc::fail(Errc::invalid_argument, operation, "",
                  std::string("the mode of a file is ") + mode +
                      ": it has to be 0600 and may let others read");
    }
}

void check_options(const ProducerOptions& options, std::string_view operation) {
    const auto refuse = [&](const std::string& what) {
        ipc::fail(Errc::invalid_argument, operation, "", what);
    };
    if (options.region_max_bytes % ipc::page_bytes != 0 ||
        options.region_max_bytes < Region::initial_bytes ||
        options.region_max_bytes > max_region_bytes) {
        refuse("region_max_bytes is " + std::to_string(options.region_max_bytes) +
               ": it has to be a multiple of 4096 from " + std::to_string(Region::initial_bytes) +
               " to " + std::to_string(max_region_bytes));
    }
    check_access(options.access, operation);
    if (options.memory_limit < 2 * Region::initial_bytes) {
        refuse("memory_limit is " + std::to_string(options.memory_limit) +
               ": a store with one dimension needs at least " +
               std::to_string(2 * Region::initial_bytes));
    }
    if (options.region_initial_bytes > options.region_max_bytes) {
        refuse("region_initial_bytes is " + std::to_string(options.region_initial_bytes) +
               ", more than region_max_bytes, " + std::to_string(options.region_max_bytes));
    }
    if (!(options.warning_threshold >= 0 && options.warning_threshold <= 1)) {
        refuse("warning_threshold is " + std::to_string(options.warning_threshold) +
               ": it has to be from 0 to 1");
    }
    if (options.retain > ipc::history_slots - 2) {
        refuse("retain is " + std::to_string(options.retain) + ": at most " +
               std::to_string(ipc::history_slots - 2) + " generations can be retained");
    }
}

CreatedStore create_store(std::string_view name, const ProducerOptions& options) {
    const std::string operation = ipc::operation_on("create", name);
    check_store_name(name);
    check_options(options, operation);
    open_base(options.base_path, operation);
    auto base = ipc::os::open_directory(options.base_path.string());
    if (!base) {
        ipc::fail_errno(base.error, operation, options.base_path.string(),
                        "cannot open the base directory");
    }
    const int at = base.value.get();
    const std::string path = (options.base_path / name).string();
    if (!options.replace && ipc::os::status_at(at, std::string(name))) {
        ipc::fail(Errc::store_exists, operation, path, "there is such a store already",
                  "open it (open, open_or_create), or replace it (ProducerOptions::replace)");
    }
    remove_stale_staging(at, name);

    const std::string staged = producer_impl::staging_name(name);
    const std::string staged_path = (options.base_path / staged).string();
    // Whoever may read the control file may look into the directory.
    const std::uint32_t may_read = options.access.mode & 0444U;
    if (const int error = ipc::os::create_directory_at(
            at, staged, options.access.mode | (may_read >> 2), options.access.group)) {
        ipc::fail_errno(error, operation, staged_path, "cannot make the store's directory",
                        error == EACCES ? "choose a base path that this user may write to" : "");
    }
    STRATA_CRASH_POINT("create.directory");
    Staging staging(at, staged);
    auto directory = ipc::os::open_directory_at(at, staged);
    if (!directory) {
        ipc::fail_errno(directory.error, operation, staged_path, "cannot open what was just made");
    }
    ProducerLock lock = ProducerLock::create(directory.value.get(), operation, staged_path);
    STRATA_CRASH_POINT("create.locked");
    ipc::FileDescriptor control = write_control(directory.value.get(), options, operation,
                                                staged_path + "/" + ipc::control_file_name);

    STRATA_CRASH_POINT("create.before-rename");
    int error = ipc::os::rename_at(at, staged, std::string(name), ipc::os::RenameMode::no_replace);
    while (error == EEXIST && options.replace) {
        try {
            // Its producer must be gone, and stay so until the new one stands in its place.
            const HeldStore old = hold_store(options.base_path, name, Ruins::accept, operation);
            error =
                ipc::os::rename_at(at, staged, std::string(name), ipc::os::RenameMode::exchange);
            if (error == 0) {
                STRATA_CRASH_POINT("create.exchanged");
                staging.done();
                remove_and_wake(old.directory, at, staged);  // the old one now bears that name
            }
        } catch (const Error& gone) {  // removed meanwhile
            if (gone.code() != Errc::store_not_found) {
                throw;
            }
            error =
                ipc::os::rename_at(at, staged, std::string(name), ipc::os::RenameMode::no_replace);
        }
    }
    if (error == EEXIST) {
        ipc::fail(Errc::store_exists, operation, path, "there is such a store already",
                  "open it (open, open_or_create), or replace it (ProducerOptions::replace)");
    }
    if (error != 0) {
        ipc::fail_errno(error, operation, path, "cannot put the new store in its place");
    }
    STRATA_CRASH_POINT("create.in-place");
    staging.done();
    // The directory that was built is the store's now, under whatever name it was opened.
    return {{.base = std::move(base.value),
             .directory = std::move(directory.value),
             .name = std::string(name),
             .path = path},
            std::move(lock),
            std::move(control)};
}

}  // namespace producer_impl
}  // namespace strata

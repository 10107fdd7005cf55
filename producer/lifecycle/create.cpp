// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/create.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <string>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/lock_table.hpp"
#include "producer/lifecycle/locked_store.hpp"
#include "producer/lifecycle/remove.hpp"
#include "producer/memory/region.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using producer_impl::ProducerLock;
using producer_impl::remove_store_directory;

namespace {

// With the parents that are missing. Does not check first: what one call says is there may be
// missing for the next one.
int make_directory(const std::filesystem::path& path, std::uint32_t mode) {
    int error = ipc::os::create_directory(path.string(), mode);
    if (error == ENOENT && path.has_parent_path()) {
        std::error_code made;
        std::filesystem::create_directories(path.parent_path(), made);
        error = made ? made.value() : ipc::os::create_directory(path.string(), mode);
    }
    return error;
}

// For people: which part of the path is no directory, if that can be seen.
std::string in_the_way_of(const std::filesystem::path& base) {
    std::filesystem::path part;
    for (const std::filesystem::path& name : base) {
        part /= name;
        std::error_code ignored;
        if (std::filesystem::exists(std::filesystem::symlink_status(part, ignored)) &&
            !std::filesystem::is_directory(std::filesystem::status(part, ignored))) {
            return part.string() + " is no directory: choose another base path, or remove it";
        }
    }
    return {};
}

ipc::FileDescriptor open_base(const std::filesystem::path& base, std::string_view operation) {
    // The shared default is open to all users, as /tmp is; a directory of one's own is not.
    const std::uint32_t mode =
        base == ipc::os::shared_base_path ? ipc::base_directory_mode : ipc::directory_mode;
    const int unmade = make_directory(base, mode);
    auto opened = ipc::os::open_directory(base.string());
    if (opened) {
        return std::move(opened.value);  // no matter which process made it
    }
    if (unmade == 0 || (unmade == EEXIST && opened.error != ENOENT)) {
        ipc::fail_errno(opened.error, operation, base.string(), "cannot open the base directory",
                        in_the_way_of(base));
    }
    ipc::fail_errno(unmade, operation, base.string(), "cannot make the base directory",
                    in_the_way_of(base));
}

// Takes away what creators and removers that died have left under hidden names.
void remove_stale_staging(const ipc::FileDescriptor& base, std::string_view name) {
    const auto entries = ipc::os::list_directory(base.get());
    for (const std::string& entry : entries.value) {
        if (!entry.starts_with(ipc::staging_prefix(name))) {
            continue;
        }
        const auto directory = ipc::os::open_directory_at(base.get(), entry);
        if (!directory) {
            continue;
        }
        // The control file comes after the lock, and goes after it. So if it is seen first and the
        // lock is absent then, this is what a remover has left. With neither there may be a creator
        // at its first acts. A lock bears its name only once it is locked: a free one's owner died.
        const bool has_control =
            static_cast<bool>(ipc::os::status_at(directory.value.get(), ipc::control_file_name));
        const ProducerLock::State lock = ProducerLock::state(directory.value);
        if (lock == ProducerLock::State::free ||
            (lock == ProducerLock::State::absent && has_control)) {
            remove_store_directory(base, entry);
        }
    }
}

class Staging {
public:
    Staging(const ipc::FileDescriptor& base, std::string name)
        : base_(base), name_(std::move(name)) {}
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging() {
        if (made_) {
            try {
                remove_store_directory(base_, name_);
            } catch (const std::bad_alloc&) {
                // The next creator sweeps it.
            }
        }
    }
    void made() noexcept { made_ = true; }
    /// It has the store's name now.
    void done() noexcept { made_ = false; }

private:
    const ipc::FileDescriptor& base_;
    std::string name_;
    bool made_ = false;
};

void write_control(const ipc::FileDescriptor& directory, const ProducerOptions& options,
                   std::uint64_t life, std::string_view operation, const std::string& path) {
    using producer_impl::Region;
    auto file = ipc::os::create_file(directory.get(), ipc::control_file_name, options.access.mode,
                                     options.access.group);
    int error = file.error;
    if (error == 0) {
        error = ipc::os::commit_range(file.value.get(), 0, Region::initial_bytes);
    }
    if (error != 0) {
        std::string hint;
        if (ipc::os::is_full(error)) {
            hint.append("the file system is full: ").append(ipc::os::full_hint);
        } else if (error == EPERM) {
            hint = "this user has to belong to the group of ProducerOptions::access";
        }
        ipc::fail_errno(
            error, operation, path,
            "cannot make a control file of " + std::to_string(Region::initial_bytes) + " bytes",
            hint);
    }
    STRATA_CRASH_POINT("create.control-file");
    const ipc::Mapping mapping(file.value, Region::initial_bytes, ipc::Access::read_write,
                               operation, path);
    auto& identity = *reinterpret_cast<ipc::ControlIdentity*>(mapping.base());
    identity.magic = ipc::control_magic;
    identity.version = ipc::format_version;
    identity.byte_order = ipc::byte_order_mark;
    identity.header_bytes = ipc::control_header_bytes;
    identity.page_bytes = ipc::page_bytes;
    if (const int unknown = ipc::os::random_bytes(identity.store_id, sizeof(identity.store_id))) {
        ipc::fail_errno(unknown, operation, path, "cannot make an id for the store");
    }
    identity.region_max_bytes = options.region_max_bytes;
    identity.control_max_bytes =
        std::min(ipc::max_control_bytes,
                 std::max(options.region_max_bytes, std::uint64_t{Region::initial_bytes}));
    identity.created_at_ns = ipc::os::realtime_ns();
    identity.checksum = ipc::record_checksum(identity);

    STRATA_CRASH_POINT("create.identity-written");
    // Generation 1: the empty store. Its root is the first block.
    constexpr std::uint64_t offset = ipc::control_header_bytes;
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
    ipc::store_release(cells.life, life);
    ipc::store_release(cells.oldest, 1);
    ipc::store_release(cells.epoch, 1);
    ipc::store_release(cells.root, offset);
    STRATA_CRASH_POINT("create.root-stored");
    ipc::store_release(cells.generation, 1);
}

}  // namespace

}  // namespace strata::inline STRATA_ABI_NAMESPACE

namespace strata::producer_impl {

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
    for (const double share : options.pool_shares) {
        if (!(share >= 0 && share <= 1)) {
            refuse("a pool's share is " + std::to_string(share) + ": it has to be from 0 to 1");
        }
    }
    if (options.durability.interval <= std::chrono::milliseconds::zero()) {
        refuse("durability.interval is " + std::to_string(options.durability.interval.count()) +
               " ms: it has to be positive");
    }
    if (options.retain_for < std::chrono::nanoseconds::zero()) {
        refuse("retain_for is " + std::to_string(options.retain_for.count()) +
               " ns: it cannot be negative");
    }
}

CreatedStore create_store(std::string_view name, const ProducerOptions& options) {
    const std::string operation = ipc::operation_on("create", name);
    check_store_name(name);
    check_options(options, operation);
    ipc::FileDescriptor base = open_base(options.base_path, operation);
    const ipc::FileDescriptor& at = base;
    const std::string path = (options.base_path / name).string();
    if (!options.replace && ipc::os::status_at(at.get(), std::string(name))) {
        ipc::fail(Errc::store_exists, operation, path, "there is such a store already",
                  "open it (open, open_or_create), or replace it (ProducerOptions::replace)");
    }
    remove_stale_staging(at, name);

    const std::string staged = producer_impl::staging_name(name);
    const std::string staged_path = (options.base_path / staged).string();
    // Read permission for the control file implies search permission for the directory.
    const std::uint32_t may_read = options.access.mode & 0444U;
    Staging staging(at, staged);  // first: nothing is left if there is no memory for it
    if (const int error = ipc::os::create_directory_at(
            at.get(), staged, options.access.mode | (may_read >> 2), options.access.group)) {
        ipc::fail_errno(error, operation, staged_path, "cannot make the store's directory",
                        error == EACCES ? "choose a base path that this user may write to" : "");
    }
    staging.made();
    STRATA_CRASH_POINT("create.directory");
    auto directory = ipc::os::open_directory_at(at.get(), staged);
    if (!directory) {
        ipc::fail_errno(directory.error, operation, staged_path, "cannot open what was just made");
    }
    ProducerLock lock = ProducerLock::create(directory.value, operation, staged_path);
    STRATA_CRASH_POINT("create.locked");
    // It is alive when it appears.
    ipc::LifeFile life =
        ipc::LifeFile::make(directory.value, 1, options.access, operation, staged_path);
    STRATA_CRASH_POINT("create.alive");
    write_control(directory.value, options, life.number(), operation,
                  staged_path + "/" + ipc::control_file_name);

    STRATA_CRASH_POINT("create.before-rename");
    int error =
        ipc::os::rename_at(at.get(), staged, std::string(name), ipc::os::RenameMode::no_replace);
    while (error == EEXIST && options.replace) {
        try {
            // Its producer must be gone, and stay so until the new one stands in its place.
            const LockedStore old = lock_store(options.base_path, name, Ruins::accept, operation);
            error = ipc::os::rename_at(at.get(), staged, std::string(name),
                                       ipc::os::RenameMode::exchange);
            if (error == 0) {
                STRATA_CRASH_POINT("create.exchanged");
                staging.done();
                remove_and_wake(old.directory, at, staged);  // the old one now bears that name
            }
        } catch (const Error& gone) {  // removed meanwhile
            if (gone.code() != Errc::store_not_found) {
                throw;
            }
            error = ipc::os::rename_at(at.get(), staged, std::string(name),
                                       ipc::os::RenameMode::no_replace);
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
    return {{.base = std::move(base),
             .directory = std::move(directory.value),
             .name = std::string(name),
             .path = path},
            std::move(lock),
            std::move(life)};
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/producer_lock.hpp"

#include <cerrno>
#include <string>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/layout.hpp"

namespace strata::producer_impl {

namespace {

// Byte 0 excludes; byte 2 + pid says who (2: so that it never joins the first into one range).
constexpr std::uint64_t pid_marks = 2;

std::string holder_text(const ipc::FileDescriptor& file) {
    const auto mark =
        ipc::os::find_lock(file.get(), ipc::os::LockType::exclusive, pid_marks, ipc::pid_span)
            .value;
    return mark && mark->start >= pid_marks ? "process " + std::to_string(mark->start - pid_marks)
                                            : std::string("another process");
}

// 0 or an errno.
int lock_file(const ipc::FileDescriptor& file) noexcept {
    if (const int error = ipc::os::set_lock(file.get(), ipc::os::LockType::exclusive, 0, 1)) {
        return error;
    }
    // Only tells people who it is: its failure changes nothing.
    ipc::os::set_lock(file.get(), ipc::os::LockType::exclusive,
                      pid_marks + static_cast<std::uint64_t>(ipc::os::process_id()), 1);
    return 0;
}

}  // namespace

ProducerLock ProducerLock::take(const ipc::StoreDirectory& store, std::string_view operation) {
    const std::string path = store.file(ipc::lock_file_name);
    auto file = ipc::UnsharedFile::open(
        [&] { return ipc::os::open_write(store.directory.get(), ipc::lock_file_name); });
    if (!file) {
        if (file.error == ENOENT) {
            ipc::fail(Errc::not_a_store, operation, path, "the directory has no lock file",
                      "it is no store, or half of one: remove it and create it anew");
        }
        ipc::fail_errno(file.error, operation, path, "cannot open the producer's lock",
                        "only the user who created the store can produce into it");
    }
    // A lock on another kind of file, or on one that has a second name, excludes nobody.
    ipc::trusted_status(file.value.descriptor(),
                        {.any_owner = false, .owner = ipc::os::effective_user()}, operation, path);
    const int error = lock_file(file.value.descriptor());
    if (error == EAGAIN) {
        ipc::fail(Errc::producer_active, operation, path,
                  holder_text(file.value.descriptor()) + " is this store's producer",
                  "a store has one producer at a time: stop that one first, or use another name");
    }
    if (error != 0) {
        ipc::fail_errno(error, operation, path, "cannot lock");
    }
    return ProducerLock(std::move(file.value));
}

ProducerLock ProducerLock::create(const ipc::FileDescriptor& directory, std::string_view operation,
                                  std::string_view path) {
    // Nobody may find it under its name unlocked, as what is left of somebody who died.
    auto file = ipc::UnsharedFile::open([&] {
        return ipc::os::create_file(directory.get(), ipc::new_lock_file_name, ipc::lock_file_mode);
    });
    int error = file ? lock_file(file.value.descriptor()) : file.error;
    if (error == 0) {
        STRATA_CRASH_POINT("create.lock-unnamed");
        error = ipc::os::rename_at(directory.get(), ipc::new_lock_file_name, ipc::lock_file_name,
                                   ipc::os::RenameMode::no_replace);
    }
    if (error != 0) {
        ipc::fail_errno(error, operation, path, "cannot make the producer's lock");
    }
    return ProducerLock(std::move(file.value));
}

void ProducerLock::release() noexcept {
    if (file_ && owner_.of_this_process()) {
        ipc::os::set_lock(file_.descriptor().get(), ipc::os::LockType::unlock, 0,
                          pid_marks + ipc::pid_span);
    }
    file_.close();
}

ProducerLock::State ProducerLock::state(const ipc::FileDescriptor& directory) {
    const auto file = ipc::os::open_write(directory.get(), ipc::lock_file_name);
    if (!file) {
        return file.error == ENOENT ? State::absent : State::held;
    }
    const auto status = ipc::os::status(file.value.get());
    const auto lock = ipc::os::find_lock(file.value.get(), ipc::os::LockType::exclusive, 0, 1);
    const bool known = status && status.value.is_regular && lock;
    return known && !lock.value ? State::free : State::held;
}

}  // namespace strata::producer_impl

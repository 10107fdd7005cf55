// SPDX-License-Identifier: Apache-2.0
#include "volume/staged_directory.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "ipc/files/stage_name.hpp"
#include "ipc/os/named_files.hpp"
#include "volume/failures.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

std::string hidden_name_for(const std::string& name) {
    std::uint64_t number = 0;
    if (os::random_bytes(&number, sizeof(number)) != 0) {
        // It only keeps two from meeting: a name that is taken is refused.
        number = static_cast<std::uint64_t>(os::realtime_ns());
    }
    std::array<char, 20> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
    return std::string(ipc::stage_prefix) + name + "-" + text.data();
}

StagedDirectory::StagedDirectory(const std::filesystem::path& parent, std::string name,
                                 std::string_view operation, std::uint32_t mode)
    : parent_path_(parent),
      name_(std::move(name)),
      operation_(operation),
      hidden_(hidden_name_for(name_)),
      path_(parent / hidden_),
      maker_(os::process_id()) {
    auto opened = os::open_directory(parent.string());
    if (!opened) {
        fail_file(opened.error, operation_, parent, "cannot be opened");
    }
    parent_ = std::move(opened.value);
    // A shared lock: a directory admits no other. Held until the new one has its own; see
    // abandoned_stages().
    if (const int error = os::set_lock(parent_.get(), os::LockType::shared, 0, 1)) {
        fail_file(error, operation_, parent, "cannot be locked");
    }
    if (const int error = os::create_directory_at(parent_.get(), hidden_, mode)) {
        hidden_.clear();
        fail_file(error, operation_, path_, "cannot be made");
    }
    try {
        auto made = os::open_directory_at(parent_.get(), hidden_);
        if (!made) {
            fail_file(made.error, operation_, path_, "cannot be opened");
        }
        directory_ = std::move(made.value);
        if (const int error = os::set_lock(directory_.get(), os::LockType::shared, 0, 1)) {
            fail_file(error, operation_, path_, "cannot be locked");
        }
        if (const int error = os::set_lock(parent_.get(), os::LockType::unlock, 0, 1)) {
            fail_file(error, operation_, parent, "cannot be unlocked");
        }
    } catch (...) {
        discard();
        throw;
    }
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : parent_path_(std::move(other.parent_path_)),
      name_(std::move(other.name_)),
      operation_(std::move(other.operation_)),
      hidden_(std::exchange(other.hidden_, {})),
      path_(std::move(other.path_)),
      parent_(std::move(other.parent_)),
      directory_(std::move(other.directory_)),
      maker_(other.maker_),
      replaced_(other.replaced_) {}

StagedDirectory& StagedDirectory::operator=(StagedDirectory&& other) noexcept {
    std::swap(parent_path_, other.parent_path_);
    std::swap(name_, other.name_);
    std::swap(operation_, other.operation_);
    std::swap(hidden_, other.hidden_);
    std::swap(path_, other.path_);
    std::swap(parent_, other.parent_);
    std::swap(directory_, other.directory_);
    std::swap(maker_, other.maker_);
    std::swap(replaced_, other.replaced_);
    return *this;
}

StagedDirectory::~StagedDirectory() { discard(); }

void StagedDirectory::discard() noexcept {
    if (!hidden_.empty() && !replaced_ && maker_ == os::process_id()) {
        remove_tree(parent_, hidden_);
    }
    hidden_.clear();
}

ipc::FileDescriptor StagedDirectory::create_file(const std::string& name) const {
    auto file = os::create_file(directory_.get(), name, file_mode);
    if (!file) {
        fail_file(file.error, operation_, path_ / name, "cannot be created");
    }
    return std::move(file.value);
}

void StagedDirectory::create_directory(const std::string& name) const {
    if (const int error = os::create_directory_at(directory_.get(), name, directory_mode)) {
        fail_file(error, operation_, path_ / name, "cannot be made");
    }
}

void StagedDirectory::write_file(const std::string& name, std::string_view text) const {
    ipc::FileDescriptor file = create_file(name);
    const auto done = os::write_all(file.get(), text.data(), text.size());
    int error = done.error;
    error = error != 0 ? error : os::sync_data(file.get());
    error = error != 0 ? error : os::close_file(std::move(file));
    if (error != 0) {
        fail_file(error, operation_, target() / name, "cannot be written");
    }
}

void StagedDirectory::sync() const {
    if (const int error = os::sync_directory(directory_.get())) {
        fail_file(error, operation_, path_, "is not known to be durable");
    }
}

void StagedDirectory::sync_parent() const {
    if (const int error = os::sync_directory(parent_.get())) {
        fail_file(error, operation_, target(), "is in its place, which is not known to be durable");
    }
}

void StagedDirectory::publish_new() {
    sync();
    if (const int error =
            os::rename_at(parent_.get(), hidden_, name_, os::RenameMode::no_replace)) {
        fail_file(error, operation_, target(), "cannot be put in its place");
    }
    hidden_.clear();
    sync_parent();
}

bool StagedDirectory::publish() {
    sync();
    int error = os::rename_at(parent_.get(), hidden_, name_, os::RenameMode::no_replace);
    if (error == EEXIST) {
        // What gets the hidden name has no lock of its own: see abandoned_stages().
        error = os::set_lock(parent_.get(), os::LockType::shared, 0, 1);
        if (error != 0) {
            fail_file(error, operation_, parent_path_, "cannot be locked");
        }
        error = os::rename_at(parent_.get(), hidden_, name_, os::RenameMode::exchange);
        replaced_ = error == 0;
    }
    if (error != 0) {
        fail_file(
            error, operation_, target(), "cannot be put in its place",
            error == EINVAL ? "the file system cannot exchange two names: use another one" : "");
    }
    if (!replaced_) {
        hidden_.clear();
    }
    return replaced_;
}

void StagedDirectory::release_replaced() const noexcept {
    os::set_lock(parent_.get(), os::LockType::unlock, 0, 1);
}

int remove_tree(const ipc::FileDescriptor& parent, const std::string& name) noexcept {
    try {
        const auto directory = os::open_directory_at(parent.get(), name);
        if (!directory) {
            const bool is_file = directory.error == ENOTDIR || directory.error == ELOOP;
            return is_file ? os::remove_file(parent.get(), name) : directory.error;
        }
        const auto names = os::list_directory(directory.value.get());
        int first_error = names.error;
        for (const std::string& entry : names.value) {
            const int file_error = os::remove_file(directory.value.get(), entry);
            const bool is_directory = file_error == EISDIR || file_error == EPERM;
            const int error = is_directory ? remove_tree(directory.value, entry) : file_error;
            first_error = first_error != 0 ? first_error : error;
        }
        const int error = os::remove_directory(parent.get(), name);
        return first_error != 0 ? first_error : error;
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
}

namespace {

// What somebody else has left may be in use in a way that is not ours to know, and where everybody
// may write it may be bait.
bool is_own(const ipc::FileDescriptor& directory, const ipc::FileDescriptor& stage) {
    const auto status = os::status(stage.get());
    if (!status) {
        return false;
    }
    const std::uint32_t user = os::effective_user();
    if (status.value.owner == user) {
        return true;
    }
    const auto above = os::status(directory.get());
    return user == 0 && above && above.value.owner == status.value.owner;
}

}  // namespace

std::vector<std::string> abandoned_stages(const std::filesystem::path& directory, Leftovers which) {
    constexpr std::string_view operation = "look for leftovers";
    const auto opened = os::open_directory(directory.string());
    if (!opened) {
        fail_file(opened.error, operation, directory, "cannot be opened");
    }
    const auto names = os::list_directory(opened.value.get());
    if (!names) {
        fail_file(names.error, operation, directory, "cannot be listed");
    }
    // The builder of a stage holds a lock on the parent until the stage itself is locked. So a
    // stage that was listed, and is not locked once the parent was seen unlocked, has no builder
    // any more. Who exchanges two holds it until the replaced one has gone: a name that led to that
    // one, with the parent unlocked afterwards, is abandoned or gone.
    const auto is_unlocked = [](const ipc::FileDescriptor& file) {
        const auto held = os::find_lock(file.get(), os::LockType::exclusive, 0, 1);
        return held && !held.value;
    };
    std::vector<std::string> abandoned;
    if (!is_unlocked(opened.value)) {
        return abandoned;  // a later call will tell
    }
    for (const std::string& name : names.value) {
        const auto stage = name.starts_with(ipc::stage_prefix)
                               ? os::open_directory_at(opened.value.get(), name)
                               : os::Result<ipc::FileDescriptor>{{}, ENOENT};
        if (stage && is_unlocked(stage.value) &&
            (which == Leftovers::all || is_own(opened.value, stage.value))) {
            abandoned.push_back(name);
        }
    }
    if (!is_unlocked(opened.value)) {
        abandoned.clear();
    }
    return abandoned;
}

void remove_abandoned_stages(const std::filesystem::path& directory, std::string_view operation,
                             const std::function<bool(const std::string&)>& wanted) {
    std::vector<std::string> abandoned = abandoned_stages(directory, Leftovers::own);
    std::erase_if(abandoned, [&](const std::string& name) { return !wanted(name); });
    if (abandoned.empty()) {
        return;
    }
    const auto opened = os::open_directory(directory.string());
    for (const std::string& name : abandoned) {
        const int error = opened ? remove_tree(opened.value, name) : opened.error;
        if (error != 0 && error != ENOENT) {
            fail_file(error, operation, directory / name,
                      "was left half made and cannot be removed");
        }
    }
}

}  // namespace strata::volume_impl

// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/audit_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::ipc {

namespace {

constexpr std::string_view operation = "open audit log";
constexpr std::uint32_t permissions = 0640;
constexpr std::uint64_t least_bytes = 4096;
constexpr unsigned most_kept = 1000;

[[noreturn]] void fail_open(int error, const std::filesystem::path& path, std::string what) {
    if (error == ENOENT || error == ENOTDIR) {
        fail(error == ENOENT ? Errc::file_not_found : Errc::not_trusted, operation, path.string(),
             std::move(what), "its directory must be there");
    }
    fail_errno(error, operation, path.string(), std::move(what));
}

bool is_same(const os::FileStatus& a, const os::FileStatus& b) noexcept {
    return a.device == b.device && a.inode == b.inode;
}

}  // namespace

AuditFile::AuditFile(const AuditOptions& options)
    : name_(options.path.filename().string()),
      max_bytes_(options.max_bytes),
      kept_files_(options.kept_files) {
    if (name_.empty() || max_bytes_ < least_bytes || kept_files_ > most_kept) {
        fail(Errc::invalid_argument, operation, options.path.string(),
             name_.empty() ? "names no file"
                           : "max_bytes is " + std::to_string(max_bytes_) + " (at least 4096), " +
                                 "kept_files " + std::to_string(kept_files_) + " (at most 1000)");
    }
    const std::filesystem::path parent =
        options.path.has_parent_path() ? options.path.parent_path() : std::filesystem::path(".");
    auto opened = os::open_directory(parent.string());
    if (!opened) {
        fail_open(opened.error, parent, "cannot be opened");
    }
    directory_ = std::move(opened.value);
    if (const int error = reopen()) {
        if (error == EINVAL) {
            fail(Errc::not_trusted, operation, options.path.string(), "is no regular file");
        }
        fail_open(error, options.path, "cannot be opened for appending");
    }
}

int AuditFile::reopen() {
    auto opened = os::open_file(directory_.get(), name_, os::FileMode::append, permissions);
    const auto status =
        opened ? os::status(opened.value.get()) : os::Result<os::FileStatus>{{}, opened.error};
    if (!status || !status.value.is_regular) {
        return status ? EINVAL : status.error;
    }
    file_ = std::move(opened.value);
    reader_ = os::open_file(directory_.get(), name_, os::FileMode::read).value;
    const auto read = reader_ ? os::status(reader_.get()) : os::Result<os::FileStatus>{{}, EBADF};
    if (!read || !is_same(read.value, status.value)) {
        reader_ = {};
    }
    known_ = 0;
    torn_ = false;
    return 0;
}

// Whether the name still leads to our file: somebody may have rotated it, or removed it.
os::Result<bool> AuditFile::is_named() const {
    const auto named = os::identity_at(directory_.get(), name_);
    const auto ours = os::status(file_.get());
    if (named.error == ENOENT) {
        return {false};
    }
    if (!named || !ours) {
        return {false, named ? ours.error : named.error};
    }
    return {is_same(named.value.status, ours.value)};
}

int AuditFile::follow_name() {
    const auto named = is_named();
    return !named || named.value ? named.error : reopen();
}

std::string AuditFile::numbered(unsigned number) const {
    return number == 0 ? name_ : name_ + "." + std::to_string(number);
}

// Another process has it for as long as a write takes. Who has it longer was stopped, or only reads
// the log: that is waited for once. 0, EAGAIN, or another errno: there are no locks here.
int AuditFile::lock() {
    constexpr int most_tries = 100;
    int error = EAGAIN;
    for (int tries = 0; error == EAGAIN && tries < (patient_ ? most_tries : 1); ++tries) {
        if (tries > 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        error = os::set_lock(file_.get(), os::LockType::exclusive, 0, 1);
    }
    patient_ = error != EAGAIN;
    return error;
}

// Not left to closing it: a child that was forked meanwhile has the lock, too.
void AuditFile::unlock() const { os::set_lock(file_.get(), os::LockType::unlock, 0, 1); }

os::Result<bool> AuditFile::is_full(std::size_t more_bytes) const {
    const auto status = os::status(file_.get());
    return {status.value.size_bytes > 0 && status.value.size_bytes + more_bytes > max_bytes_,
            status.error};
}

// Makes sure that the open file bears the name and has room, or opens a new one. True: locked.
os::Result<bool> AuditFile::take_turn(std::size_t bytes) {
    constexpr int most_rounds = 16;
    for (int round = 0; round < most_rounds; ++round) {
        if (const int error = follow_name()) {
            return {false, error};
        }
        const int locked = lock();
        if (locked == EAGAIN) {
            break;
        }
        const auto named = is_named();
        const auto full = is_full(bytes);
        int error = named ? full.error : named.error;
        if (error == 0 && named.value && !full.value) {
            return {locked == 0};
        }
        if (error == 0 && named.value) {
            error = rotate();
        } else {
            unlock();  // another one has rotated it while we waited
        }
        if (error != 0) {
            return {false, error};
        }
    }
    return {false};
}

// With the lock, if there are locks; releases it.
int AuditFile::rotate() {
    int error = 0;
    if (kept_files_ == 0) {
        error = os::remove_file(directory_.get(), name_);
    }
    for (unsigned number = kept_files_; number > 0; --number) {
        error = os::rename_over(directory_.get(), numbered(number - 1), numbered(number));
        error = error == ENOENT ? 0 : error;  // of an older one: a gap is better than no log
    }
    unlock();
    if (error == 0) {
        ++rotations_;
        error = reopen();
    }
    return error;
}

// With the lock. What a process that was killed had written of its line is cut off: else the next
// line would end it. What nobody of us has written stays, and is ended. Returns the bytes left.
std::uint64_t AuditFile::without_torn_line(std::uint64_t size_bytes) {
    constexpr std::uint64_t longest = 4096;  // what a line takes at most, and more
    constexpr std::string_view beginning = "{\"time\":\"";
    if (size_bytes == known_ || size_bytes == 0 || !reader_) {
        torn_ = torn_ && size_bytes != 0;
        return size_bytes;
    }
    std::string end(static_cast<std::size_t>(std::min(size_bytes, longest)), '\0');
    const auto read =
        os::read_up_to(reader_.get(), end.data(), end.size(), size_bytes - end.size());
    if (!read || read.value != end.size()) {
        return size_bytes;
    }
    const std::size_t line = end.rfind('\n') + 1;  // 0: there is none
    const std::string_view torn = std::string_view(end).substr(line);
    const bool ours = (line > 0 || end.size() == size_bytes) &&
                      torn.starts_with(beginning.substr(0, torn.size()));
    const bool cut =
        ours && !torn.empty() && os::truncate_file(file_.get(), size_bytes - torn.size()) == 0;
    torn_ = !torn.empty() && !cut;
    return cut ? size_bytes - torn.size() : size_bytes;
}

int AuditFile::write(std::string_view lines, bool locked) {
    const auto status = os::status(file_.get());
    if (!status) {
        return status.error;
    }
    const std::uint64_t size_bytes =
        locked ? without_torn_line(status.value.size_bytes) : status.value.size_bytes;
    const std::string begun = (torn_ ? "\n" : "") + std::string(lines);
    const auto done = os::write_all(file_.get(), begun.data(), begun.size());
    if (done) {
        torn_ = false;
        known_ = locked ? size_bytes + begun.size() : 0;
        return 0;
    }
    // Cut off what was written, unless somebody else has written behind it.
    const auto now = os::status(file_.get());
    const bool ours = now && now.value.size_bytes == size_bytes + done.value;
    if (done.value > 0 && (!ours || os::truncate_file(file_.get(), size_bytes) != 0)) {
        torn_ = true;
        known_ = 0;
    }
    return done.error;
}

int AuditFile::append(std::string_view lines) {
    struct Unlocked {
        const AuditFile& file;
        ~Unlocked() { file.unlock(); }
    };
    const Unlocked at_the_end{*this};  // also if there is no memory
    const auto locked = take_turn(lines.size());
    return locked ? write(lines, locked.value) : locked.error;
}

}  // namespace strata::ipc

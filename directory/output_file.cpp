// SPDX-License-Identifier: Apache-2.0
#include "directory/output_file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "directory/failures.hpp"
#include "directory/unpublished.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace os = ipc::os;

std::string unpublished_name() {
    std::uint64_t number = 0;
    os::random_bytes(&number, sizeof(number));
    std::array<char, 20> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
    return std::string(unpublished_prefix) + text.data();
}

std::unique_ptr<OutputFile> OutputFile::create(std::shared_ptr<DirectoryState> directory,
                                               std::string_view name) {
    check_file_name("create", name);
    auto made = std::make_unique<OutputFile>(std::move(directory), std::string(name));
    auto file =
        os::open_file(made->directory_->descriptor().get(), made->name_, os::FileMode::create);
    if (!file) {
        fail_file(file.error, "create", made->path(), "cannot be created");
    }
    made->file_ = std::move(file.value);
    return made;
}

std::unique_ptr<OutputFile> OutputFile::append(std::shared_ptr<DirectoryState> directory,
                                               std::string_view name) {
    check_file_name("append to", name);
    auto made = std::make_unique<OutputFile>(std::move(directory), std::string(name));
    const auto check = [&](const os::Result<os::FileIdentity>& found) {
        if (!found) {
            fail_file(found.error, "append to", made->path(), "cannot be looked at");
        }
        if (!found.value.status.is_regular) {
            ipc::fail(Errc::invalid_argument, "append to", made->path(), "is no regular file");
        }
    };
    const DirectoryState& where = *made->directory_;
    if (const auto there = where.identity_of(made->name_); there || there.error != ENOENT) {
        check(there);  // before it is opened: a fifo's reader would notice
    }
    auto file = os::open_file(where.descriptor().get(), made->name_, os::FileMode::append);
    if (!file) {
        fail_file(file.error, "append to", made->path(), "cannot be opened");
    }
    const auto found = os::identity(file.value.get());
    check(found);
    made->written_ = found.value.status.size_bytes;
    made->file_ = std::move(file.value);
    return made;
}

std::unique_ptr<OutputFile> OutputFile::replace(std::shared_ptr<DirectoryState> directory,
                                                std::string_view name) {
    check_file_name("replace", name);
    auto made = std::make_unique<OutputFile>(std::move(directory), std::string(name));
    const DirectoryState& where = *made->directory_;
    const auto replaced = where.identity_of(made->name_);
    if (!replaced && !leads_nowhere(replaced.error)) {
        fail_file(replaced.error, "replace", made->path(), "cannot be looked at");
    }
    if (replaced && !replaced.value.status.is_regular) {
        ipc::fail(Errc::invalid_argument, "replace", made->path(), "is no regular file");
    }
    std::string unpublished = unpublished_name();
    constexpr std::uint32_t permissions = 0777;
    const std::uint32_t mode = replaced ? replaced.value.status.mode & permissions : 0666;
    auto file = os::open_file(where.descriptor().get(), unpublished, os::FileMode::create, mode);
    if (!file) {
        fail_file(file.error, "replace", made->path(), "no file can be created beside it");
    }
    made->unpublished_ = std::move(unpublished);
    made->file_ = std::move(file.value);
    if (replaced) {
        if (const int error = os::set_access(made->file_.get(), mode, {})) {  // the umask took some
            made->discard();
            fail_file(error, "replace", made->path(), "its mode cannot be kept");
        }
    }
    return made;
}

OutputFile::~OutputFile() {
    // In a forked child the buffer is its parent's, as is the file beside the name.
    if (process_.of_this_process() && unpublished_.empty() && file_ && !failure_) {
        try {
            close();
        } catch (const std::exception&) {  // who wants to know calls close
        }
    }
    discard();
}

void OutputFile::write(std::span<const std::byte> bytes) {
    check_usable();
    if (bytes.size() >= buffer_bytes - buffer_.size()) {
        flush();
        if (bytes.size() >= buffer_bytes) {
            put(bytes.data(), bytes.size());
            return;
        }
    }
    if (buffer_.capacity() < buffer_bytes) {
        buffer_.reserve(buffer_bytes);
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void OutputFile::sync() {
    flush();
    if (const int error = os::sync_data(file_.get())) {
        // What the kernel could not write it may have forgotten: a second sync proves nothing.
        fail(error, "sync", "is not known to be durable");
    }
}

void OutputFile::close() {
    flush();
    if (!unpublished_.empty()) {
        ipc::fail(Errc::invalid_argument, "close", path(),
                  "replaces a file: publish it, or destroy it to leave things as they are");
    }
    close_file();
}

void OutputFile::publish() {
    check_usable();
    if (unpublished_.empty()) {
        ipc::fail(Errc::invalid_argument, "publish", path(),
                  "has its name already: only what `replace` makes is published");
    }
    sync();
    close_file();
    const ipc::FileDescriptor& directory = directory_->descriptor();
    if (const int error = os::rename_over(directory.get(), unpublished_, name_)) {
        fail(error, "publish", "cannot be put in its place");
    }
    unpublished_.clear();
    if (const int error = os::sync_directory(directory.get())) {
        fail(error, "publish", "is in its place, which is not known to be durable");
    }
}

void OutputFile::fail(int error, std::string_view operation, std::string detail) {
    try {
        fail_file(error, operation, path(), std::move(detail));
    } catch (const Error& made) {
        failure_ = made;
        throw;
    }
}

void OutputFile::check_usable() const {
    if (!process_.of_this_process()) {
        ipc::fail(Errc::wrong_process, "write", path(), "belongs to the process that opened it",
                  "a forked child opens its own");
    }
    if (failure_) {
        throw Error(*failure_);
    }
    if (!file_) {
        ipc::fail(Errc::invalid_argument, "write", path(), "was closed before");
    }
}

void OutputFile::put(const std::byte* bytes, std::size_t size) {
    const auto done = os::write_all(file_.get(), bytes, size);
    written_ += done.value;
    if (!done) {
        fail(done.error, "write",
             std::to_string(size - done.value) + " bytes at " + std::to_string(written_) +
                 " cannot be written");
    }
}

void OutputFile::flush() {
    check_usable();
    put(buffer_.data(), buffer_.size());
    buffer_.clear();
}

void OutputFile::close_file() {
    if (const int error = os::close_file(std::move(file_))) {
        fail(error, "close", "was closed, but what was written may be lost");
    }
}

void OutputFile::discard() noexcept {
    file_.reset();
    if (!unpublished_.empty() && process_.of_this_process()) {
        os::remove_file(directory_->descriptor().get(), unpublished_);
        unpublished_.clear();
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

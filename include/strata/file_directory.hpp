// SPDX-License-Identifier: Apache-2.0
// What mapped and buffered directories have in common: listing, opening, writing, renaming. What is
// written through one kind is read through the other.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/detail/lifetime.hpp"
#include "strata/file_output.hpp"
#include "strata/mapped_input.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace detail {
class DirectoryState;
}

struct FileEntry {
    std::string name{};
    std::uint64_t size = 0;
};

struct OpenOptions {
    ReadContext context = ReadContext::normal;
    bool preload = false;  ///< as MappedInput::preload, before `open` returns
};

/// What `rename` does with a file that has the new name.
enum class ExistingFile : unsigned char { replace, keep };

/// A directory of files. Names are single components: 1 to 255 bytes, no '/', not "." or "..".
/// Links are followed. Made as a MappedDirectory or a BufferedDirectory, which add no state:
/// copies, also as this type, are the same directory. All functions may be called from any thread.
/// Inputs and outputs live on without it. The right to search the directory is enough to open
/// files; `list`, `sync` and `publish` need the right to read it as well.
///
/// Errors of all functions that take a name: invalid_name, file_not_found, permission_denied,
/// limit_exceeded (too many open descriptors, with their number), system (errno_value() says
/// which); of those that change something also no_space. What else there is stands at each
/// function. An error is never taken for "there is none". Names that there is no memory for:
/// std::bad_alloc.
class FileDirectory {
public:
    ~FileDirectory();
    FileDirectory(const FileDirectory&) noexcept;
    FileDirectory& operator=(const FileDirectory&) noexcept;

    [[nodiscard]] const std::filesystem::path& path() const noexcept STRATA_LIFETIME_BOUND;

    /// The regular files, by name; without links that lead nowhere, or to where one may not look.
    [[nodiscard]] std::vector<FileEntry> list() const;
    /// Of a regular file; others are an invalid_argument.
    [[nodiscard]] std::uint64_t size(std::string_view name) const;
    /// Whether it is a regular file. False for a link that leads nowhere: to no name, to itself.
    [[nodiscard]] bool exists(std::string_view name) const;
    /// A regular file (else invalid_argument). Throws truncated if a small one ends before its
    /// size, limit_exceeded if a limit is in the way and there is no fallback, and what the
    /// options' functions throw; with `preload` what that throws.
    [[nodiscard]] MappedInput open(std::string_view name, const OpenOptions& options = {}) const;
    /// Of a whole file, without an input of it. Throws as MappedInput::residency and `open` do.
    [[nodiscard]] Residency residency(std::string_view name) const;

    /// A new file; file_exists if there is one of that name. Mode 0666 less the umask.
    [[nodiscard]] FileOutput create(std::string_view name) const;
    /// At the end of a regular file (else invalid_argument), which is made if there is none.
    [[nodiscard]] FileOutput append(std::string_view name) const;
    /// A file that takes the name, from another one or for the first time, when it is published. It
    /// has the permissions of what it replaces (without access lists), but its own owner and group;
    /// of a link it takes the place, and leaves the file that the link named. What is neither is an
    /// invalid_argument.
    [[nodiscard]] FileOutput replace(std::string_view name) const;
    /// A whole file at once, by `replace`: seen complete or not at all, and durable. Throws as
    /// `replace` and FileOutput::publish do.
    void write_file(std::string_view name, std::span<const std::byte> bytes) const;
    void write_file(std::string_view name, std::string_view text) const {
        write_file(name, std::as_bytes(std::span(text)));
    }
    /// Atomic; of a link the link itself. With `keep`: file_exists if there is a file `to`; system
    /// on file systems that cannot say so atomically. Subdirectories are no files of this one: as
    /// `from` or `to` they are an invalid_argument. (One that takes the name `from` in this very
    /// moment is renamed nevertheless: the kernel knows no other way.)
    void rename(std::string_view from, std::string_view to,
                ExistingFile existing = ExistingFile::replace) const;
    /// Inputs of it stay readable. Of a link the link itself; a subdirectory is an
    /// invalid_argument.
    void remove(std::string_view name) const;
    /// Makes the names durable: those created, renamed and removed so far (fsync of the directory).
    void sync() const;
    /// And the content of these files, no matter who wrote and closed them. Throws as `open` does
    /// as well.
    void sync(std::span<const std::string> names) const;
    /// Removes files that `replace` created and that were never published, left over by processes
    /// that ended; only those not written for so long, as others may be at work. Returns how many.
    std::size_t remove_unpublished(std::chrono::seconds not_written_for) const;

protected:
    explicit FileDirectory(std::shared_ptr<detail::DirectoryState> state) noexcept;

    std::shared_ptr<detail::DirectoryState> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

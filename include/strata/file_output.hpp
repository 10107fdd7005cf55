// SPDX-License-Identifier: Apache-2.0
// Writing a file of a directory from its beginning to its end, through a buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace detail {
class OutputFile;
}

/// One file that is being written. For one thread at a time, and for the process that opened it: in
/// a forked child it writes nothing, and calls throw wrong_process. One that was moved from may
/// only be destroyed or assigned to.
///
/// Errors: no_space (disk, quota, file size limit), system; they name the file. invalid_argument
/// after `close` and `publish`; std::bad_alloc if there is no memory for the buffer of 64 KiB, at
/// the first small write. What was written before stays in the file. A write that failed may have
/// written a part; every later call throws the same error again, so that the file is not taken for
/// whole. Beyond `ulimit -f` the kernel sends SIGXFSZ, which ends the process unless it is ignored;
/// then it is an error.
class FileOutput {
public:
    FileOutput(FileOutput&& other) noexcept;
    FileOutput& operator=(FileOutput&& other) noexcept;
    /// Closes it as `close` does, but says nothing if that fails; a file made by `replace` that was
    /// not published is removed.
    ~FileOutput();

    void write(std::span<const std::byte> bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
    void write_u8(std::uint8_t value);
    void write_u16_le(std::uint16_t value);
    void write_u16_be(std::uint16_t value);
    void write_u32_le(std::uint32_t value);
    void write_u32_be(std::uint32_t value);
    void write_u64_le(std::uint64_t value);
    void write_u64_be(std::uint64_t value);
    /// As MappedInput::read_varint and read_string have them.
    void write_varint(std::uint64_t value);
    void write_string(std::string_view text);

    /// Size of the file once all is written: the bytes that an appended file had, and ours.
    [[nodiscard]] std::uint64_t position() const noexcept;

    /// Gives the buffer to the kernel: inputs opened from now on have these bytes.
    void flush();
    /// And has the kernel put the content on the disk (fdatasync).
    void sync();
    /// Flushes and closes; throws also what only closing tells (NFS, FUSE, quota). Nothing may be
    /// written afterwards. invalid_argument for what `replace` made, which is published.
    void close();
    /// Of a file made by FileDirectory::replace: syncs it, puts it in the place of the name, and
    /// syncs the directory. Readers see the old file or the new one, whole, also after a crash.
    /// invalid_argument for other files; permission_denied, limit_exceeded (descriptors) as well,
    /// as the directory is opened.
    void publish();

private:
    friend class FileDirectory;
    explicit FileOutput(std::unique_ptr<detail::OutputFile> state) noexcept;
    detail::OutputFile& state() const noexcept;

    std::unique_ptr<detail::OutputFile> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
// A file that is being written, for a FileOutput: buffered; under its name from the beginning, or
// beside it until it is published. The first failed write, sync or close is its last: from then on
// everything fails as that did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "directory/directory_state.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/error.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

class OutputFile {
public:
    /// A new file; there must be none of that name.
    static std::unique_ptr<OutputFile> create(std::shared_ptr<DirectoryState> directory,
                                              std::string_view name);
    /// At the end of the file of that name, or a new one.
    static std::unique_ptr<OutputFile> append(std::shared_ptr<DirectoryState> directory,
                                              std::string_view name);
    /// A new file that gets the name when it is published.
    static std::unique_ptr<OutputFile> replace(std::shared_ptr<DirectoryState> directory,
                                               std::string_view name);

    OutputFile(std::shared_ptr<DirectoryState> directory, std::string name) noexcept
        : directory_(std::move(directory)), name_(std::move(name)) {}
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    /// Closes what has its name, removes what was not published; in a forked child neither.
    ~OutputFile();

    void write(std::span<const std::byte> bytes);
    std::uint64_t position() const noexcept { return written_ + buffer_.size(); }
    void flush();
    void sync();
    void close();
    void publish();

private:
    static constexpr std::size_t buffer_bytes = 64 << 10;

    std::string path() const { return directory_->path_of(name_); }
    [[noreturn]] void fail(int error, std::string_view operation, std::string detail);
    void check_usable() const;
    void put(const std::byte* bytes, std::size_t size);
    void close_file();
    void discard() noexcept;

    std::shared_ptr<DirectoryState> directory_;
    std::string name_;         // that it has, or will have
    std::string unpublished_;  // that it has until then; else empty
    ipc::FileDescriptor file_;
    ipc::ProcessMark process_{};
    std::uint64_t written_ = 0;  // size of the file
    std::vector<std::byte> buffer_{};
    std::optional<Error> failure_{};
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail

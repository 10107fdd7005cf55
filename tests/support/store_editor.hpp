// SPDX-License-Identifier: Apache-2.0
// Editing a store's files behind everybody's back, for tests of what readers make of bad bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layout.hpp"

namespace strata::test {

/// One file, read and written in place (the inode stays, so mappings of it see the change).
class FileEditor {
public:
    explicit FileEditor(const std::filesystem::path& path)
        : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
        if (fd_ < 0) throw std::runtime_error("cannot edit " + path.string());
    }
    FileEditor(const FileEditor&) = delete;
    FileEditor& operator=(const FileEditor&) = delete;
    ~FileEditor() { ::close(fd_); }

    std::uint64_t size() const { return static_cast<std::uint64_t>(::lseek(fd_, 0, SEEK_END)); }
    void truncate(std::uint64_t bytes) {
        if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) throw std::runtime_error("ftruncate");
    }
    template <class T>
    T read(std::uint64_t offset) const {
        T value;
        if (::pread(fd_, &value, sizeof(value), static_cast<off_t>(offset)) != sizeof(value)) {
            throw std::runtime_error("pread");
        }
        return value;
    }
    template <class T>
    void write(std::uint64_t offset, const T& value) {
        if (::pwrite(fd_, &value, sizeof(value), static_cast<off_t>(offset)) != sizeof(value)) {
            throw std::runtime_error("pwrite");
        }
    }
    /// Changes a record and gives it the checksum of what it says then.
    template <class Record, class Change>
    void forge(std::uint64_t offset, Change change) {
        auto record = read<Record>(offset);
        change(record);
        record.checksum = ipc::record_checksum(record);
        write(offset, record);
    }

private:
    int fd_;
};

/// The control file of a store that nobody produces into.
class ControlEditor : public FileEditor {
public:
    explicit ControlEditor(const std::filesystem::path& store)
        : FileEditor(store / "control.mmap") {}

    ipc::ControlCells cells() const { return read<ipc::ControlCells>(ipc::cells_offset); }
    template <class Change>
    void change_cells(Change change) {
        ipc::ControlCells changed = cells();
        change(changed);
        write(ipc::cells_offset, changed);
    }
    template <class Change>
    void forge_identity(Change change) {
        forge<ipc::ControlIdentity>(0, std::move(change));
    }
    std::uint64_t root_offset() const { return cells().root; }
    ipc::RootRecord root() const { return read<ipc::RootRecord>(root_offset()); }
    template <class Change>
    void forge_root(Change change) {
        forge<ipc::RootRecord>(root_offset(), std::move(change));
    }
    /// Of the store's only dimension: its record hangs directly in the root.
    std::uint64_t record_offset() const {
        const std::uint64_t entry = root().directory;
        if (ipc::entry_kind(entry) != ipc::EntryKind::layer) {
            throw std::runtime_error("the store has not exactly one dimension");
        }
        return ipc::entry_offset(entry);
    }
    ipc::DimensionRecord record() const { return read<ipc::DimensionRecord>(record_offset()); }
    template <class Change>
    void forge_record(Change change) {
        forge<ipc::DimensionRecord>(record_offset(), std::move(change));
    }
};

inline std::string contents_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_contents(const std::filesystem::path& path, const std::string& contents) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
}

}  // namespace strata::test

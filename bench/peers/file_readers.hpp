// SPDX-License-Identifier: Apache-2.0
// Ways to read a file, with one interface: seek, read, one byte, one word. Not virtual: a call a
// byte would hide the rest.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include <strata/buffered_directory.hpp>
#include <strata/mapped_directory.hpp>

namespace strata::bench {

class Descriptor {
public:
    explicit Descriptor(const std::filesystem::path& file)
        : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (fd_ < 0) throw std::runtime_error("cannot open " + file.string());
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { ::close(fd_); }
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

/// What one would write by hand: a buffer, filled by pread(2). Larger reads go past it. The
/// descriptor is shared by all readers of the file.
class PreadReader {
public:
    /// Reads that exceed the buffer go past it, in calls of up to `most_bytes`.
    PreadReader(std::shared_ptr<const Descriptor> file, std::size_t buffer_bytes,
                std::size_t most_bytes = SIZE_MAX)
        : file_(std::move(file)),
          capacity_(buffer_bytes),
          most_bytes_(most_bytes),
          buffer_(new std::byte[buffer_bytes]) {}

    void seek(std::uint64_t position) {
        if (position - buffer_at_ <= end_) {
            next_ = static_cast<std::size_t>(position - buffer_at_);
        } else {
            buffer_at_ = position;
            next_ = end_ = 0;
        }
    }
    std::uint8_t u8() {
        if (next_ == end_) [[unlikely]] {
            refill();
        }
        return static_cast<std::uint8_t>(buffer_[next_++]);
    }
    std::uint64_t u64() {
        std::uint64_t value = 0;
        read({reinterpret_cast<std::byte*>(&value), sizeof value});
        return value;
    }
    void read(std::span<std::byte> out) {
        if (out.size() <= end_ - next_) [[likely]] {
            std::memcpy(out.data(), buffer_.get() + next_, out.size());
            next_ += out.size();
        } else {
            read_across(out);
        }
    }

private:
    [[gnu::noinline]] void refill() {
        buffer_at_ += end_;
        end_ = fetch({buffer_.get(), capacity_}, buffer_at_);
        next_ = 0;
        if (end_ == 0) throw std::runtime_error("end of file");
    }
    [[gnu::noinline]] void read_across(std::span<std::byte> out) {
        const std::size_t have = end_ - next_;
        std::memcpy(out.data(), buffer_.get() + next_, have);
        next_ = end_;
        out = out.subspan(have);
        if (out.size() >= capacity_) {
            buffer_at_ += end_;
            next_ = end_ = 0;
            while (!out.empty()) {
                const std::span<std::byte> part = out.first(std::min(out.size(), most_bytes_));
                if (fetch(part, buffer_at_) != part.size()) throw std::runtime_error("pread");
                buffer_at_ += part.size();
                out = out.subspan(part.size());
            }
            return;
        }
        refill();
        std::memcpy(out.data(), buffer_.get(), out.size());
        next_ = out.size();
    }
    std::size_t fetch(std::span<std::byte> out, std::uint64_t at) const {
        const ssize_t got = ::pread(file_->get(), out.data(), out.size(), static_cast<off_t>(at));
        return got > 0 ? static_cast<std::size_t>(got) : 0;
    }

    std::shared_ptr<const Descriptor> file_;
    std::size_t capacity_;
    std::size_t most_bytes_;
    std::unique_ptr<std::byte[]> buffer_;
    std::uint64_t buffer_at_ = 0;
    std::size_t next_ = 0;
    std::size_t end_ = 0;
};

class StrataReader {
public:
    explicit StrataReader(MappedInput input) : input_(std::move(input)) {}
    void seek(std::uint64_t position) { input_.seek(position); }
    std::uint8_t u8() { return input_.read_u8(); }
    std::uint64_t u64() { return input_.read_u64_le(); }
    void read(std::span<std::byte> out) { input_.read(out); }

private:
    MappedInput input_;
};

/// C's streams, with their own buffer of 4 KiB.
class FreadReader {
public:
    explicit FreadReader(const std::filesystem::path& file)
        : file_(std::fopen(file.c_str(), "rb"), &std::fclose) {}
    void seek(std::uint64_t position) {
        ::fseeko(file_.get(), static_cast<off_t>(position), SEEK_SET);
    }
    std::uint8_t u8() { return static_cast<std::uint8_t>(::getc_unlocked(file_.get())); }
    std::uint64_t u64() {
        std::uint64_t value = 0;
        read({reinterpret_cast<std::byte*>(&value), sizeof value});
        return value;
    }
    void read(std::span<std::byte> out) {
        if (std::fread(out.data(), 1, out.size(), file_.get()) != out.size()) {
            throw std::runtime_error("fread");
        }
    }

private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

class IfstreamReader {
public:
    explicit IfstreamReader(const std::filesystem::path& file) : file_(file, std::ios::binary) {}
    void seek(std::uint64_t position) { file_.seekg(static_cast<std::streamoff>(position)); }
    std::uint8_t u8() { return static_cast<std::uint8_t>(file_.get()); }
    std::uint64_t u64() {
        std::uint64_t value = 0;
        read({reinterpret_cast<std::byte*>(&value), sizeof value});
        return value;
    }
    void read(std::span<std::byte> out) {
        file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
        if (!file_) throw std::runtime_error("ifstream");
    }

private:
    std::ifstream file_;
};

/// A whole file mapped by Boost.Interprocess: neither bounds nor lost pages are looked at.
class BoostMappedReader {
public:
    explicit BoostMappedReader(const std::filesystem::path& file)
        : mapping_(file.c_str(), boost::interprocess::read_only),
          region_(mapping_, boost::interprocess::read_only),
          base_(static_cast<const std::byte*>(region_.get_address())) {}
    void seek(std::uint64_t position) { at_ = position; }
    std::uint8_t u8() { return static_cast<std::uint8_t>(base_[at_++]); }
    std::uint64_t u64() {
        std::uint64_t value = 0;
        std::memcpy(&value, base_ + at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    void read(std::span<std::byte> out) {
        std::memcpy(out.data(), base_ + at_, out.size());
        at_ += out.size();
    }

private:
    boost::interprocess::file_mapping mapping_;
    boost::interprocess::mapped_region region_;
    const std::byte* base_;
    std::uint64_t at_ = 0;
};

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// One open file of a MappedDirectory or a BufferedDirectory, read through a cursor of its own.
// Cheap to copy: all copies and slices share one mapping, which lives as long as any of them.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "strata/detail/file_core.hpp"
#include "strata/file_view.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace detail {
class OpenFile;
}  // namespace detail

/// A cursor over a file or a slice of one, of up to 2^63 - 1 bytes.
///
/// **Which bytes.** The size is that of the moment of opening. A file that grows, or that another
/// one replaces under its name, is read as it was opened; open it again to see what is new. A file
/// that is overwritten in place shows old or new bytes. One that is cut short, or whose disk
/// fails, makes the reads throw Error{truncated} or {system}: those that meet lost bytes, and from
/// then on every read, view, preload, checksum and check through all inputs that share the open
/// file, save that numbers which are still there may be read. Opened again it is what it is now.
/// (A cut inside the last page leaves zeros that only `check` notices.) A grouped file is a copy:
/// it loses nothing, and only `check` tells of a cut. `view` has a rule of its own.
///
/// **Threads.** An input is for one thread at a time. Copies may be made of one that other threads
/// only call `const` functions of, and be used at the same time.
///
/// **Errors.** Reads and seeks beyond the end throw Error{end_of_file}. What a read, a string or a
/// copying view needs memory for and cannot have is Error{limit_exceeded} with the bytes in
/// needed(): of an input without a mapping its buffer as well, at the first read. A read that
/// throws leaves the position as it was. `slice` and `name` may throw std::bad_alloc. A moved-from
/// or default-constructed input has size 0; reading nothing of it is fine, all else throws
/// end_of_file or invalid_argument. A file whose size the kernel does not know, as those of /proc,
/// is empty; one that ends before its size, as those of /sys, throws truncated.
class MappedInput {
public:
    MappedInput() noexcept = default;
    MappedInput(const MappedInput& other) noexcept;
    MappedInput(MappedInput&& other) noexcept { swap(other); }
    MappedInput& operator=(MappedInput other) noexcept {
        swap(other);
        return *this;
    }
    ~MappedInput() { release(); }

    explicit operator bool() const noexcept { return core_ != nullptr; }

    /// The same bytes and position, an independent cursor. A few nanoseconds.
    [[nodiscard]] MappedInput clone() const noexcept { return *this; }
    /// `size` bytes from `offset` (of this input, which may be a slice) as an input whose positions
    /// start at 0. `name` is for error messages. Throws end_of_file if they are not all there.
    [[nodiscard]] MappedInput slice(std::string_view name, std::uint64_t offset,
                                    std::uint64_t size) const;

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint64_t position() const noexcept {
        return window_at_ + static_cast<std::uint64_t>(next_ - begin_);
    }
    [[nodiscard]] std::uint64_t remaining() const noexcept { return size_ - position(); }
    /// To any position up to the size.
    void seek(std::uint64_t position) {
        if (position - window_at_ <= static_cast<std::uint64_t>(end_ - begin_)) [[likely]] {
            next_ = begin_ + (position - window_at_);
        } else {
            seek_outside(position);
        }
    }
    void skip(std::uint64_t bytes);

    std::uint8_t read_u8() {
        if (next_ == end_) [[unlikely]] {
            refill();
        }
        const auto value = static_cast<std::uint8_t>(*next_++);
        if (may_be_lost(value)) {
            check_lost(1);
        }
        return value;
    }
    /// Little-endian or big-endian in the file, whatever the machine is.
    std::uint16_t read_u16_le() { return read_number<std::uint16_t, std::endian::little>(); }
    std::uint16_t read_u16_be() { return read_number<std::uint16_t, std::endian::big>(); }
    std::uint32_t read_u32_le() { return read_number<std::uint32_t, std::endian::little>(); }
    std::uint32_t read_u32_be() { return read_number<std::uint32_t, std::endian::big>(); }
    std::uint64_t read_u64_le() { return read_number<std::uint64_t, std::endian::little>(); }
    std::uint64_t read_u64_be() { return read_number<std::uint64_t, std::endian::big>(); }

    /// Seven bits a byte, the lowest first, as FileOutput::write_varint, Lucene's vInt and vLong
    /// and protocol buffers have them. Throws corrupt if it exceeds 64 bits.
    std::uint64_t read_varint() {
        const std::uint8_t first = read_u8();
        return first < 0x80 ? first : read_varint_rest(first);
    }
    /// A number as read_varint reads it, and so many bytes. Throws end_of_file before it asks for
    /// memory if they exceed what is left of the input, limit_exceeded if there is no memory.
    [[nodiscard]] std::string read_string();

    /// Fills all of `out`.
    void read(std::span<std::byte> out) {
        if (out.size() <= static_cast<std::size_t>(end_ - next_)) [[likely]] {
            if (!out.empty()) {  // also for an input that has no file
                detail::copy_bytes(out.data(), next_, out.size());
                next_ += out.size();
                check_lost(out.size());
            }
        } else {
            read_across(out);
        }
    }
    /// Up to `out.size()` bytes; 0 at the end only.
    [[nodiscard]] std::size_t read_some(std::span<std::byte> out);
    /// Fills `out` from `position` and leaves the cursor where it is. Any number of threads may
    /// call it for one input.
    void read_at(std::uint64_t position, std::span<std::byte> out) const;

    /// Bytes in place, no copy, if they lie inside one chunk of a mapping; else a copy of them
    /// (FileView::is_copy). What is in place stays there as long as this input or a copy or slice
    /// of it does, and no longer: another input of the file may have a mapping of its own.
    /// If the file is cut short under the view, lost bytes read as zeros: call `check` after using
    /// them. (A ReadGuard says it, too, but cannot tell one file from another.)
    [[nodiscard]] FileView view(std::uint64_t offset, std::uint64_t size) const&;
    FileView view(std::uint64_t offset, std::uint64_t size) const&& = delete;

    /// Throws Error{truncated, system} if bytes of the file were lost under any reader, or if it is
    /// shorter now than it was; permission_denied, system if it cannot be examined. A mapped or
    /// grouped file is examined by its name: if that leads to another file by now, or to none, its
    /// size is not known and not compared. A system call.
    void check() const;

    /// How the file is going to be read from now on: its whole mapping, in all inputs that share
    /// it, since a part that is advised in its own way would take up to two of vm.max_map_count.
    void advise(ReadAdvice advice) const;
    /// Brings a part into memory and into the page table, before it returns; the whole if no part
    /// is named. A whole file comes in huge pages where its file system has them, which is what
    /// random reads gain most from. More than 8 MiB are shared by up to eight threads, which end
    /// before it returns: one alone does not keep a disk busy. Throws as a read does. Inputs
    /// without a mapping have nothing to bring.
    void preload() const { preload(0, size_); }
    void preload(std::uint64_t offset, std::uint64_t size) const;
    /// The same in the background: a few microseconds, whatever the size. Up to 256 KiB are only
    /// requested from the disk; what is larger, a thread of the directory reads. False if so much
    /// is waiting already that this was dropped; reads are right without it. Throws end_of_file
    /// alone: what was lost is for the reads to tell.
    bool prefetch(std::uint64_t offset, std::uint64_t size) const;
    /// How much of this input's part of the file is in memory. Throws permission_denied unless the
    /// user owns the file or may write it: the kernel tells no others. Of a grouped file, which is
    /// not needed any more: file_not_found if its name leads to another file by now, or to none.
    /// limit_exceeded (descriptors), system.
    [[nodiscard]] Residency residency() const;
    /// XXH3-64 of all bytes of this input. Throws as a read does; needs no memory.
    [[nodiscard]] std::uint64_t checksum() const;

    [[nodiscard]] Backing backing() const noexcept;
    /// Of the file, and of the slice behind a colon.
    [[nodiscard]] std::string name() const;

private:
    friend class detail::OpenFile;
    explicit MappedInput(detail::OpenFile* file);  // takes over a reference

    void swap(MappedInput& other) noexcept;
    void release() noexcept;
    detail::OpenFile& file() const;
    void place_window(std::uint64_t position);
    void refill();
    void seek_outside(std::uint64_t position);
    void read_across(std::span<std::byte> out);
    std::uint64_t read_varint_rest(std::uint8_t first);
    std::string string_of(std::uint64_t size) const;
    void copy_out(const char* operation, std::uint64_t position, std::span<std::byte> out) const;
    void require_whole(const char* operation) const;
    void check_size(const char* operation) const;
    [[noreturn]] void fail_lost(std::uint64_t bytes_read);
    [[noreturn]] void fail_beyond(const char* what, std::uint64_t offset, std::uint64_t size) const;

    void check_lost(std::uint64_t bytes_read) {
        detail::bytes_before_flag();
        if (core_->lost.load(std::memory_order_relaxed) != 0) [[unlikely]] {
            fail_lost(bytes_read);
        }
    }

    /// Lost bytes read as zeros, and all that follow them in their chunk are lost as well: what one
    /// load has brought is whole if its last byte is not zero.
    template <class Number>
    static constexpr bool may_be_lost(Number value) noexcept {
        if constexpr (std::endian::native == std::endian::little) {
            return value >> (8 * (sizeof(Number) - 1)) == 0;
        } else {
            return (value & 0xFF) == 0;
        }
    }

    template <class Number, std::endian order>
    Number read_number() {
        Number value{};
        if (sizeof(Number) <= static_cast<std::size_t>(end_ - next_)) [[likely]] {
            std::memcpy(&value, next_, sizeof(Number));  // one load
            next_ += sizeof(Number);
            if (may_be_lost(value)) {
                check_lost(sizeof(Number));
            }
        } else {
            value = read_split<Number>();
        }
        if constexpr (order == std::endian::native) {
            return value;
        } else if constexpr (sizeof(Number) == 2) {
            return __builtin_bswap16(value);
        } else if constexpr (sizeof(Number) == 4) {
            return __builtin_bswap32(value);
        } else {
            return __builtin_bswap64(value);
        }
    }
    // Apart: a variable whose address is taken stays in memory, in the fast path as well.
    template <class Number>
    [[gnu::noinline]] Number read_split() {
        Number value{};
        read_across(std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }

    // The window: bytes that can be had without asking the file. Of a mapping, what the input has
    // of one chunk; otherwise what the buffer holds.
    const std::byte* next_ = nullptr;
    const std::byte* end_ = nullptr;
    const std::byte* begin_ = nullptr;
    std::uint64_t window_at_ = 0;  ///< position of `begin_`
    detail::FileCore* core_ = nullptr;
    std::uint64_t offset_ = 0;  ///< of position 0 in the file
    std::uint64_t size_ = 0;
    bool in_place_ = false;  ///< the window is the file's own memory
    std::unique_ptr<std::byte[]> buffer_{};
    std::shared_ptr<const std::string> slice_name_{};
};

inline MappedInput::MappedInput(const MappedInput& other) noexcept
    : window_at_(other.position()),
      core_(other.core_),
      offset_(other.offset_),
      size_(other.size_),
      in_place_(other.in_place_),
      slice_name_(other.slice_name_) {
    if (core_ != nullptr) {
        core_->references.fetch_add(1, std::memory_order_relaxed);  // `other` holds one
    }
    if (in_place_) {
        next_ = other.next_;
        end_ = other.end_;
        begin_ = other.begin_;
        window_at_ = other.window_at_;
    }
}

inline void MappedInput::release() noexcept {
    if (core_ == nullptr) {
        return;
    }
    std::uint32_t references = core_->references.load(std::memory_order_relaxed);
    while (references > 1) {
        // Release: what this input read was read before the last one unmaps it; partner: the
        // acquire in release_last.
        if (core_->references.compare_exchange_weak(
                references, references - 1, std::memory_order_release, std::memory_order_relaxed)) {
            return;
        }
    }
    detail::release_last(core_);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

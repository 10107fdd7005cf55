// SPDX-License-Identifier: Apache-2.0
// The cursor of an input: its window, and reads that go on where the last one ended.
#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

#include "directory/directory_state.hpp"
#include "directory/failures.hpp"
#include "directory/open_file.hpp"
#include "ipc/failure.hpp"
#include "strata/mapped_input.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using detail::OpenFile;

void MappedInput::fail_lost(std::uint64_t bytes_read) {
    next_ -= std::min(bytes_read, static_cast<std::uint64_t>(next_ - begin_));
    file().fail("read", file().directory().path_of(name()), {});
}

// In place: the window is what the input has of the chunk that the byte is in, or the one before it
// at the end. Buffered: empty, until something is read.
void MappedInput::place_window(std::uint64_t position) {
    if (!in_place_ || size_ == 0) {
        next_ = end_ = begin_ = nullptr;
        window_at_ = position;
        return;
    }
    const std::uint64_t wanted = offset_ + std::min(position, size_ - 1);
    const OpenFile& from = file();
    const std::uint64_t chunk_mask =
        from.backing() == Backing::mapped ? (std::uint64_t{1} << from.chunks().power()) - 1 : ~0ULL;
    const std::uint64_t first = std::max(wanted & ~chunk_mask, offset_);
    const detail::ChunkMap::Run run = from.run_at(first);
    begin_ = run.begin;
    end_ = run.begin + std::min(run.bytes, offset_ + size_ - first);
    window_at_ = first - offset_;
    next_ = begin_ + (position - window_at_);
}

void MappedInput::seek_outside(std::uint64_t position) {
    if (position > size_) {
        fail_beyond("seek", position, 0);
    }
    place_window(position);
}

void MappedInput::skip(std::uint64_t bytes) {
    if (bytes > remaining()) {
        fail_beyond("skip", position(), bytes);
    }
    seek(position() + bytes);
}

// Called at the window's end: afterwards there is at least one byte in it.
void MappedInput::refill() {
    const std::uint64_t at = position();
    if (at >= size_) {
        fail_beyond("read", at, 1);
    }
    if (in_place_) {
        place_window(at);
        return;
    }
    OpenFile& from = file();
    const std::size_t capacity = from.directory().buffer_bytes();
    if (!buffer_) {
        buffer_.reset(new (std::nothrow) std::byte[capacity]);
    }
    if (!buffer_) {
        detail::fail_memory(
            "read", from.path(), capacity,
            "there is no memory for a buffer of " + std::to_string(capacity) + " bytes",
            "use a smaller buffer_bytes");
    }
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(capacity, size_ - at));
    place_window(at);
    if (const auto failure = from.read_at(offset_ + at, {buffer_.get(), wanted})) {
        from.fail("read", from.directory().path_of(name()), *failure);
    }
    require_whole("read");
    next_ = begin_ = buffer_.get();
    end_ = begin_ + wanted;
}

void MappedInput::read_across(std::span<std::byte> out) {
    const std::uint64_t start = position();
    if (out.size() > size_ - start) {
        fail_beyond("read", start, out.size());
    }
    const auto have = static_cast<std::size_t>(end_ - next_);
    if (in_place_ || out.size() - have >= file().directory().buffer_bytes()) {
        // Past the buffer, if there is one.
        read_at(start, out);
        place_window(start + out.size());
        return;
    }
    if (have > 0) {
        std::memcpy(out.data(), next_, have);
        next_ = end_;
    }
    try {
        refill();
    } catch (...) {
        place_window(start);
        throw;
    }
    std::memcpy(out.data() + have, next_, out.size() - have);
    next_ += out.size() - have;
}

std::uint64_t MappedInput::read_varint_rest(std::uint8_t first) {
    const std::uint64_t start = position() - 1;
    std::uint64_t value = first & 0x7FU;
    try {
        for (unsigned shift = 7;; shift += 7) {
            const std::uint64_t byte = read_u8();
            if (shift == 63 && byte > 1) {
                ipc::fail(Errc::corrupt, "read", file().directory().path_of(name()),
                          "the number at " + std::to_string(start) + " has more than 64 bits");
            }
            value |= (byte & 0x7F) << shift;
            if (byte < 0x80) {
                return value;
            }
        }
    } catch (...) {
        seek(start);
        throw;
    }
}

std::string MappedInput::string_of(std::uint64_t size) const {
    try {
        return std::string(static_cast<std::size_t>(size), '\0');
    } catch (const std::bad_alloc&) {
    } catch (const std::length_error&) {
    }
    detail::fail_memory("read", file().directory().path_of(name()), size,
                        "there is no memory for a string of " + std::to_string(size) + " bytes",
                        "read it in parts, or see whether the file is damaged");
}

std::string MappedInput::read_string() {
    const std::uint64_t start = position();
    const std::uint64_t size = read_varint();
    try {
        if (size > remaining()) {  // before memory is taken for it
            fail_beyond("read", position(), size);
        }
        std::string text = string_of(size);
        read(std::as_writable_bytes(std::span(text)));
        return text;
    } catch (...) {
        seek(start);
        throw;
    }
}

std::size_t MappedInput::read_some(std::span<std::byte> out) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), remaining()));
    read(out.first(part));
    return part;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

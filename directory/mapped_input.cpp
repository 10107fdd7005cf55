// SPDX-License-Identifier: Apache-2.0
#include "strata/mapped_input.hpp"

#include <new>

#include "directory/directory_state.hpp"
#include "directory/failures.hpp"
#include "directory/open_file.hpp"
#include "ipc/failure.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using detail::OpenFile;

MappedInput::MappedInput(OpenFile* file)
    : core_(file), size_(file->size()), in_place_(file->backing() != Backing::buffered) {
    place_window(0);
}

void MappedInput::swap(MappedInput& other) noexcept {
    std::swap(next_, other.next_);
    std::swap(end_, other.end_);
    std::swap(begin_, other.begin_);
    std::swap(window_at_, other.window_at_);
    std::swap(core_, other.core_);
    std::swap(offset_, other.offset_);
    std::swap(size_, other.size_);
    std::swap(in_place_, other.in_place_);
    std::swap(buffer_, other.buffer_);
    std::swap(slice_name_, other.slice_name_);
}

OpenFile& MappedInput::file() const {
    if (core_ == nullptr) {
        ipc::fail(Errc::invalid_argument, "read", {}, "the input has no file",
                  "it was moved from, or never opened");
    }
    return static_cast<OpenFile&>(*core_);
}

std::string MappedInput::name() const {
    if (core_ == nullptr) {
        return {};
    }
    const std::string& name = file().name();
    return slice_name_ ? name + ":" + *slice_name_ : name;
}

Backing MappedInput::backing() const noexcept {
    return core_ != nullptr ? static_cast<const OpenFile&>(*core_).backing() : Backing::none;
}

void MappedInput::fail_beyond(const char* what, std::uint64_t offset, std::uint64_t size) const {
    ipc::fail(Errc::end_of_file, what,
              core_ != nullptr ? file().directory().path_of(name()) : std::string(),
              std::to_string(size) + " bytes at " + std::to_string(offset) + " of " +
                  std::to_string(size_));
}

void MappedInput::read_at(std::uint64_t position, std::span<std::byte> out) const {
    if (position > size_ || out.size() > size_ - position) {
        fail_beyond("read", position, out.size());
    }
    if (out.empty()) {
        return;
    }
    copy_out("read", position, out);
}

void MappedInput::copy_out(const char* operation, std::uint64_t position,
                           std::span<std::byte> out) const {
    OpenFile& from = file();
    const auto failure = from.read_at(offset_ + position, out);
    detail::bytes_before_flag();
    if (failure || from.lost.load(std::memory_order_relaxed) != 0) {
        from.fail(operation, from.directory().path_of(name()),
                  failure.value_or(detail::ReadFailure{}));
    }
}

void MappedInput::require_whole(const char* operation) const {
    OpenFile& from = file();
    detail::bytes_before_flag();
    if (from.lost.load(std::memory_order_relaxed) != 0) {
        from.fail(operation, from.directory().path_of(name()), {});
    }
}

FileView MappedInput::view(std::uint64_t offset, std::uint64_t size) const& {
    if (offset > size_ || size > size_ - offset) {
        fail_beyond("view", offset, size);
    }
    if (size == 0) {
        return {};
    }
    const OpenFile& from = file();
    if (in_place_) {
        const detail::ChunkMap::Run run = from.run_at(offset_ + offset);
        if (size <= run.bytes) {
            require_whole("view");
            return FileView({run.begin, static_cast<std::size_t>(size)});
        }
    }
    constexpr std::uint64_t most = std::uint64_t{1} << (sizeof(void*) >= 8 ? 46 : 30);
    std::unique_ptr<std::byte[]> copy(
        size <= most ? new (std::nothrow) std::byte[static_cast<std::size_t>(size)] : nullptr);
    if (!copy) {
        detail::fail_memory("view", from.directory().path_of(name()), size,
                            "there is no memory for a copy of " + std::to_string(size) +
                                " bytes, which are not in place",
                            "view smaller parts, inside chunks of a mapping");
    }
    copy_out("view", offset, {copy.get(), static_cast<std::size_t>(size)});
    return {std::move(copy), static_cast<std::size_t>(size)};
}

MappedInput MappedInput::slice(std::string_view name, std::uint64_t offset,
                               std::uint64_t size) const {
    if (offset > size_ || size > size_ - offset) {
        fail_beyond("slice", offset, size);
    }
    MappedInput part(*this);
    part.slice_name_ = std::make_shared<const std::string>(
        slice_name_ ? *slice_name_ + ":" + std::string(name) : std::string(name));
    part.offset_ = offset_ + offset;
    part.size_ = size;
    part.place_window(0);
    return part;
}

void MappedInput::check_size(const char* operation) const {
    OpenFile& from = file();
    const auto now = from.size_now();
    if (!now) {
        detail::fail_file(now.error, operation, from.directory().path_of(name()),
                          "cannot be looked at");
    }
    if (now.value && *now.value < from.size()) {
        from.fail(operation, from.directory().path_of(name()), {});
    }
}

void MappedInput::check() const {
    require_whole("check");
    check_size("check");
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

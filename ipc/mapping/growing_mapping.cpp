// SPDX-License-Identifier: Apache-2.0
#include "ipc/mapping/growing_mapping.hpp"

#include <algorithm>
#include <utility>

#include "ipc/format/layout.hpp"
#include "strata/error.hpp"

namespace strata::ipc {

namespace {

Mapping map_with_room(const FileDescriptor& file, std::uint64_t least, std::uint64_t most,
                      std::string_view operation, std::string_view path) {
    try {
        return {file, most, Access::read_only, operation, path};
    } catch (const Error&) {
        return {file, least, Access::read_only, operation, path};  // room to grow is a luxury
    }
}

}  // namespace

void GrowingMapping::extend(const FileDescriptor& file, std::uint64_t file_bytes,
                            std::string_view operation, std::string_view path) {
    if (extents_.empty() || file_bytes > mapped_) {
        const std::uint64_t least = std::min(round_up(file_bytes, page_bytes), max_bytes_);
        const std::uint64_t most = std::min(2 * least, max_bytes_);
        if (least > mapped_) {
            extents_.reserve(extents_.size() + 1);
            Mapping mapping = map_with_room(file, least, most, operation, path);
            MappingSlot slot(mapping.base());
            mapped_ = mapping.reserved_bytes();
            window_ = {mapping.base(), slot.number()};
            extents_.push_back({std::move(mapping), std::move(slot)});  // room was made above
        }
    }
    extend_in_place(file_bytes);
}

void GrowingMapping::extend_in_place(std::uint64_t file_bytes) noexcept {
    readable_ = std::min(file_bytes, mapped_);
    extents_.back().slot.set_end(window_.base + readable_);
}

}  // namespace strata::ipc

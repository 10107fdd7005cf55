// SPDX-License-Identifier: Apache-2.0
#include "ipc/mapping/mapping.hpp"

#include <string>
#include <utility>

#include <boost/interprocess/mapped_region.hpp>

#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "ipc/os/fault.hpp"

namespace strata::ipc {

namespace bip = boost::interprocess;

namespace {

// Boost maps anything that can name its handle. Its own file_mapping opens by path and follows
// links, so it cannot be used for files that were opened and checked by descriptor.
class DescriptorHandle {
public:
    DescriptorHandle(const FileDescriptor& file, bip::mode_t mode) : file_(file), mode_(mode) {}
    bip::mapping_handle_t get_mapping_handle() const noexcept { return {file_.get(), false}; }
    bip::mode_t get_mode() const noexcept { return mode_; }

private:
    const FileDescriptor& file_;
    bip::mode_t mode_;
};

}  // namespace

Mapping::Mapping() noexcept = default;
Mapping::Mapping(Mapping&& other) noexcept
    : region_(std::move(other.region_)),
      base_(std::exchange(other.base_, nullptr)),
      reserved_(std::exchange(other.reserved_, 0)),
      range_(std::exchange(other.range_, nullptr)) {}
Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(region_, other.region_);
    std::swap(base_, other.base_);
    std::swap(reserved_, other.reserved_);
    std::swap(range_, other.range_);
    return *this;
}
Mapping::~Mapping() {
    if (range_ != nullptr) {
        unregister_range(range_);
    }
}

Mapping::Mapping(const FileDescriptor& file, std::uint64_t reserve_bytes, Access access,
                 std::string_view operation, std::string_view path)
    : reserved_(reserve_bytes) {
    const bip::mode_t mode = access == Access::read_only ? bip::read_only : bip::read_write;
    try {
        region_ = std::make_unique<bip::mapped_region>(DescriptorHandle(file, mode), mode, 0,
                                                       static_cast<std::size_t>(reserve_bytes),
                                                       nullptr, os::reserve_nothing());
    } catch (const bip::interprocess_exception& error) {
        fail_errno(error.get_native_error(), operation, path,
                   "cannot map " + std::to_string(reserve_bytes) + " bytes of address space",
                   "see `ulimit -v`, or create the store with a smaller region_max_bytes");
    }
    base_ = static_cast<std::byte*>(region_->get_address());
    if (access == Access::read_only) {
        range_ = register_range(base_, reserve_bytes, path);
    }
}

void Mapping::exclude_from_fork() noexcept {
    os::dont_fork(base_, static_cast<std::size_t>(reserved_));
}

void Mapping::abandon() noexcept {
    // Leaked on purpose: its destructor would unmap.
    [[maybe_unused]] const auto* const leaked = region_.release();
    base_ = nullptr;
}

}  // namespace strata::ipc

// SPDX-License-Identifier: Apache-2.0
// What an input has the kernel keep in memory: advice, preloading, prefetching, residency.
#include "directory/directory_state.hpp"
#include "directory/open_file.hpp"
#include "directory/preload.hpp"
#include "directory/residency.hpp"
#include "strata/mapped_input.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using detail::OpenFile;

void MappedInput::advise(ReadAdvice advice) const {
    if (backing() != Backing::none) {
        file().advise(advice);
    }
}

void MappedInput::preload(std::uint64_t offset, std::uint64_t size) const {
    if (offset > size_ || size > size_ - offset) {
        fail_beyond("preload", offset, size);
    }
    if (core_ == nullptr) {
        return;
    }
    require_whole("preload");
    OpenFile& from = file();
    if (from.backing() != Backing::mapped || size == 0) {
        return;
    }
    const int error = size == from.size() ? detail::preload_whole(from)
                                          : detail::preload_part(from, offset_ + offset, size);
    if (error != 0) {
        from.fail("preload", from.directory().path_of(name()), {error});
    }
}

bool MappedInput::prefetch(std::uint64_t offset, std::uint64_t size) const {
    if (offset > size_ || size > size_ - offset) {
        fail_beyond("prefetch", offset, size);
    }
    if (size == 0 || backing() == Backing::grouped) {
        return true;
    }
    OpenFile& from = file();
    constexpr std::uint64_t small = 256 << 10;
    if (!in_place_ || size <= small) {
        from.directory().count_prefetch(false);
    }
    if (!in_place_) {
        return ipc::os::advise_file(from.descriptor().get(), offset_ + offset, size,
                                    ipc::os::Advice::will_need) == 0;
    }
    if (size <= small) {
        from.for_each_run(offset_ + offset, size, [](const detail::ChunkMap::Run& run) {
            ipc::os::advise_mapping(run.begin, run.bytes, ipc::os::Advice::will_need);
            return true;
        });
        return true;
    }
    const bool taken = from.directory().prefetcher().add(from, offset_ + offset, size);
    from.directory().count_prefetch(!taken);
    return taken;
}

Residency MappedInput::residency() const {
    return size_ != 0 ? detail::residency_of(file(), in_place_, offset_, size_) : Residency();
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

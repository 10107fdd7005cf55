// SPDX-License-Identifier: Apache-2.0
// StoreWatch: a descriptor that tells an event loop when a store may have appeared.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "strata/store.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// For programs that wait in poll, epoll or an io loop and must not block in
/// ConsumerOptions::wait_for_store. Once attached, Consumer::event_descriptor tells of generations,
/// of the producer's end and of the next one, and of a replaced store.
///
///     strata::StoreWatch watch("market");
///     while (!watch.present()) poll(watch.descriptor());
///     auto consumer = strata::Consumer::attach("market");
///
/// No thread, no polling, nothing is written: the kernel watches the base directory, or the nearest
/// one above that exists, and what leads there: directories may be renamed, removed and created
/// again, symbolic links may be turned to another place. A loop as above misses nothing, whenever
/// the store appears. (Not noticed: a file system that is mounted over the path in the meantime,
/// and the renaming of a directory that this process may not read.) Thread safety: one thread at a
/// time. A forked child makes a watch of its own: events that it takes from an inherited one are
/// lost to its parent.
class StoreWatch {
public:
    /// Throws invalid_name; system where the kernel has no watch left (EMFILE, ENOSPC: the hint
    /// names the limit); permission_denied where the directory may not be read. Some 50
    /// microseconds.
    explicit StoreWatch(std::string_view name,
                        const std::filesystem::path& base = default_base_path());
    StoreWatch(StoreWatch&&) noexcept;
    StoreWatch& operator=(StoreWatch&&) noexcept;
    StoreWatch(const StoreWatch&) = delete;
    StoreWatch& operator=(const StoreWatch&) = delete;
    ~StoreWatch();

    /// Readable when it is worth asking `present` again: also now and then when it is not, for
    /// other names appear in these directories, too. The same number for as long as the object
    /// lives.
    [[nodiscard]] int descriptor() const noexcept;
    /// Whether there is something of that name now; resets the descriptor. What it is, `attach`
    /// says: it may still refuse it. Throws permission_denied, system. Four system calls; after
    /// something has happened, some three more for each directory on the way.
    [[nodiscard]] bool present();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

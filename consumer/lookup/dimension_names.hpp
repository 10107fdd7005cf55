// SPDX-License-Identifier: Apache-2.0
// The dimensions of an attachment by name: a table of the layout that was asked about last, 16
// bytes for each of its dimensions, made at the first question. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "consumer/views/view.hpp"
#include "ipc/files/control_file.hpp"
#include "ipc/mutex.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

class DimensionNames {
public:
    /// The lowest number of that name in a view that is held; nullopt: there is none. O(dimensions)
    /// when their layout has changed since the last question, else O(log). Throws corrupt,
    /// std::bad_alloc.
    std::optional<Dimension> find(const View& view, const ipc::ControlFile& control,
                                  std::string_view name) STRATA_EXCLUDES(mutex_);

    // Around fork(2): the mutex is held from the first to the other.
    void prepare_fork() noexcept STRATA_NO_THREAD_ANALYSIS { mutex_.lock(); }
    void after_fork() noexcept STRATA_NO_THREAD_ANALYSIS { mutex_.unlock(); }

private:
    struct Entry {
        std::uint64_t hash;  // of the name
        Dimension number;
    };
    struct Table {
        Generation layout;  // that its root tells
        std::vector<Entry> entries;
    };
    using Shared = std::shared_ptr<const Table>;

    static Shared read(const View& view, const ipc::ControlFile& control);
    Shared table_of(const View& view, const ipc::ControlFile& control) STRATA_EXCLUDES(mutex_);

    ipc::Mutex mutex_;
    Shared table_ STRATA_GUARDED_BY(mutex_);
};

}  // namespace strata::consumer_impl

// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/slow_readers.hpp"

#include "producer/reclaim/pinned_epochs.hpp"

namespace strata::producer_impl {

void SlowReaders::update(std::span<const ipc::EpochRange> pinned, std::int64_t now_ns) {
    std::erase_if(pins_,
                  [&](const auto& entry) { return range_with(pinned, entry.first) == nullptr; });
    for (const ipc::EpochRange& range : pinned) {
        const auto known = pins_.lower_bound(range.first);
        if (known == pins_.end() || known->first > range.last) {
            pins_.emplace_hint(known, range.first,
                               Pin{now_ns, std::chrono::steady_clock::now(), false});
        }
    }
}

std::int64_t SlowReaders::pinned_since(std::uint64_t epoch, std::int64_t now_ns) const noexcept {
    const auto known = pins_.find(epoch);
    return known != pins_.end() ? known->second.since_ns : now_ns;
}

// A pin is reported once, with each process that holds it.
void SlowReaders::find(std::span<const ipc::EpochRange> pinned, const ipc::FileDescriptor& control,
                       std::uint64_t epoch, const Limbo& limbo,
                       const std::vector<RetiredFile>& files) {
    if (!limits_.on_slow_reader) {
        return;
    }
    for (const ipc::EpochRange& range : pinned) {
        Pin& pin = pins_.lower_bound(range.first)->second;  // `update` made one
        SlowReader slow{.pid = 0,
                        .epoch = range.first,
                        .age = std::chrono::steady_clock::now() - pin.since,
                        .epochs_behind = epoch - range.first,
                        .held_bytes = limbo.held_by(range)};
        for (const RetiredFile& file : files) {
            const auto holder = oldest_holder(pinned, file.birth, file.tag);
            if (holder && range.first <= *holder && *holder <= range.last) {
                slow.held_bytes += file.live_bytes;
            }
        }
        const bool is_slow =
            (limits_.max_age.count() > 0 && slow.age >= limits_.max_age) ||
            (limits_.max_epochs > 0 && slow.epochs_behind >= limits_.max_epochs) ||
            (limits_.max_held_bytes > 0 && slow.held_bytes >= limits_.max_held_bytes);
        if (!is_slow || pin.reported) {
            continue;
        }
        pin.reported = true;
        for (const ipc::PinHolder& holder :
             ipc::pin_holders(control, range, max_pin_questions).holders) {
            slow.pid = holder.pid;
            slow.epoch = holder.epoch;
            found_.push_back(slow);
        }
        waiting_.store(!found_.empty(), std::memory_order_relaxed);
    }
}

void SlowReaders::deliver(std::mutex& commit_mutex) {
    if (!waiting_.load(std::memory_order_relaxed)) {
        return;
    }
    std::vector<SlowReader> found;
    {
        const CommitLock lock(commit_mutex);
        found.swap(found_);
        waiting_.store(false, std::memory_order_relaxed);
    }
    for (const SlowReader& reader : found) {
        limits_.on_slow_reader(reader);
    }
}

}  // namespace strata::producer_impl

// SPDX-License-Identifier: Apache-2.0
#include "strata/statistics.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "consumer/attachment/session.hpp"
#include "consumer/views/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/life_file.hpp"
#include "ipc/index/find.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/reader_list.hpp"
#include "ipc/stats_view.hpp"
#include "strata/consumer.hpp"
#include "strata/dimension_range.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

DimensionStatistics dimension_of(const ipc::DimensionRecord& record) {
    return {.dimension = static_cast<Dimension>(record.dimension),
            .name = std::string(record.name, record.name_bytes),
            .serial = record.serial,
            .layers = record.layers,
            .live_bytes = record.live_bytes,
            .generation = record.generation};
}

// `own_pin`: whether the pin of the snapshot that is taken here counts as a reader.
StoreStatistics read_statistics(Consumer& consumer, bool own_pin) {
    if (consumer.store_replaced()) {
        ipc::fail(Errc::store_replaced, ipc::operation_on("read statistics of", consumer.name()),
                  consumer.path().string(), "the store was removed or replaced",
                  "attach anew (Consumer::reattach)");
    }
    const Snapshot snapshot = consumer.snapshot();
    consumer_impl::View& view = *consumer_impl::Access::view_of(snapshot);
    const consumer_impl::Session& session = *view.session;
    const ipc::ControlFile& control = session.control();
    const std::string operation = ipc::operation_on("read statistics of", session.store().name);

    StoreStatistics result;
    result.name = session.store().name;
    result.generation = snapshot.generation();
    result.layers = snapshot.layer_count();
    result.dimensions = snapshot.dimension_count();
    result.live_bytes = view.root.live_bytes;
    // Safe: inside the header page.
    const std::byte* const page = control.header();
    ipc::read_control_stats(
        *reinterpret_cast<const ipc::ControlStats*>(page + ipc::control_stats_offset), result);
    if (result.updated_at == std::chrono::system_clock::time_point{}) {
        // Its producer has not written any yet.
        result.memory_limit = view.root.memory_limit;
        result.committed_bytes = view.root.committed_bytes;
    }
    result.control = ipc::read_memory_stats(
        *reinterpret_cast<const ipc::MemoryStats*>(page + ipc::control_memory_offset));
    result.epoch = ipc::load_acquire(control.cells().epoch);
    result.producer_pid = ipc::producer_pid(session.store(), control, operation).value_or(0);
    if (own_pin) {
        // A description of its own, because the kernel does not report one's own locks.
        const auto file =
            ipc::os::open_read(session.store().directory.get(), ipc::control_file_name);
        if (!file) {
            ipc::fail_errno(file.error, operation, control.path(),
                            "cannot open the control file to list its readers");
        }
        result.readers =
            ipc::list_readers(file.value, result.epoch, operation, control.path()).size();
    } else {
        const ipc::PinHolder own{ipc::os::process_id(), view.epoch};
        result.readers =
            ipc::list_readers(control.file(), result.epoch, operation, control.path(), own).size();
    }
    result.sampled_peak_readers = std::max(result.sampled_peak_readers, result.readers);

    std::map<std::uint64_t, RegionStatistics> regions;  // by serial
    result.dimension_list.reserve(view.root.dimensions);
    const DimensionRange directory(&view.directory);
    for (auto it = directory.begin(); it != directory.end(); ++it) {
        const std::uint64_t offset = ipc::block_offset(view.directory, *it);
        result.dimension_list.push_back(dimension_of(
            control.record_at(view.directory, ipc::layer_entry(offset, 0), operation)));
        const DimensionStatistics& dimension = result.dimension_list.back();
        RegionStatistics& region = regions[dimension.serial];
        ++region.dimensions;
        region.live_bytes += dimension.live_bytes;
    }
    for (auto& [serial, region] : regions) {
        region.serial = serial;
        ipc::read_region_stats(session.store(), region);
        result.regions.push_back(std::move(region));
    }
    return result;
}

}  // namespace

StoreStatistics statistics(Consumer& consumer) { return read_statistics(consumer, true); }

StoreStatistics statistics(std::string_view name, const std::filesystem::path& base) {
    Consumer consumer = Consumer::attach(
        name, {.base_path = base, .trusted_owner = TrustedOwner::anybody, .keep_idle_pin = false});
    return read_statistics(consumer, false);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

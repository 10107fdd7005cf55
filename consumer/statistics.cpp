// SPDX-License-Identifier: Apache-2.0
#include "strata/statistics.hpp"

#include <algorithm>

#include "consumer/session.hpp"
#include "consumer/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/stats_view.hpp"
#include "strata/consumer.hpp"
#include "strata/dimension_range.hpp"

namespace strata {

namespace {

RegionStatistics region_of(const ipc::DimensionRecord& record, const ipc::StoreDirectory& store) {
    RegionStatistics region;
    region.dimension = static_cast<Dimension>(record.dimension);
    region.name = std::string(record.name, record.name_bytes);
    region.serial = record.serial;
    region.layers = record.layers;
    region.live_bytes = record.live_bytes;
    region.file_bytes = record.committed_bytes;
    region.generation = record.generation;
    ipc::read_region_stats(store, region);
    return region;
}

}  // namespace

StoreStatistics statistics(Consumer& consumer) {
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
    const std::byte* const page = control.mapping().base();
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
    result.producer_pid = ipc::find_producer(control.file().get()).value_or(0);
    // A description of its own, for the kernel does not tell of one's own locks. The pins of this
    // process count like any other.
    if (const auto file =
            ipc::os::open_read(session.store().directory.get(), ipc::control_file_name)) {
        result.readers = ipc::count_processes(ipc::pin_holders(file.value.get(), result.epoch));
    }
    result.peak_readers = std::max(result.peak_readers, result.readers);

    result.regions.reserve(view.root.dimensions);
    const DimensionRange directory(&view.directory);
    for (auto it = directory.begin(); it != directory.end(); ++it) {
        const auto offset =
            static_cast<std::uint64_t>(it->data() - view.directory.base) - sizeof(ipc::LayerHeader);
        result.regions.push_back(
            region_of(control.record_at(view.directory, ipc::layer_entry(offset, 0), operation),
                      session.store()));
    }
    return result;
}

StoreStatistics statistics(std::string_view name, const std::filesystem::path& base) {
    Consumer consumer = Consumer::attach(
        name, {.base_path = base, .trusted_owner = TrustedOwner::anybody, .keep_idle_pin = false});
    return statistics(consumer);
}

}  // namespace strata

// SPDX-License-Identifier: Apache-2.0
// The durable generation is read from its root, as a power failure would have it opened, and
// compared with the published one. Its slot keeps it pinned until the commit is done: nothing
// checkpoints before (Durability::keep).
#include "strata/rollback.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/files/control_file.hpp"
#include "ipc/files/region_file.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/index/find.hpp"
#include "ipc/index/view.hpp"
#include "producer/lifecycle/create.hpp"
#include "producer/lifecycle/locked_store.hpp"
#include "producer/memory/file_access.hpp"
#include "producer/memory/region.hpp"
#include "producer/open_store.hpp"
#include "strata/dimension_range.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace impl = producer_impl;

namespace {

/// Two generations of a store beside each other, and the batch that leads back to the older one.
class Rollback {
public:
    Rollback(const ipc::StoreDirectory& directory, Batch& batch, RollbackReport& report,
             std::string operation)
        : directory_(directory),
          batch_(batch),
          report_(report),
          operation_(std::move(operation)),
          trust_{.any_owner = false, .owner = ipc::os::effective_user()},
          control_(directory, trust_, operation_) {}

    void fill(std::uint64_t durable_root, std::uint64_t published_root) {
        const Records then = records_of(durable_root);
        const Records now = records_of(published_root);
        for (const auto& [dimension, record] : now) {
            if (!then.contains(dimension)) {
                batch_.remove_dimension(dimension);
                ++report_.dimensions;
            }
        }
        for (const auto& [dimension, record] : then) {
            const auto found = now.find(dimension);
            if (found == now.end()) {
                add_again(dimension, record);
            } else if (was_closed(record, found->second)) {
                batch_.remove_dimension(dimension);
                add_again(dimension, record);
            } else if (record.checksum != found->second.checksum) {
                restore(dimension, record, found->second);
            }
        }
    }

private:
    using Records = std::map<Dimension, ipc::DimensionRecord>;

    Records records_of(std::uint64_t root_offset) {
        const ipc::RootRecord root = control_.root_at(root_offset, operation_);
        const ipc::IndexView directory = control_.directory_of(root);
        Records records;
        const DimensionRange entries(&directory);
        for (auto it = entries.begin(); it != entries.end(); ++it) {
            const std::uint64_t offset = ipc::block_offset(directory, *it);
            const ipc::DimensionRecord record =
                control_.record_at(directory, ipc::layer_entry(offset, 0), operation_);
            records.emplace(static_cast<Dimension>(record.dimension), record);
        }
        if (records.size() != root.dimensions) {
            ipc::fail(Errc::corrupt, operation_, control_.path(),
                      "generation " + std::to_string(root.generation) + " has " +
                          std::to_string(records.size()) + " of " +
                          std::to_string(root.dimensions) + " dimensions");
        }
        return records;
    }

    ipc::IndexView index_of(const ipc::DimensionRecord& record) {
        auto& mapping = mappings_[record.serial];
        if (!mapping) {
            mapping = std::make_unique<ipc::RegionMapping>(directory_, control_.identity(), record,
                                                           trust_, operation_);
        }
        return mapping->index_of(record, operation_);
    }

    static std::string_view name_of(const ipc::DimensionRecord& record) {
        return {record.name, record.name_bytes};
    }

    ipc::OpenedRegion region_of(const ipc::DimensionRecord& record) const {
        return ipc::open_region(directory_, control_.identity(), record.serial,
                                ipc::Access::read_only, trust_, operation_);
    }

    // To somebody who may read the file that the dimension lies in now: what is put back must not
    // be open to that user there.
    bool was_closed(const ipc::DimensionRecord& then, const ipc::DimensionRecord& now) const {
        return then.serial != now.serial &&
               impl::admits_more(impl::access_of(region_of(now).status),
                                 impl::access_of(region_of(then).status));
    }

    void add_again(Dimension dimension, const ipc::DimensionRecord& record) {
        const auto region = region_of(record);
        DimensionOptions options{.name = name_of(record)};
        if (region.owner) {
            options.own_region = true;
            options.max_bytes = region.max_bytes;
            options.access = FileAccess{.mode = region.status.mode, .group = region.status.group};
        }
        batch_.add_dimension(dimension, options);
        ++report_.dimensions;
        const ipc::IndexView index = index_of(record);
        for (const Layer& layer : DimensionRange(&index)) {
            put(dimension, layer);
        }
    }

    void restore(Dimension dimension, const ipc::DimensionRecord& then,
                 const ipc::DimensionRecord& now) {
        const std::uint64_t before = report_.put + report_.erased;
        const bool renamed = name_of(then) != name_of(now);
        if (renamed) {
            batch_.add_dimension(dimension, name_of(then));
        }
        const ipc::IndexView old_index = index_of(then);
        const ipc::IndexView new_index = index_of(now);
        const DimensionRange old_layers(&old_index);
        const DimensionRange new_layers(&new_index);
        auto newer = new_layers.begin();
        const auto erase = [&] {
            batch_.erase({dimension, newer.number()});
            ++report_.erased;
            ++newer;
        };
        for (const Layer& older : old_layers) {
            const std::uint64_t number = older.id().layer;
            while (newer != new_layers.end() && newer.number() < number) {
                erase();
            }
            const bool there = newer != new_layers.end() && newer.number() == number;
            // The generation is not in the checksum.
            if (!there || newer->checksum() != older.checksum() ||
                newer->generation() != older.generation() || newer->size() != older.size()) {
                put(dimension, older);
            }
            if (there) {
                ++newer;
            }
        }
        while (newer != new_layers.end()) {
            erase();
        }
        report_.dimensions += renamed || report_.put + report_.erased != before ? 1 : 0;
    }

    void put(Dimension dimension, const Layer& layer) {
        const std::uint64_t number = layer.id().layer;
        if (!layer.verify()) {
            ipc::fail(Errc::corrupt, operation_, directory_.path,
                      "layer " + std::to_string(number) + " of dimension " +
                          std::to_string(dimension) + " of the durable generation is damaged",
                      "restore a backup; nothing was changed");
        }
        const LayerOptions options{
            .frequency = layer.frequency(),
            .keywords = layer.keywords(),
            .alignment =
                ipc::LayerBlock::of_payload(layer.data()).asked_alignment(layer.alignment()),
            .type_tag = layer.type_tag()};
        if (layer.name().empty()) {
            batch_.put({dimension, number}, layer.bytes(), options);
        } else {
            batch_.put(dimension, layer.name(), layer.bytes(), options);
        }
        ++report_.put;
    }

    const ipc::StoreDirectory& directory_;
    Batch& batch_;
    RollbackReport& report_;
    const std::string operation_;
    const ipc::Trust trust_;
    const ipc::ControlFile control_;
    std::map<std::uint64_t, std::unique_ptr<ipc::RegionMapping>> mappings_;  // by serial
};

RollbackReport run(std::string_view name, ProducerOptions options, const std::string& operation) {
    impl::check_options(options, operation);
    options.durability.policy = DurabilityPolicy::off;  // opening must not checkpoint
    auto held = impl::lock_store(options.base_path, name, impl::Ruins::refuse, operation);
    impl::OpenStore store(std::move(held.directory), std::move(*held.lock), options, {},
                          impl::KeepDurable::yes);
    const auto durable = store.durable_slot();
    if (!durable) {
        ipc::fail(Errc::generation_not_retained, operation, store.path().string(),
                  "no generation of it is durable",
                  "Producer::checkpoint and DurabilityOptions make generations durable");
    }
    RollbackReport report{.durable = durable->generation,
                          .abandoned = store.generation(),
                          .generation = store.generation()};
    if (report.durable != report.abandoned) {
        Batch batch = store.make_batch();
        Rollback(store.directory(), batch, report, operation)
            .fill(durable->root, store.root_offset());
        report.generation = batch.crystallize();
    }
    store.release_durable();
    try {
        store.checkpoint();
        report.made_durable = true;
    } catch (const Error& error) {
        if (error.code() != Errc::durability_lost) {
            throw;
        }
    }
    return report;
}

}  // namespace

RollbackReport roll_back(std::string_view name, const ProducerOptions& options) {
    const std::string path = (options.base_path / name).string();
    const AuditEntry entry{.operation = "roll back", .store = path};
    return ipc::audited(options.audit, entry, [&](AuditEntry& told) {
        const RollbackReport report = run(name, options, ipc::operation_on("roll back", name));
        told.generation = report.generation;
        told.dimensions = report.dimensions;
        told.layers = report.put + report.erased;
        return report;
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

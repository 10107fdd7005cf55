// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/dimension_names.hpp"

#include <algorithm>
#include <utility>

#include "ipc/index/find.hpp"
#include "strata/dimension_range.hpp"
#include "strata/layer.hpp"

namespace strata::consumer_impl {

namespace {

constexpr std::string_view operation = "find dimension";

std::string_view name_of(const ipc::DimensionRecord& record) noexcept {
    return {record.name, record.name_bytes};
}

}  // namespace

std::optional<Dimension> DimensionNames::find(const View& view, const ipc::ControlFile& control,
                                              std::string_view name) {
    const Shared table = table_of(view, control);
    const std::uint64_t hash = layer_number(name);
    for (auto it = std::ranges::lower_bound(table->entries, hash, {}, &Entry::hash);
         it != table->entries.end() && it->hash == hash; ++it) {
        const auto record = control.dimension_at(view.directory, it->number, operation);
        if (record && name_of(*record) == name) {
            return it->number;
        }
    }
    return std::nullopt;
}

DimensionNames::Shared DimensionNames::table_of(const View& view, const ipc::ControlFile& control) {
    const Generation layout = view.root.layout_generation;
    {
        const ipc::MutexLock lock(mutex_);
        if (table_ && table_->layout == layout) {
            return table_;
        }
    }
    Shared made = read(view, control);
    Shared former = made;  // freed without the lock
    const ipc::MutexLock lock(mutex_);
    former.swap(table_);
    return made;
}

DimensionNames::Shared DimensionNames::read(const View& view, const ipc::ControlFile& control) {
    auto table = std::make_shared<Table>();
    table->layout = view.root.layout_generation;
    table->entries.reserve(view.root.dimensions);
    const DimensionRange directory(&view.directory);
    for (auto it = directory.begin(); it != directory.end(); ++it) {
        const std::uint64_t offset = ipc::block_offset(view.directory, *it);
        const ipc::DimensionRecord record =
            control.record_at(view.directory, ipc::layer_entry(offset, 0), operation);
        table->entries.push_back(
            {layer_number(name_of(record)), static_cast<Dimension>(record.dimension)});
    }
    std::ranges::sort(table->entries, {},
                      [](const Entry& entry) { return std::pair(entry.hash, entry.number); });
    return table;
}

}  // namespace strata::consumer_impl

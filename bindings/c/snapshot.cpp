// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

namespace {

// Results are turned into the ABI's form in groups of so many: as large as what a batched find has
// on its way from memory at once.
constexpr size_t group = 128;

const strata::Snapshot& snapshot_of(const strata_snapshot* snapshot) {
    return need(snapshot, "snapshot is NULL")->snapshot;
}

/// Calls `find(first, count, into)` and then `take(first, count, found)` for group after group.
template <class Find, class Take>
void in_groups(size_t count, Find&& find, Take&& take) {
    std::array<strata::Layer, group> found;
    for (size_t first = 0; first < count; first += group) {
        const size_t size = std::min(group, count - first);
        find(first, size, std::span(found).first(size));
        take(first, size, found.data());
    }
}

auto to_c(strata_layer* to) {
    return [to](size_t first, size_t count, const strata::Layer* found) {
        for (size_t i = 0; i < count; ++i) {
            to[first + i] = layer_of(found[i]);
        }
    };
}

auto find_in(const strata::Snapshot& snapshot, uint32_t dimension, const uint64_t* layers) {
    return
        [&snapshot, dimension, layers](size_t first, size_t count, std::span<strata::Layer> into) {
            snapshot.find(dimension, std::span(layers + first, count), into);
        };
}

}  // namespace

strata_status strata_snapshot_take(strata_consumer* consumer, strata_snapshot** snapshot,
                                   strata_error* error) {
    return guarded(__func__, error, [&] {
        need(snapshot, "snapshot is NULL");
        *snapshot = new strata_snapshot(need(consumer, "consumer is NULL")->consumer.snapshot());
    });
}

strata_status strata_snapshot_take_at(strata_consumer* consumer, uint64_t generation,
                                      strata_snapshot** snapshot, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(snapshot, "snapshot is NULL");
        *snapshot =
            new strata_snapshot(need(consumer, "consumer is NULL")->consumer.snapshot(generation));
    });
}

strata_status strata_snapshot_take_at_time(strata_consumer* consumer, int64_t time_ns,
                                           strata_snapshot** snapshot, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(snapshot, "snapshot is NULL");
        *snapshot = new strata_snapshot(
            need(consumer, "consumer is NULL")->consumer.snapshot_at(time_since_1970(time_ns)));
    });
}

strata_snapshot* strata_snapshot_ref(strata_snapshot* snapshot) {
    if (snapshot != nullptr) {
        // Relaxed: whoever calls this holds a reference already.
        snapshot->references.fetch_add(1, std::memory_order_relaxed);
    }
    return snapshot;
}

void strata_snapshot_release(strata_snapshot* snapshot) {
    // Release: what this thread did with it comes before its end; acquire, of the last one: its end
    // comes after what all others did. Both sites are this one.
    if (snapshot != nullptr && snapshot->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete snapshot;
    }
}

uint64_t strata_snapshot_generation(const strata_snapshot* snapshot) {
    return snapshot == nullptr ? 0 : snapshot->snapshot.generation();
}

strata_status strata_snapshot_describe(const strata_snapshot* snapshot, strata_snapshot_info* info,
                                       strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Snapshot& known = snapshot_of(snapshot);
        strata_snapshot_info out{};
        out.generation = known.generation();
        out.published_at_ns = ns_since_1970(known.published_at());
        out.layers = known.layer_count();
        out.dimensions = known.dimension_count();
        give_struct(need(info, "info is NULL"), out);
    });
}

strata_status strata_find(const strata_snapshot* snapshot, uint32_t dimension, uint64_t layer,
                          strata_layer* found, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(found, "found is NULL");
        *found = layer_of(snapshot_of(snapshot).find({dimension, layer}));
    });
}

strata_status strata_find_name(const strata_snapshot* snapshot, uint32_t dimension,
                               const char* name, size_t name_size, strata_layer* found,
                               strata_error* error) {
    return guarded(__func__, error, [&] {
        need(found, "found is NULL");
        *found = layer_of(
            snapshot_of(snapshot).find(dimension, text_of(name, name_size, "name is NULL")));
    });
}

strata_status strata_get(const strata_snapshot* snapshot, uint32_t dimension, uint64_t layer,
                         strata_layer* found, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(found, "found is NULL");
        *found = layer_of(snapshot_of(snapshot).get({dimension, layer}));
    });
}

strata_status strata_get_name(const strata_snapshot* snapshot, uint32_t dimension, const char* name,
                              size_t name_size, strata_layer* found, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(found, "found is NULL");
        *found = layer_of(
            snapshot_of(snapshot).get(dimension, text_of(name, name_size, "name is NULL")));
    });
}

strata_status strata_find_many(const strata_snapshot* snapshot, const strata_id* ids, size_t count,
                               strata_layer* found, strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Snapshot& in = snapshot_of(snapshot);
        if (count == 0) {
            return;
        }
        need(ids, "ids is NULL");
        need(found, "found is NULL");
        std::array<strata::LayerId, group> some;
        in_groups(
            count,
            [&](size_t first, size_t size, std::span<strata::Layer> into) {
                for (size_t i = 0; i < size; ++i) {
                    some[i] = {ids[first + i].dimension, ids[first + i].layer};
                }
                in.find(std::span(some).first(size), into);
            },
            to_c(found));
    });
}

strata_status strata_find_in(const strata_snapshot* snapshot, uint32_t dimension,
                             const uint64_t* layers, size_t count, strata_layer* found,
                             strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Snapshot& in = snapshot_of(snapshot);
        if (count == 0) {
            return;
        }
        need(layers, "layers is NULL");
        need(found, "found is NULL");
        in_groups(count, find_in(in, dimension, layers), to_c(found));
    });
}

strata_status strata_gather(const strata_snapshot* snapshot, uint32_t dimension,
                            const uint64_t* layers, size_t count, void* rows, size_t row_bytes,
                            uint8_t* state, size_t* copied, strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Snapshot& in = snapshot_of(snapshot);
        size_t hits = 0;
        if (count > 0) {
            need(layers, "layers is NULL");
            auto* row =
                row_bytes == 0 ? nullptr : need(static_cast<std::byte*>(rows), "rows is NULL");
            const strata::ReadGuard guard;
            const auto copy = [&](size_t first, size_t size, const strata::Layer* found) {
                for (size_t i = 0; i < size; ++i, row += row_bytes) {
                    const bool fits = found[i] && found[i].size() == row_bytes;
                    hits += fits ? 1 : 0;
                    if (state != nullptr) {
                        state[first + i] = fits       ? STRATA_GATHERED
                                           : found[i] ? STRATA_GATHERED_OTHER
                                                      : STRATA_GATHERED_NONE;
                    }
                    if (row_bytes == 0) {
                        continue;
                    }
                    if (fits) {
                        std::memcpy(row, found[i].data(), row_bytes);
                    } else {
                        std::memset(row, 0, row_bytes);
                    }
                }
            };
            try {
                in_groups(count, find_in(in, dimension, layers), copy);
            } catch (const strata::Error&) {
                guard.check("gather layers");  // an index that reads as zeros
                throw;
            }
            guard.check("gather layers");
        }
        give(copied, hits);
    });
}

// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <iterator>
#include <utility>
#include <vector>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_dimension_list {
    std::vector<strata::DimensionInfo> dimensions;
};

struct strata_cursor {
    SnapshotReference snapshot;
    strata::DimensionRange::Iterator next;
    std::exception_ptr damage{};  // ended the walk
};

namespace {

const strata::Snapshot& snapshot_of(const strata_snapshot* snapshot) {
    return need(snapshot, "snapshot is NULL")->snapshot;
}

}  // namespace

strata_status strata_has_dimension(const strata_snapshot* snapshot, uint32_t dimension, int* has,
                                   strata_error* error) {
    return guarded(__func__, error, [&] {
        need(has, "has is NULL");
        *has = snapshot_of(snapshot).has_dimension(dimension) ? 1 : 0;
    });
}

strata_status strata_dimension_number(const strata_snapshot* snapshot, const char* name,
                                      size_t name_size, uint32_t* dimension, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(dimension, "dimension is NULL");
        const std::string_view wanted = text_of(name, name_size, "name is NULL");
        const auto& numbers = need(snapshot, "snapshot is NULL")->numbers();
        const auto found = numbers.find(wanted);
        if (found == numbers.end()) {
            throw strata::Error({.code = strata::Errc::dimension_not_found,
                                 .operation = "find dimension \"" + strata::printable(wanted) + '"',
                                 .detail = "generation " +
                                           std::to_string(snapshot->snapshot.generation()) +
                                           " has " + std::to_string(numbers.size()) +
                                           " names of dimensions, this one is not among them",
                                 .hint = "list the dimensions of the snapshot"});
        }
        *dimension = found->second;
    });
}

strata_status strata_dimension_layers(const strata_snapshot* snapshot, uint32_t dimension,
                                      uint64_t* layers, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(layers, "layers is NULL");
        *layers = snapshot_of(snapshot).dimension(dimension).size();
    });
}

strata_status strata_dimensions(const strata_snapshot* snapshot, strata_dimension_list** list,
                                strata_error* error) {
    return guarded(__func__, error, [&] {
        need(list, "list is NULL");
        *list = new strata_dimension_list{snapshot_of(snapshot).dimensions()};
    });
}

size_t strata_dimension_list_size(const strata_dimension_list* list) {
    return list == nullptr ? 0 : list->dimensions.size();
}

strata_status strata_dimension_list_get(const strata_dimension_list* list, size_t index,
                                        strata_dimension_info* info, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(info, "info is NULL");
        if (index >= need(list, "list is NULL")->dimensions.size()) {
            throw BadArgument{"index is beyond the end of the list"};
        }
        const strata::DimensionInfo& known = list->dimensions[index];
        strata_dimension_info out{};
        out.dimension = known.dimension;
        out.name = string_of(known.name);
        out.layers = known.layers;
        out.live_bytes = known.live_bytes;
        out.generation = known.generation;
        give_struct(info, out);
    });
}

void strata_dimension_list_free(strata_dimension_list* list) { delete list; }

strata_status strata_cursor_open(strata_snapshot* snapshot, uint32_t dimension,
                                 strata_cursor** cursor, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(cursor, "cursor is NULL");
        *cursor = new strata_cursor{.snapshot = SnapshotReference(snapshot),
                                    .next = snapshot_of(snapshot).dimension(dimension).begin()};
    });
}

strata_status strata_cursor_next(strata_cursor* cursor, uint64_t* numbers, strata_layer* layers,
                                 size_t room, size_t* count, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(cursor, "cursor is NULL");
        need(count, "count is NULL");
        if (cursor->damage) {
            std::rethrow_exception(cursor->damage);
        }
        size_t given = 0;
        try {
            for (; given < room && cursor->next != std::default_sentinel; ++cursor->next) {
                if (numbers != nullptr) {
                    numbers[given] = cursor->next.number();
                }
                if (layers != nullptr) {
                    layers[given] = layer_of(*cursor->next);
                }
                ++given;
            }
        } catch (const strata::Error&) {
            cursor->damage = std::current_exception();  // the iterator is at its end
        }
        *count = given;
    });
}

void strata_cursor_close(strata_cursor* cursor) { delete cursor; }

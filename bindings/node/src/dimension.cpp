// SPDX-License-Identifier: Apache-2.0
// The dimensions of a snapshot, and walking through the layers of one.
#include <algorithm>

#include "functions.hpp"
#include "look_up.hpp"

namespace strata_node {

namespace {

// Number of a dimension that is there, else a StrataError.
napi_value dimension_number(const Call& call) {
    const napi_env env = call.env;
    const auto& snapshot = snapshot_of(call);
    std::uint32_t found = 0;
    std::uint64_t layers = 0;
    if (type_of(env, call[1]) == napi_string) {
        const std::string name = to_text(env, call[1]);
        ask(env, strata_dimension_number, snapshot.get(), name.data(), name.size(), &found);
    } else {
        found = to_u32(env, call[1]);
        ask(env, strata_dimension_layers, snapshot.get(), found, &layers);
    }
    return number(env, found);
}

napi_value dimension_layers(const Call& call) {
    std::uint64_t layers = 0;
    ask(call.env, strata_dimension_layers, snapshot_of(call).get(), to_u32(call.env, call[1]),
        &layers);
    return count(call.env, layers);
}

napi_value has_dimension(const Call& call) {
    const auto& snapshot = snapshot_of(call);
    const auto dimension = find_dimension(call.env, snapshot.get(), call[1]);
    int has = 0;
    if (dimension) {
        ask(call.env, strata_has_dimension, snapshot.get(), *dimension, &has);
    }
    return boolean(call.env, has != 0);
}

napi_value dimensions(const Call& call) {
    const napi_env env = call.env;
    strata_dimension_list* list = nullptr;
    ask(env, strata_dimensions, snapshot_of(call).get(), &list);
    const std::unique_ptr<strata_dimension_list, void (*)(strata_dimension_list*)> kept(
        list, strata_dimension_list_free);
    const std::size_t size = strata_dimension_list_size(list);
    const napi_value result = array(env, size);
    for (std::size_t i = 0; i < size; ++i) {
        strata_dimension_info known = STRATA_DIMENSION_INFO_INIT;
        ask(env, strata_dimension_list_get, list, i, &known);
        const napi_value one = object(env);
        set(env, one, "number", number(env, known.dimension));
        set(env, one, "name", text(env, known.name));
        set(env, one, "layers", count(env, known.layers));
        set(env, one, "liveBytes", count(env, known.live_bytes));
        set(env, one, "generation", count(env, known.generation));
        set(env, result, i, one);
    }
    return result;
}

// A walk; it has looked further than it has copied, if what comes is large.
struct CursorHandle : Handle {
    CursorHandle(std::shared_ptr<strata_snapshot> of, std::uint32_t number, strata_cursor* opened)
        : snapshot(std::move(of)), dimension(number), cursor(opened, strata_cursor_close) {}

    std::shared_ptr<strata_snapshot> snapshot;
    std::uint32_t dimension;
    std::unique_ptr<strata_cursor, void (*)(strata_cursor*)> cursor;
    std::vector<std::uint64_t> numbers;
    std::vector<strata_layer> layers;
    std::size_t given = 0;  // of those
};

// openCursor(snapshot, dimension's number)
napi_value open_cursor(const Call& call) {
    const auto& snapshot = snapshot_of(call);
    const std::uint32_t dimension = to_u32(call.env, call[1]);
    strata_cursor* opened = nullptr;
    ask(call.env, strata_cursor_open, snapshot.get(), dimension, &opened);
    return new_handle<CursorHandle>(call.env, snapshot, dimension, opened);
}

// Whether there is more; then the cursor has at least one layer to give.
bool advance(const Call& call, CursorHandle& walk, std::size_t room) {
    if (walk.cursor == nullptr) {
        throw_closed(call.env, "walk");
    }
    if (walk.given < walk.numbers.size()) {
        return true;
    }
    walk.numbers.resize(room);
    walk.layers.resize(room);
    walk.given = 0;
    std::size_t found = 0;
    strata_error error = STRATA_ERROR_INIT;
    const strata_status status = strata_cursor_next(walk.cursor.get(), walk.numbers.data(),
                                                    walk.layers.data(), room, &found, &error);
    walk.numbers.resize(found);
    walk.layers.resize(found);
    if (status != STRATA_OK) {
        walk.numbers.clear();
        walk.layers.clear();
        throw_error(call.env, status, error);
    }
    return found > 0;
}

// BigUint64Array of the next `size` numbers of a walk, from those that it has.
napi_value next_numbers(napi_env env, const CursorHandle& walk, std::size_t size) {
    void* memory = nullptr;
    const napi_value result =
        typed_array(env, napi_biguint64_array, size, sizeof(std::uint64_t), &memory);
    std::copy_n(walk.numbers.begin() + static_cast<std::ptrdiff_t>(walk.given), size,
                static_cast<std::uint64_t*>(memory));
    return result;
}

// cursorNumbers(cursor, at most how many): a BigUint64Array, or undefined at the end
napi_value cursor_numbers(const Call& call) {
    auto& walk = handle<CursorHandle>(call, 0);
    if (!advance(call, walk, to_u32(call.env, call[1]))) {
        return undefined(call.env);
    }
    const std::size_t size = walk.numbers.size() - walk.given;
    const napi_value result = next_numbers(call.env, walk, size);
    walk.given += size;
    return result;
}

// cursorNext(cursor, at most how many layers, and about how many bytes): [numbers, Buffer,
// Float64Array of the layers' ends in it], or undefined at the end
napi_value cursor_next(const Call& call) {
    const napi_env env = call.env;
    auto& walk = handle<CursorHandle>(call, 0);
    const std::uint64_t most_bytes = to_u64(env, call[2]);
    if (!advance(call, walk, to_u32(env, call[1]))) {
        return undefined(env);
    }
    const std::size_t first = walk.given;
    std::uint64_t total = 0;
    std::size_t end = first;
    for (;
         end < walk.layers.size() && (end == first || total + walk.layers[end].size <= most_bytes);
         ++end) {
        total += walk.layers[end].size;
    }
    const std::size_t size = end - first;
    std::vector<strata_id> ids(size);
    for (std::size_t i = 0; i < size; ++i) {
        ids[i] = {walk.dimension, 0, walk.numbers[first + i]};
    }
    std::vector<double> where;
    const napi_value buffer =
        copy_all(env, walk.snapshot.get(), ids.data(), walk.layers.data() + first, size, where);
    void* memory = nullptr;
    const napi_value ends = typed_array(env, napi_float64_array, size, sizeof(double), &memory);
    for (std::size_t i = 0; i < size; ++i) {
        static_cast<double*>(memory)[i] =
            where[i] + static_cast<double>(walk.layers[first + i].size);
    }
    const napi_value result = array(env, 3);
    set(env, result, std::size_t{0}, next_numbers(env, walk, size));
    set(env, result, 1, buffer);
    set(env, result, 2, ends);
    walk.given = end;
    return result;
}

napi_value close_cursor(const Call& call) {
    auto& walk = handle<CursorHandle>(call, 0);
    walk.cursor.reset();
    walk.snapshot.reset();
    return undefined(call.env);
}

}  // namespace

void add_dimension_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"dimensionNumber", entry<dimension_number>},
         {"dimensionLayers", entry<dimension_layers>},
         {"hasDimension", entry<has_dimension>},
         {"dimensions", entry<dimensions>},
         {"openCursor", entry<open_cursor>},
         {"cursorNumbers", entry<cursor_numbers>},
         {"cursorNext", entry<cursor_next>},
         {"closeCursor", entry<close_cursor>}});
}

}  // namespace strata_node

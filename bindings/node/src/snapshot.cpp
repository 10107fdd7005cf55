// SPDX-License-Identifier: Apache-2.0
// strata_snapshot: taking it, its description, many layers with one call.
#include "functions.hpp"
#include "look_up.hpp"

namespace strata_node {

namespace {

napi_value take(const Call& call) {
    strata_snapshot* made = nullptr;
    ask(call.env, strata_snapshot_take, consumer_of(call).get(), &made);
    return new_handle<SnapshotHandle>(call.env, made);
}

// takeAt(consumer, generation)
napi_value take_at(const Call& call) {
    strata_snapshot* made = nullptr;
    ask(call.env, strata_snapshot_take_at, consumer_of(call).get(), to_u64(call.env, call[1]),
        &made);
    return new_handle<SnapshotHandle>(call.env, made);
}

// takeAtTime(consumer, ns since 1970)
napi_value take_at_time(const Call& call) {
    strata_snapshot* made = nullptr;
    ask(call.env, strata_snapshot_take_at_time, consumer_of(call).get(), to_i64(call.env, call[1]),
        &made);
    return new_handle<SnapshotHandle>(call.env, made);
}

// takeBookmark(consumer, name)
napi_value take_bookmark(const Call& call) {
    const auto& consumer = consumer_of(call);
    const std::string name = to_text(call.env, call[1]);
    strata_snapshot* made = nullptr;
    ask(call.env, strata_snapshot_take_bookmark, consumer.get(), name.data(), name.size(), &made);
    return new_handle<SnapshotHandle>(call.env, made);
}

napi_value share(const Call& call) {
    return new_handle<SnapshotHandle>(call.env, strata_snapshot_ref(snapshot_of(call).get()));
}

napi_value release(const Call& call) {
    handle<SnapshotHandle>(call, 0).snapshot.reset();
    return undefined(call.env);
}

napi_value describe(const Call& call) {
    const napi_env env = call.env;
    strata_snapshot_info known = STRATA_SNAPSHOT_INFO_INIT;
    ask(env, strata_snapshot_describe, snapshot_of(call).get(), &known);
    const napi_value result = object(env);
    set(env, result, "generation", count(env, known.generation));
    set(env, result, "publishedAtNs", bigint(env, known.published_at_ns));
    set(env, result, "layerCount", count(env, known.layers));
    set(env, result, "dimensionCount", count(env, known.dimensions));
    return result;
}

// Many copies as JavaScript takes them apart: [Buffer, Float64Array of where each begins and ends],
// an end of -1 where there is no such layer.
napi_value pieces(napi_env env, const strata_snapshot* snapshot, const std::vector<strata_id>& ids,
                  const std::vector<strata_layer>& layers) {
    std::vector<double> where;
    const napi_value buffer =
        copy_all(env, snapshot, ids.data(), layers.data(), layers.size(), where);
    void* memory = nullptr;
    const napi_value bounds =
        typed_array(env, napi_float64_array, 2 * layers.size(), sizeof(double), &memory);
    double* to = static_cast<double*>(memory);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        *to++ = where[i];
        *to++ = layers[i].data == nullptr ? -1 : where[i] + static_cast<double>(layers[i].size);
    }
    const napi_value result = array(env, 2);
    set(env, result, std::size_t{0}, buffer);
    set(env, result, 1, bounds);
    return result;
}

// getMany(snapshot, BigUint64Array of dimension, layer, dimension, layer ...)
napi_value get_many(const Call& call) {
    const auto& snapshot = snapshot_of(call);
    const Numbers given = to_numbers(call.env, call[1]);
    std::vector<strata_id> ids(given.count / 2);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::uint64_t dimension = given.data[2 * i];
        if (dimension > UINT32_MAX) {
            throw_range_error(call.env, "a dimension has 32 bits");
        }
        ids[i] = {static_cast<std::uint32_t>(dimension), 0, given.data[2 * i + 1]};
    }
    std::vector<strata_layer> layers(ids.size());
    ask(call.env, strata_find_many, snapshot.get(), ids.data(), ids.size(), layers.data());
    return pieces(call.env, snapshot.get(), ids, layers);
}

// getIn(snapshot, dimension, BigUint64Array of layers)
napi_value get_in(const Call& call) {
    const auto& snapshot = snapshot_of(call);
    const Numbers given = to_numbers(call.env, call[2]);
    const auto dimension = find_dimension(call.env, snapshot.get(), call[1]);
    std::vector<strata_id> ids(given.count);
    std::vector<strata_layer> layers(given.count);
    if (dimension) {
        for (std::size_t i = 0; i < given.count; ++i) {
            ids[i] = {*dimension, 0, given.data[i]};
        }
        ask(call.env, strata_find_in, snapshot.get(), *dimension, given.data, given.count,
            layers.data());
    }
    return pieces(call.env, snapshot.get(), ids, layers);
}

// gather(snapshot, dimension, BigUint64Array of layers, rows, a Uint8Array or undefined)
napi_value gather(const Call& call) {
    const napi_env env = call.env;
    const auto& snapshot = snapshot_of(call);
    std::uint32_t dimension = 0;
    if (type_of(env, call[1]) == napi_string) {
        const std::string name = to_text(env, call[1]);
        ask(env, strata_dimension_number, snapshot.get(), name.data(), name.size(), &dimension);
    } else {
        dimension = to_u32(env, call[1]);
    }
    const Numbers layers = to_numbers(env, call[2]);
    const Bytes rows = to_bytes(env, call[3]);
    std::uint8_t* state = nullptr;
    if (call.given(4)) {
        const Bytes states = to_bytes(env, call[4]);
        if (states.size < layers.count) {
            throw_range_error(env, "the states take a byte for each layer");
        }
        state = reinterpret_cast<std::uint8_t*>(states.data);
    }
    if (layers.count == 0) {
        return number(env, 0);
    }
    if (rows.size % layers.count != 0) {
        throw_range_error(env, "the memory for rows is no multiple of their number");
    }
    std::size_t copied = 0;
    ask(env, strata_gather, snapshot.get(), dimension, layers.data, layers.count,
        static_cast<void*>(rows.data), rows.size / layers.count, state, &copied);
    return count(env, copied);
}

}  // namespace

void add_snapshot_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"take", entry<take>},
         {"takeAt", entry<take_at>},
         {"takeAtTime", entry<take_at_time>},
         {"takeBookmark", entry<take_bookmark>},
         {"share", entry<share>},
         {"release", entry<release>},
         {"describeSnapshot", entry<describe>},
         {"getMany", entry<get_many>},
         {"getIn", entry<get_in>},
         {"gather", entry<gather>}});
}

}  // namespace strata_node

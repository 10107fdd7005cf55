// SPDX-License-Identifier: Apache-2.0
#include "look_up.hpp"

namespace strata_node {

std::optional<std::uint32_t> find_dimension(napi_env env, const strata_snapshot* snapshot,
                                            napi_value dimension) {
    if (type_of(env, dimension) != napi_string) {
        return to_u32(env, dimension);
    }
    const std::string name = to_text(env, dimension);
    strata_error error = STRATA_ERROR_INIT;
    std::uint32_t found = 0;
    const strata_status status =
        strata_dimension_number(snapshot, name.data(), name.size(), &found, &error);
    if (status == STRATA_DIMENSION_NOT_FOUND) {
        return std::nullopt;
    }
    if (status != STRATA_OK) {
        throw_error(env, status, error);
    }
    return found;
}

strata_layer find(napi_env env, const strata_snapshot* snapshot, napi_value dimension,
                  napi_value layer) {
    strata_layer found{};
    const auto number = find_dimension(env, snapshot, dimension);
    if (type_of(env, layer) == napi_string) {
        const std::string name = to_text(env, layer);
        if (number) {
            ask(env, strata_find_name, snapshot, *number, name.data(), name.size(), &found);
        }
    } else {
        const std::uint64_t wanted = to_u64(env, layer);
        if (number) {
            ask(env, strata_find, snapshot, *number, wanted, &found);
        }
    }
    return found;
}

strata_layer find(const Call& call) {
    return find(call.env, snapshot_of(call).get(), call[1], call[2]);
}

napi_value copy_of(napi_env env, const strata_layer& layer) {
    void* memory = nullptr;
    napi_value buffer = nullptr;
    check(env, napi_create_buffer(env, layer.size, &memory, &buffer));
    ask(env, strata_layer_copy, &layer, std::uint64_t{0}, memory, std::size_t{layer.size});
    return buffer;
}

napi_value copy_all(napi_env env, const strata_snapshot* snapshot, const strata_id* ids,
                    const strata_layer* layers, std::size_t count, std::vector<double>& where) {
    std::size_t total = 0;
    where.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        where[i] = static_cast<double>(total);
        total += layers[i].data == nullptr ? 0 : layers[i].size;
    }
    void* memory = nullptr;
    napi_value buffer = nullptr;
    check(env, napi_create_buffer(env, total, &memory, &buffer));

    std::byte* to = static_cast<std::byte*>(memory);
    std::vector<std::uint64_t> numbers;
    for (std::size_t i = 0; i < count;) {
        const strata_layer& first = layers[i];
        if (first.data == nullptr || first.size == 0) {
            ++i;
            continue;
        }
        numbers.clear();
        std::size_t end = i;
        for (; end < count && layers[end].data != nullptr && layers[end].size == first.size &&
               ids[end].dimension == ids[i].dimension;
             ++end) {
            numbers.push_back(ids[end].layer);
        }
        if (numbers.size() == 1) {
            ask(env, strata_layer_copy, &first, std::uint64_t{0}, static_cast<void*>(to),
                std::size_t{first.size});
        } else {
            ask(env, strata_gather, snapshot, ids[i].dimension, numbers.data(), numbers.size(),
                static_cast<void*>(to), std::size_t{first.size},
                static_cast<std::uint8_t*>(nullptr), static_cast<std::size_t*>(nullptr));
        }
        to += first.size * numbers.size();
        i = end;
    }
    return buffer;
}

}  // namespace strata_node

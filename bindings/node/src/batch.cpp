// SPDX-License-Identifier: Apache-2.0
// strata_batch. What a failure leaves is the batch as it was.
#include <string>
#include <vector>

#include "functions.hpp"
#include "produce.hpp"

namespace strata_node {

namespace {

strata_batch* batch_of(const Call& call) {
    strata_batch* const batch = handle<BatchHandle>(call, 0).open->batch;
    if (batch == nullptr) {
        throw_closed(call.env, "Batch");
    }
    return batch;
}

napi_value close_batch(const Call& call) {
    handle<BatchHandle>(call, 0).open->close();
    return undefined(call.env);
}

// What lies beside the payload, with its own copies of the keywords.
struct LayerOptions {
    LayerOptions(napi_env env, napi_value given) {
        options.alignment = member_u32(env, given, "alignment");
        options.type_tag = member_u64(env, given, "typeTag");
        if (const napi_value frequency = member(env, given, "frequency")) {
            check(env, napi_get_value_double(env, frequency, &options.frequency));
        }
        if (const napi_value words = member(env, given, "keywords")) {
            std::uint32_t size = 0;
            check(env, napi_get_array_length(env, words, &size));
            keywords.reserve(size);
            for (std::uint32_t i = 0; i < size; ++i) {
                napi_value word = nullptr;
                check(env, napi_get_element(env, words, i, &word));
                keywords.push_back(to_text(env, word));
            }
            for (const std::string& word : keywords) {
                strings.push_back({word.data(), word.size()});
            }
            options.keywords = strings.data();
            options.keyword_count = strings.size();
        }
    }
    LayerOptions(const LayerOptions&) = delete;
    LayerOptions& operator=(const LayerOptions&) = delete;

    strata_layer_options options = STRATA_LAYER_OPTIONS_INIT;
    std::vector<std::string> keywords;
    std::vector<strata_string> strings;
};

// put(batch, dimension, layer's number or name, bytes or a string, options or undefined): the
// layer's number
napi_value put(const Call& call) {
    const napi_env env = call.env;
    const std::uint32_t dimension = to_u32(env, call[1]);
    const bool named = type_of(env, call[2]) == napi_string;
    const std::string name = named ? to_text(env, call[2]) : "";
    std::uint64_t layer = named ? 0 : to_u64(env, call[2]);
    std::unique_ptr<LayerOptions> given;
    if (call.given(4)) {
        given = std::make_unique<LayerOptions>(env, call[4]);
    }
    // Last, since what was read before may have run JavaScript, which may have closed or detached.
    const bool is_text = type_of(env, call[3]) == napi_string;
    const std::string content = is_text ? to_text(env, call[3]) : "";
    const Bytes bytes = is_text ? Bytes{nullptr, 0} : to_bytes(env, call[3]);
    const void* const data = is_text ? static_cast<const void*>(content.data()) : bytes.data;
    const std::size_t size = is_text ? content.size() : bytes.size;
    const strata_layer_options* const options = given == nullptr ? nullptr : &given->options;
    strata_batch* const batch = batch_of(call);
    const void* const from = data == nullptr ? "" : data;  // an empty view has no address
    if (named) {
        ask(env, strata_put_name, batch, dimension, name.data(), name.size(), from, size, options,
            &layer);
    } else {
        ask(env, strata_put, batch, dimension, layer, from, size, options);
    }
    return bigint(env, layer);
}

// erase(batch, dimension, layer's number or name)
napi_value erase(const Call& call) {
    const std::uint32_t dimension = to_u32(call.env, call[1]);
    if (type_of(call.env, call[2]) == napi_string) {
        const std::string name = to_text(call.env, call[2]);
        ask(call.env, strata_erase_name, batch_of(call), dimension, name.data(), name.size());
    } else {
        ask(call.env, strata_erase, batch_of(call), dimension, to_u64(call.env, call[2]));
    }
    return undefined(call.env);
}

// batchDimension(batch, name): the number of one that is there or is added
napi_value dimension(const Call& call) {
    const std::string name = to_text(call.env, call[1]);
    std::uint32_t found = 0;
    ask(call.env, strata_batch_dimension, batch_of(call), name.data(), name.size(), &found);
    return number(call.env, found);
}

napi_value name_dimension(const Call& call) {
    const std::uint32_t dimension = to_u32(call.env, call[1]);
    const std::string name = to_text(call.env, call[2]);
    ask(call.env, strata_name_dimension, batch_of(call), dimension, name.data(), name.size());
    return undefined(call.env);
}

napi_value remove_dimension(const Call& call) {
    ask(call.env, strata_remove_dimension, batch_of(call), to_u32(call.env, call[1]));
    return undefined(call.env);
}

napi_value clear_dimension(const Call& call) {
    ask(call.env, strata_clear_dimension, batch_of(call), to_u32(call.env, call[1]));
    return undefined(call.env);
}

napi_value crystallize(const Call& call) {
    std::uint64_t generation = 0;
    ask(call.env, strata_crystallize, batch_of(call), &generation);
    return count(call.env, generation);
}

napi_value clear(const Call& call) {
    strata_batch_clear(batch_of(call));
    return undefined(call.env);
}

napi_value size(const Call& call) { return count(call.env, strata_batch_size(batch_of(call))); }

}  // namespace

void add_batch_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"closeBatch", entry<close_batch>},
         {"put", entry<put>},
         {"erase", entry<erase>},
         {"batchDimension", entry<dimension>},
         {"nameDimension", entry<name_dimension>},
         {"removeDimension", entry<remove_dimension>},
         {"clearDimension", entry<clear_dimension>},
         {"crystallize", entry<crystallize>},
         {"clearBatch", entry<clear>},
         {"batchSize", entry<size>}});
}

}  // namespace strata_node

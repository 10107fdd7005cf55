// SPDX-License-Identifier: Apache-2.0
// One layer of a snapshot: each function takes (snapshot, dimension, layer, ...), for looking it up
// costs less than an object that keeps its address.
#include "functions.hpp"
#include "look_up.hpp"

namespace strata_node {

namespace {

strata_layer existing(const Call& call) {
    const strata_layer found = find(call);
    if (found.data == nullptr) {
        throw_range_error(call.env, "there is no such layer");
    }
    return found;
}

napi_value get(const Call& call) {
    const strata_layer found = find(call);
    return found.data == nullptr ? undefined(call.env) : copy_of(call.env, found);
}

napi_value has(const Call& call) { return boolean(call.env, find(call).data != nullptr); }

// [dimension, layer, size], or undefined
napi_value locate(const Call& call) {
    const napi_env env = call.env;
    const strata_layer found = find(call);
    if (found.data == nullptr) {
        return undefined(env);
    }
    strata_layer_info known = STRATA_LAYER_INFO_INIT;
    ask(env, strata_layer_describe, &found, &known);
    const napi_value result = array(env, 3);
    set(env, result, std::size_t{0}, number(env, known.dimension));
    set(env, result, 1, bigint(env, known.layer));
    set(env, result, 2, count(env, found.size));
    return result;
}

napi_value keywords_of(napi_env env, const strata_layer& layer, std::size_t size) {
    std::vector<strata_string> words(size);
    std::size_t given = 0;
    if (size > 0) {
        ask(env, strata_layer_keywords, &layer, std::size_t{0}, words.data(), words.size(), &given);
    }
    const napi_value result = array(env, given);
    for (std::size_t i = 0; i < given; ++i) {
        set(env, result, i, text(env, words[i]));
    }
    return result;
}

napi_value describe(const Call& call) {
    const napi_env env = call.env;
    const strata_layer found = existing(call);
    strata_layer_info known = STRATA_LAYER_INFO_INIT;
    ask(env, strata_layer_describe, &found, &known);
    const napi_value result = object(env);
    set(env, result, "dimension", number(env, known.dimension));
    set(env, result, "number", bigint(env, known.layer));
    set(env, result, "name", known.name.size == 0 ? undefined(env) : text(env, known.name));
    set(env, result, "size", count(env, found.size));
    set(env, result, "generation", count(env, known.generation));
    set(env, result, "frequency", number(env, known.frequency));
    set(env, result, "keywords", keywords_of(env, found, known.keywords));
    set(env, result, "checksum", bigint(env, known.checksum));
    set(env, result, "typeTag", bigint(env, known.type_tag));
    return result;
}

// copyLayer(..., to, from which byte of the layer on): as many as `to` has room for
napi_value copy(const Call& call) {
    const strata_layer found = existing(call);
    const Bytes to = to_bytes(call.env, call[3]);
    const std::uint64_t offset = to_u64(call.env, call[4]);
    if (offset > found.size) {
        throw_range_error(call.env, "beyond the end of the layer");
    }
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(to.size, found.size - offset));
    ask(call.env, strata_layer_copy, &found, offset, static_cast<void*>(to.data), size);
    return count(call.env, size);
}

napi_value verify(const Call& call) {
    const strata_layer found = existing(call);
    ask(call.env, strata_layer_verify, &found);
    return undefined(call.env);
}

strata_type type_in(const Call& call, std::size_t first, const std::string& name) {
    strata_type type{};
    type.name = name.data();
    type.name_size = name.size();
    type.size = to_u64(call.env, call[first + 1]);
    type.alignment = to_u64(call.env, call[first + 2]);
    bool is_array = false;
    check(call.env, napi_get_value_bool(call.env, call[first + 3], &is_array));
    type.array = is_array ? 1 : 0;
    return type;
}

// expectType(..., type's name, size, alignment, whether an array)
napi_value expect(const Call& call) {
    const strata_layer found = existing(call);
    const std::string name = to_text(call.env, call[3]);
    const strata_type type = type_in(call, 3, name);
    ask(call.env, strata_layer_expect, &found, &type);
    return undefined(call.env);
}

// typeTag(name, size, alignment, whether an array)
napi_value tag(const Call& call) {
    const std::string name = to_text(call.env, call[0]);
    const strata_type type = type_in(call, 0, name);
    return bigint(call.env, strata_type_tag(&type));
}

napi_value tag_text(const Call& call) {
    char* made = nullptr;
    std::size_t size = 0;
    ask(call.env, strata_type_tag_text, to_u64(call.env, call[0]), &made, &size);
    const std::unique_ptr<char, void (*)(void*)> kept(made, strata_free);
    return text(call.env, std::string_view(made, size));
}

napi_value layer_number(const Call& call) {
    const std::string name = to_text(call.env, call[0]);
    return bigint(call.env, strata_layer_number(name.data(), name.size()));
}

}  // namespace

void add_layer_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"get", entry<get>},
         {"has", entry<has>},
         {"locate", entry<locate>},
         {"describeLayer", entry<describe>},
         {"copyLayer", entry<copy>},
         {"verifyLayer", entry<verify>},
         {"expectType", entry<expect>},
         {"typeTag", entry<tag>},
         {"typeTagText", entry<tag_text>},
         {"layerNumber", entry<layer_number>}});
}

}  // namespace strata_node

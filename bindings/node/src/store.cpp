// SPDX-License-Identifier: Apache-2.0
// Stores as a whole, by name. A base path that is not given is undefined.
#include <string>

#include "functions.hpp"
#include "handle.hpp"

namespace strata_node {

namespace {

struct Place {
    Place(const Call& call, std::size_t index)
        : given(call.given(index)), path(given ? to_text(call.env, call[index]) : "") {}

    const char* pointer() const { return given ? path.c_str() : nullptr; }

    bool given;
    std::string path;
};

napi_value list(const Call& call) {
    const Place base(call, 0);
    strata_store_list* names = nullptr;
    ask(call.env, strata_list_stores, base.pointer(), &names);
    const std::unique_ptr<strata_store_list, void (*)(strata_store_list*)> kept(
        names, strata_store_list_free);
    const std::size_t size = strata_store_list_size(names);
    const napi_value result = array(call.env, size);
    for (std::size_t i = 0; i < size; ++i) {
        set(call.env, result, i, text(call.env, strata_store_list_name(names, i)));
    }
    return result;
}

// removeStore(name, base path)
napi_value remove(const Call& call) {
    const std::string name = to_text(call.env, call[0]);
    const Place base(call, 1);
    ask(call.env, strata_remove_store, name.data(), name.size(), base.pointer());
    return undefined(call.env);
}

napi_value statistics(const Call& call) {
    const std::string name = to_text(call.env, call[0]);
    const Place base(call, 1);
    char* json = nullptr;
    std::size_t size = 0;
    ask(call.env, strata_statistics_json, name.data(), name.size(), base.pointer(), &json, &size);
    const std::unique_ptr<char, void (*)(void*)> kept(json, strata_free);
    return text(call.env, std::string_view(json, size));
}

// inspect(name, base path)
napi_value inspect(const Call& call) {
    const napi_env env = call.env;
    const std::string name = to_text(env, call[0]);
    const Place base(call, 1);
    strata_store_info known = STRATA_STORE_INFO_INIT;
    ask(env, strata_inspect, name.data(), name.size(), base.pointer(), &known);
    const napi_value result = object(env);
    set(env, result, "id", text(env, std::string_view(known.id)));
    set(env, result, "formatVersion", number(env, known.format_version));
    set(env, result, "owner", number(env, known.owner));
    set(env, result, "mode", number(env, known.mode));
    set(env, result, "createdAtNs", bigint(env, known.created_at_ns));
    set(env, result, "publishedAtNs", bigint(env, known.published_at_ns));
    set(env, result, "producerPid",
        known.producer_pid == 0 ? undefined(env)
                                : number(env, static_cast<double>(known.producer_pid)));
    set(env, result, "readers", count(env, known.readers));
    set(env, result, "generation", count(env, known.generation));
    set(env, result, "oldestRetained", count(env, known.oldest_retained));
    set(env, result, "dimensions", count(env, known.dimensions));
    set(env, result, "layers", count(env, known.layers));
    set(env, result, "memoryLimit", count(env, known.memory_limit));
    set(env, result, "liveBytes", count(env, known.live_bytes));
    set(env, result, "committedBytes", count(env, known.committed_bytes));
    set(env, result, "regionMaxBytes", count(env, known.region_max_bytes));
    return result;
}

}  // namespace

void add_store_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"listStores", entry<list>},
         {"removeStore", entry<remove>},
         {"storeStatistics", entry<statistics>},
         {"inspect", entry<inspect>}});
}

}  // namespace strata_node

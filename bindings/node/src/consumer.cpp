// SPDX-License-Identifier: Apache-2.0
// strata_consumer and its bookmarks. What waits is in wait.cpp.
#include "attach.hpp"
#include "functions.hpp"
#include "handle.hpp"

namespace strata_node {

AttachOptions::AttachOptions(napi_env env, napi_value given_name, napi_value given)
    : name(to_text(env, given_name)) {
    if (const napi_value path = member(env, given, "basePath")) {
        base_path = to_text(env, path);
        options.base_path = base_path.c_str();
    }
    options.trusted_owner = member_u32(env, given, "trusted");
    options.owner = member_u32(env, given, "owner");
    options.no_idle_pin = member_u32(env, given, "noIdlePin");
    options.lookup_cache_bytes = member_u64(env, given, "lookupCacheBytes");
}

namespace {

// attach(name, options)
napi_value attach(const Call& call) {
    const AttachOptions given(call.env, call[0], call[1]);
    strata_consumer* made = nullptr;
    ask(call.env, strata_attach, given.name.data(), given.name.size(), &given.options, &made);
    return new_handle<ConsumerHandle>(call.env, made);
}

napi_value detach(const Call& call) {
    handle<ConsumerHandle>(call, 0).consumer.reset();
    return undefined(call.env);
}

napi_value generation(const Call& call) {
    return count(call.env, strata_generation(consumer_of(call).get()));
}

napi_value durable_generation(const Call& call) {
    std::uint64_t durable = 0;
    ask(call.env, strata_durable_generation, consumer_of(call).get(), &durable);
    return count(call.env, durable);
}

napi_value retained(const Call& call) {
    std::uint64_t oldest = 0;
    std::uint64_t newest = 0;
    ask(call.env, strata_retained, consumer_of(call).get(), &oldest, &newest);
    const napi_value result = object(call.env);
    set(call.env, result, "oldest", count(call.env, oldest));
    set(call.env, result, "newest", count(call.env, newest));
    return result;
}

napi_value producer_pid(const Call& call) {
    std::int64_t pid = 0;
    ask(call.env, strata_producer_pid, consumer_of(call).get(), &pid);
    return pid == 0 ? undefined(call.env) : number(call.env, static_cast<double>(pid));
}

napi_value store_replaced(const Call& call) {
    int replaced = 0;
    ask(call.env, strata_store_replaced, consumer_of(call).get(), &replaced);
    return boolean(call.env, replaced != 0);
}

napi_value memory(const Call& call) {
    const napi_env env = call.env;
    strata_consumer_statistics known = STRATA_CONSUMER_STATISTICS_INIT;
    ask(env, strata_consumer_describe, consumer_of(call).get(), &known);
    const napi_value result = object(env);
    set(env, result, "lookupCacheBytes", count(env, known.lookup_cache_bytes));
    set(env, result, "lookupCacheLimit", count(env, known.lookup_cache_limit));
    set(env, result, "cachedDimensions", count(env, known.cached_dimensions));
    set(env, result, "cachedLists", count(env, known.cached_lists));
    set(env, result, "mappedRegions", count(env, known.mapped_regions));
    return result;
}

napi_value statistics(const Call& call) {
    char* json = nullptr;
    std::size_t size = 0;
    ask(call.env, strata_consumer_statistics_json, consumer_of(call).get(), &json, &size);
    const std::unique_ptr<char, void (*)(void*)> kept(json, strata_free);
    return text(call.env, std::string_view(json, size));
}

napi_value bookmarks(const Call& call) {
    const napi_env env = call.env;
    strata_bookmark_list* list = nullptr;
    ask(env, strata_bookmarks, consumer_of(call).get(), &list);
    const std::unique_ptr<strata_bookmark_list, void (*)(strata_bookmark_list*)> kept(
        list, strata_bookmark_list_free);
    const std::size_t size = strata_bookmark_list_size(list);
    const napi_value result = array(env, size);
    for (std::size_t i = 0; i < size; ++i) {
        strata_bookmark known = STRATA_BOOKMARK_INIT;
        ask(env, strata_bookmark_list_get, list, i, &known);
        const napi_value one = object(env);
        set(env, one, "name", text(env, known.name));
        set(env, one, "generation", count(env, known.generation));
        set(env, one, "madeAtNs", bigint(env, known.made_at_ns));
        set(env, result, i, one);
    }
    return result;
}

}  // namespace

void add_consumer_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"attach", entry<attach>},
         {"detach", entry<detach>},
         {"generation", entry<generation>},
         {"durableGeneration", entry<durable_generation>},
         {"retained", entry<retained>},
         {"producerPid", entry<producer_pid>},
         {"storeReplaced", entry<store_replaced>},
         {"consumerMemory", entry<memory>},
         {"consumerStatistics", entry<statistics>},
         {"bookmarks", entry<bookmarks>}});
}

}  // namespace strata_node

// SPDX-License-Identifier: Apache-2.0
#include <sstream>
#include <string>
#include <vector>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_store_list {
    std::vector<std::string> names;
};

namespace {

void give_json(const strata::StoreStatistics& statistics, char** json, size_t* json_size) {
    std::ostringstream text;
    strata::dump_json(statistics, text);
    if (!text) {
        throw std::bad_alloc();  // the only thing that a string can refuse
    }
    give_text(text.view(), json, json_size);
}

}  // namespace

strata_status strata_inspect(const char* name, size_t name_size, const char* base_path,
                             strata_store_info* info, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(info, "info is NULL");
        const strata::StoreInfo known =
            strata::inspect(text_of(name, name_size, "name is NULL"), base_of(base_path));
        strata_store_info out{};
        out.format_version = known.format_version;
        out.owner = known.owner;
        out.mode = known.mode;
        known.id.copy(out.id, sizeof out.id - 1);
        out.created_at_ns = ns_since_1970(known.created_at);
        out.published_at_ns = ns_since_1970(known.published_at);
        out.producer_pid = known.producer_pid.value_or(0);
        out.readers = known.readers.size();
        out.generation = known.generation;
        out.oldest_retained = known.oldest_retained;
        out.dimensions = known.dimensions;
        out.layers = known.layers;
        out.memory_limit = known.memory_limit;
        out.live_bytes = known.live_bytes;
        out.committed_bytes = known.committed_bytes;
        out.region_max_bytes = known.region_max_bytes;
        give_struct(info, out);
    });
}

strata_status strata_statistics_json(const char* name, size_t name_size, const char* base_path,
                                     char** json, size_t* json_size, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(json, "json is NULL");
        give_json(strata::statistics(text_of(name, name_size, "name is NULL"), base_of(base_path)),
                  json, json_size);
    });
}

strata_status strata_consumer_statistics_json(strata_consumer* consumer, char** json,
                                              size_t* json_size, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(json, "json is NULL");
        give_json(strata::statistics(need(consumer, "consumer is NULL")->consumer), json,
                  json_size);
    });
}

strata_status strata_producer_statistics_json(const strata_producer* producer, char** json,
                                              size_t* json_size, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(json, "json is NULL");
        give_json(strata::statistics(need(producer, "producer is NULL")->producer), json,
                  json_size);
    });
}

strata_status strata_list_stores(const char* base_path, strata_store_list** list,
                                 strata_error* error) {
    return guarded(__func__, error, [&] {
        need(list, "list is NULL");
        *list = new strata_store_list{strata::list_stores(base_of(base_path))};
    });
}

size_t strata_store_list_size(const strata_store_list* list) {
    return list == nullptr ? 0 : list->names.size();
}

strata_string strata_store_list_name(const strata_store_list* list, size_t index) {
    return index < strata_store_list_size(list) ? string_of(list->names[index])
                                                : strata_string{nullptr, 0};
}

void strata_store_list_free(strata_store_list* list) { delete list; }

strata_status strata_remove_store(const char* name, size_t name_size, const char* base_path,
                                  strata_error* error) {
    return guarded(__func__, error, [&] {
        strata::remove_store(text_of(name, name_size, "name is NULL"), base_of(base_path));
    });
}

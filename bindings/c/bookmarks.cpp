// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <vector>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_bookmark_list {
    std::vector<strata::Bookmark> bookmarks;
};

strata_status strata_set_bookmark(strata_producer* producer, const char* name, size_t name_size,
                                  uint64_t generation, uint64_t* set, strata_error* error) {
    return guarded(__func__, error, [&] {
        const std::string_view text = text_of(name, name_size, "name is NULL");
        give(set,
             uint64_t{need(producer, "producer is NULL")->producer.set_bookmark(text, generation)});
    });
}

strata_status strata_remove_bookmark(strata_producer* producer, const char* name, size_t name_size,
                                     strata_error* error) {
    return guarded(__func__, error, [&] {
        const std::string_view text = text_of(name, name_size, "name is NULL");
        need(producer, "producer is NULL")->producer.remove_bookmark(text);
    });
}

strata_status strata_snapshot_take_bookmark(strata_consumer* consumer, const char* name,
                                            size_t name_size, strata_snapshot** snapshot,
                                            strata_error* error) {
    return guarded(__func__, error, [&] {
        need(snapshot, "snapshot is NULL");
        const std::string_view text = text_of(name, name_size, "name is NULL");
        *snapshot =
            new strata_snapshot(need(consumer, "consumer is NULL")->consumer.snapshot_at(text));
    });
}

strata_status strata_bookmarks(const strata_consumer* consumer, strata_bookmark_list** list,
                               strata_error* error) {
    return guarded(__func__, error, [&] {
        need(list, "list is NULL");
        *list = new strata_bookmark_list{need(consumer, "consumer is NULL")->consumer.bookmarks()};
    });
}

size_t strata_bookmark_list_size(const strata_bookmark_list* list) {
    return list == nullptr ? 0 : list->bookmarks.size();
}

strata_status strata_bookmark_list_get(const strata_bookmark_list* list, size_t index,
                                       strata_bookmark* bookmark, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(bookmark, "bookmark is NULL");
        if (index >= need(list, "list is NULL")->bookmarks.size()) {
            throw BadArgument{"index is beyond the end of the list"};
        }
        const strata::Bookmark& known = list->bookmarks[index];
        strata_bookmark out{};
        out.generation = known.generation;
        out.made_at_ns = ns_since_1970(known.made_at);
        out.name = string_of(known.name);
        give_struct(bookmark, out);
    });
}

void strata_bookmark_list_free(strata_bookmark_list* list) { delete list; }

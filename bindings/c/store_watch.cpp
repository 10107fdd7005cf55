// SPDX-License-Identifier: Apache-2.0
#include "boundary.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_store_watch {
    strata::StoreWatch watch;
};

strata_status strata_store_watch_open(const char* name, size_t name_size, const char* base_path,
                                      strata_store_watch** watch, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(watch, "watch is NULL");
        *watch = new strata_store_watch{
            strata::StoreWatch(text_of(name, name_size, "name is NULL"), base_of(base_path))};
    });
}

strata_status strata_store_watch_descriptor(const strata_store_watch* watch, int* descriptor,
                                            strata_error* error) {
    return guarded(__func__, error, [&] {
        need(descriptor, "descriptor is NULL");
        *descriptor = need(watch, "watch is NULL")->watch.descriptor();
    });
}

strata_status strata_store_watch_present(strata_store_watch* watch, int* present,
                                         strata_error* error) {
    return guarded(__func__, error, [&] {
        need(present, "present is NULL");
        *present = need(watch, "watch is NULL")->watch.present() ? 1 : 0;
    });
}

void strata_store_watch_close(strata_store_watch* watch) { delete watch; }

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "boundary.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

strata_status strata_layer_describe(const strata_layer* layer, strata_layer_info* info,
                                    strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Layer known = layer_of(layer);
        strata_layer_info out{};
        out.dimension = known.id().dimension;
        out.layer = known.id().layer;
        out.generation = known.generation();
        out.frequency = known.frequency();
        out.checksum = known.checksum();
        out.type_tag = known.type_tag();
        out.keywords = known.keywords().size();
        out.name = string_of(known.name());
        give_struct(need(info, "info is NULL"), out);
    });
}

strata_status strata_layer_keywords(const strata_layer* layer, size_t first,
                                    strata_string* keywords, size_t room, size_t* count,
                                    strata_error* error) {
    return guarded(__func__, error, [&] {
        need(count, "count is NULL");
        if (room > 0) {
            need(keywords, "keywords is NULL");
        }
        const std::vector<std::string_view> all = layer_of(layer).keywords();
        const size_t begin = std::min(first, all.size());
        const size_t taken = std::min(room, all.size() - begin);
        for (size_t i = 0; i < taken; ++i) {
            keywords[i] = string_of(all[begin + i]);
        }
        *count = taken;
    });
}

strata_status strata_layer_copy(const strata_layer* layer, uint64_t offset, void* to, size_t size,
                                strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Layer known = layer_of(layer);
        if (offset > known.size() || size > known.size() - offset) {
            throw BadArgument{"the range ends beyond the layer"};
        }
        if (size > 0) {
            need(to, "to is NULL");
            const strata::ReadGuard guard;
            std::memcpy(to, known.data() + offset, size);
            guard.check("copy layer");
        }
    });
}

strata_status strata_layer_verify(const strata_layer* layer, strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Layer known = layer_of(layer);
        const strata::ReadGuard guard;
        const bool sound = known.verify();
        guard.check("verify layer");
        if (!sound) {
            throw strata::Error(
                {.code = strata::Errc::corrupt,
                 .operation = "verify layer",
                 .detail = "the checksum of a layer of " + std::to_string(known.size()) +
                           " bytes does not match",
                 .hint = "publish the layer anew; verifying the snapshot finds all damage"});
        }
    });
}

uint64_t strata_layer_number(const char* name, size_t name_size) {
    return name == nullptr && name_size != 0 ? 0 : strata::layer_number({name, name_size});
}

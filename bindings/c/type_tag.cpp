// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "boundary.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

namespace {

uint64_t tag_of(const strata_type& type) noexcept {
    return strata::type_tag_of({type.name_size == 0 ? "" : type.name, type.name_size}, type.size,
                               type.alignment, type.array != 0);
}

bool holds(const strata::Layer& layer, const strata_type& type) noexcept {
    const bool fits = type.array != 0 ? type.size != 0 && layer.size() % type.size == 0
                                      : layer.size() == type.size;
    return fits && layer.alignment() >= type.alignment && layer.type_tag() == tag_of(type);
}

}  // namespace

uint64_t strata_type_tag(const strata_type* type) {
    return type == nullptr || (type->name == nullptr && type->name_size != 0) ? 0 : tag_of(*type);
}

strata_status strata_type_tag_text(uint64_t tag, char** text, size_t* text_size,
                                   strata_error* error) {
    return guarded(__func__, error, [&] {
        need(text, "text is NULL");
        give_text(strata::type_tag_text(tag), text, text_size);
    });
}

strata_status strata_layer_expect(const strata_layer* layer, const strata_type* type,
                                  strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::Layer known = layer_of(layer);
        need(type, "type is NULL");
        const std::string_view name = text_of(type->name, type->name_size, "type->name is NULL");
        if (!holds(known, *type)) {
            const std::string asked = strata::printable(name) + (type->array != 0 ? "[]" : "");
            throw strata::Error(
                {.code = strata::Errc::type_mismatch,
                 .operation = "read layer as " + asked,
                 .detail = "layer " + std::to_string(known.id().layer) + " of dimension " +
                           std::to_string(known.id().dimension) + " holds " +
                           strata::type_tag_text(known.type_tag()) + ", " +
                           std::to_string(known.size()) + " bytes at a multiple of " +
                           std::to_string(known.alignment()) + "; " + asked + " takes " +
                           (type->array != 0 ? "a multiple of " : "") + std::to_string(type->size) +
                           " bytes at a multiple of " + std::to_string(type->alignment),
                 .hint = "publish and read it as the same type: name, size and alignment"});
        }
    });
}

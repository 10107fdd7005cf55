// SPDX-License-Identifier: Apache-2.0
#include "strata/type_tag.hpp"

#include <cstdio>

namespace strata::inline STRATA_ABI_NAMESPACE {

std::string type_tag_text(std::uint64_t tag) {
    struct Scalar {
        std::string_view name;
        std::uint64_t size;
    };
    constexpr Scalar scalars[] = {{"i8", 1},   {"i16", 2},   {"i32", 4},    {"i64", 8},
                                  {"u8", 1},   {"u16", 2},   {"u32", 4},    {"u64", 8},
                                  {"f32", 4},  {"f64", 8},   {"bool", 1},   {"byte", 1},
                                  {"char", 1}, {"char8", 1}, {"char16", 2}, {"char32", 4}};
    if (tag == 0) {
        return "plain bytes";
    }
    for (const Scalar& scalar : scalars) {
        for (const bool array : {false, true}) {
            if (tag == type_tag_of(scalar.name, scalar.size, scalar.size, array)) {
                return std::string(scalar.name) + (array ? "[]" : "");
            }
        }
    }
    char text[24];
    std::snprintf(text, sizeof(text), "type 0x%016llx", static_cast<unsigned long long>(tag));
    return text;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

/* SPDX-License-Identifier: Apache-2.0 */
/* Type tags: 64 bits that say which type a layer holds, so that nobody reads a Quote as a Trade. A
 * tag is made of a text that any language can write; strata/type_tag.hpp has its rules. */
#ifndef STRATA_C_TYPE_TAG_H
#define STRATA_C_TYPE_TAG_H

#include "strata/c/base.h"
#include "strata/c/layer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A type as its tag sees it; of an array, the elements'. */
typedef struct strata_type {
    const char* name; /* "f64", "u8", or what both sides call a struct: "Quote" */
    size_t name_size;
    uint64_t size;      /* bytes */
    uint64_t alignment; /* bytes, a power of two */
    uint32_t array;     /* 1: an array of them */
    uint32_t reserved;  /* 0 */
} strata_type;

/* For strata_layer_options.type_tag: FNV-1a, 64 bits, of "name:size:alignment", of an array
 * "name[]:size:alignment". 0 if `type`, or its name with a size, is NULL. */
STRATA_API uint64_t strata_type_tag(const strata_type* type);
/* For people: "f64", "u32[]", "plain bytes" (0), "type 0x..." for what has no name here.
 * Terminated; *text_size is without the zero and may be NULL. Give back with strata_free. */
STRATA_API strata_status strata_type_tag_text(uint64_t tag, char** text, size_t* text_size,
                                              strata_error* error);
/* STRATA_OK if the payload can be read as `type`: it was put with the type's tag, is one of them
 * (of an array, any number) and lies aligned. Else type_mismatch, which says what the layer holds.
 */
STRATA_API strata_status strata_layer_expect(const strata_layer* layer, const strata_type* type,
                                             strata_error* error);

#ifdef __cplusplus
}
#endif
#endif

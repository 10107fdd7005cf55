/* SPDX-License-Identifier: Apache-2.0 */
#include <strata/strata.h>

extern strata_error go_out_of_memory;
strata_error go_out_of_memory = {
    .struct_size = (uint32_t)sizeof(strata_error),
    .code = STRATA_OUT_OF_MEMORY,
    .message = "the process is out of memory",
};

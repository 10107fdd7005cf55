/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary of the C ABI: status codes, errors, strings, versions. The rules that hold for all
 * of it stand in strata/strata.h. */
#ifndef STRATA_C_BASE_H
#define STRATA_C_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define STRATA_API __attribute__((visibility("default")))
#else
#define STRATA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A status_code; an int32_t, so that codes that this header does not know can be received. */
typedef int32_t strata_status;

/* 1 to 999 are the values of strata::Errc (error.hpp says what each means). */
enum strata_status_code {
    STRATA_OK = 0,
    STRATA_STORE_NOT_FOUND = 1,
    STRATA_STORE_EXISTS = 2,
    STRATA_NOT_A_STORE = 3,
    STRATA_FORMAT_VERSION = 4,
    STRATA_BYTE_ORDER = 5,
    STRATA_PERMISSION_DENIED = 6,
    STRATA_NOT_TRUSTED = 7,
    STRATA_CORRUPT = 8,
    STRATA_TRUNCATED = 9,
    STRATA_INVALID_NAME = 10,
    STRATA_INVALID_ARGUMENT = 11,
    STRATA_PRODUCER_ACTIVE = 12,
    STRATA_DIMENSION_NOT_FOUND = 13,
    STRATA_LAYER_NOT_FOUND = 14,
    STRATA_DIMENSION_EXISTS = 15,
    STRATA_LAYER_TOO_LARGE = 16,
    STRATA_LIMIT_EXCEEDED = 17,
    STRATA_NO_SPACE = 18,
    STRATA_NAME_COLLISION = 19,
    STRATA_TYPE_MISMATCH = 20,
    STRATA_GENERATION_NOT_RETAINED = 21,
    STRATA_WRONG_PROCESS = 22,
    STRATA_STORE_REPLACED = 23,
    STRATA_SYSTEM = 24,
    STRATA_FILE_NOT_FOUND = 25,
    STRATA_FILE_EXISTS = 26,
    STRATA_END_OF_FILE = 27,
    STRATA_WOULD_DEADLOCK = 28,
    STRATA_DURABILITY_LOST = 29,
    STRATA_NOT_RECOVERED = 30,
    STRATA_BOOKMARK_NOT_FOUND = 31,
    STRATA_OUT_OF_MEMORY = 1000, /* of the process: std::bad_alloc */
    STRATA_INTERNAL = 1001       /* an exception that no function is known to throw: a bug */
};

/* What is known of a failure; made by the caller, for as many calls as it likes. Only struct_size
 * must be set. Filled when a function fails, else not touched. Texts are terminated, cut if need be
 * (at the beginning of a character), and printable whatever names and paths hold. */
typedef struct strata_error {
    uint32_t struct_size;
    strata_status code;
    int32_t os_error; /* errno; 0: no system call failed */
    uint32_t reserved;
    uint64_t needed;    /* bytes asked for, where that is meaningful */
    uint64_t limit;     /* the limit that was hit, in bytes */
    uint64_t current;   /* bytes in use when it was hit */
    char message[1024]; /* one line: operation, path, what happened, hint */
    char operation[256];
    char path[512];
    char hint[256];
} strata_error;
#define STRATA_ERROR_INIT                                                      \
    {                                                                          \
        (uint32_t)sizeof(strata_error), 0, 0, 0, 0, 0, 0, {0}, {0}, {0}, { 0 } \
    }

/* Bytes that somebody else owns; not terminated. */
typedef struct strata_string {
    const char* data;
    size_t size;
} strata_string;

/* Name of one layer. `reserved` is 0. */
typedef struct strata_id {
    uint32_t dimension;
    uint32_t reserved;
    uint64_t layer;
} strata_id;

/* "major.minor.patch" of the library, for ever valid. */
STRATA_API const char* strata_version(void);
/* The number in the library's soname: functions, structs and values of one number stay compatible,
 * and are only ever added to. */
STRATA_API uint32_t strata_abi_version(void);
/* "ok", "limit_exceeded" ...; "unknown" for values that the library does not know. For ever valid.
 */
STRATA_API const char* strata_status_name(strata_status status);
/* Takes back what functions return in a `char**`. */
STRATA_API void strata_free(void* text);

#ifdef __cplusplus
}
#endif
#endif

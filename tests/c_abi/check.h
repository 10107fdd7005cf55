/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests in plain C share: checks that count, and a store in a folder of its own. */
#ifndef STRATA_TESTS_C_ABI_CHECK_H
#define STRATA_TESTS_C_ABI_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "strata/strata.h"

void check_failed(const char* file, int line, const char* what);
/* For failures of functions: prints the error's message. */
void check_status(const char* file, int line, const char* call, strata_status status,
                  strata_status expected, const strata_error* error);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
/* `call` uses `error`, a strata_error in scope. */
#define CHECK_OK(call) check_status(__FILE__, __LINE__, #call, (call), STRATA_OK, &error)
#define CHECK_FAILS(code, call) check_status(__FILE__, __LINE__, #call, (call), (code), &error)

/* The base directory of all tests, terminated. */
const char* base_path(void);
/* Opens or creates the store `name` there, with small regions. */
strata_producer* produce(const char* name);
strata_consumer* attach(const char* name);
strata_snapshot* snapshot_of(strata_consumer* consumer);
/* Publishes a text. */
uint64_t publish(strata_producer* producer, uint32_t dimension, uint64_t layer, const char* text);
bool layer_is(const strata_layer* layer, const char* text);
bool string_is(strata_string string, const char* text);

/* One for each file of tests. */
void test_consumer(void);
void test_waiting(void);
void test_snapshot(void);
void test_producer(void);
void test_durability(void);
void test_bookmarks(void);
void test_errors(void);
void test_history(void);
void test_struct_sizes(void);
void test_types(void);

#endif

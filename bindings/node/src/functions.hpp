// SPDX-License-Identifier: Apache-2.0
// What each source of the addon adds to its exports, for the modules in lib/ alone.
#pragma once

#include <initializer_list>

#include "call.hpp"

namespace strata_node {

struct Function {
    const char* name;
    napi_callback callback;
};

void add(napi_env env, napi_value exports, std::initializer_list<Function> functions);

void add_batch_functions(napi_env env, napi_value exports);
void add_change_functions(napi_env env, napi_value exports);
void add_consumer_functions(napi_env env, napi_value exports);
void add_dimension_functions(napi_env env, napi_value exports);
void add_layer_functions(napi_env env, napi_value exports);
void add_producer_functions(napi_env env, napi_value exports);
void add_snapshot_functions(napi_env env, napi_value exports);
void add_store_functions(napi_env env, napi_value exports);
void add_task_functions(napi_env env, napi_value exports);
void add_wait_functions(napi_env env, napi_value exports);

}  // namespace strata_node

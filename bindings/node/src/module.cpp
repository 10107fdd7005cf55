// SPDX-License-Identifier: Apache-2.0
#include "environment.hpp"
#include "functions.hpp"

namespace strata_node {

namespace {

napi_value set_error_class(const Call& call) {
    Environment::of(call.env).set_error_class(call[0]);
    return undefined(call.env);
}

napi_value initialize(const Call& call) {
    const napi_env env = call.env;
    const napi_value exports = call[0];
    Environment::open(env);
    set(env, exports, "version", text(env, std::string_view(strata_version())));
    add(env, exports, {{"setErrorClass", entry<set_error_class>}});
    add_batch_functions(env, exports);
    add_change_functions(env, exports);
    add_consumer_functions(env, exports);
    add_dimension_functions(env, exports);
    add_layer_functions(env, exports);
    add_producer_functions(env, exports);
    add_snapshot_functions(env, exports);
    add_store_functions(env, exports);
    add_task_functions(env, exports);
    add_wait_functions(env, exports);
    return exports;
}

}  // namespace

void add(napi_env env, napi_value exports, std::initializer_list<Function> functions) {
    for (const Function& function : functions) {
        napi_value made = nullptr;
        check(env, napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback,
                                        nullptr, &made));
        set(env, exports, function.name, made);
    }
}

}  // namespace strata_node

// Once for each environment that loads the addon.
NAPI_MODULE_INIT() {
    napi_value initialize = nullptr;
    napi_value result = nullptr;
    if (napi_create_function(env, "initialize", NAPI_AUTO_LENGTH,
                             strata_node::entry<strata_node::initialize>, nullptr,
                             &initialize) != napi_ok ||
        napi_call_function(env, exports, initialize, 1, &exports, &result) != napi_ok) {
        return nullptr;
    }
    return result;
}

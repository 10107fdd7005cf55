// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "call.hpp"

namespace strata_node {

// Which store to attach to and how; has its own copies, for a thread that may take its time.
struct AttachOptions {
    AttachOptions(napi_env env, napi_value name, napi_value options);
    AttachOptions(const AttachOptions&) = delete;
    AttachOptions& operator=(const AttachOptions&) = delete;

    std::string name;
    std::string base_path;
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
};

}  // namespace strata_node

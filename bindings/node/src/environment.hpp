// SPDX-License-Identifier: Apache-2.0
// What belongs to one JavaScript environment: the main thread's, or a worker's. Nothing is shared
// between two of them.
#pragma once

#include <memory>
#include <set>

#include "call.hpp"

namespace strata_node {

class Task;

class Environment {
public:
    explicit Environment(napi_env env) : env_(env) {}
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

    static Environment& of(napi_env env);
    // Makes that of `env`, which ends with it.
    static void open(napi_env env);

    void set_error_class(napi_value constructor);
    napi_value new_error(napi_value message, napi_value details) const;

    // Runs the task in a thread of its own; the event loop does not end before it.
    void start(std::shared_ptr<Task> task, napi_value callback);

private:
    static void end(void* environment) noexcept;
    static void deliver(napi_env env, napi_value unused, void* context, void* task) noexcept;
    void finish(Task& task);

    napi_env env_;
    napi_ref error_class_ = nullptr;
    napi_threadsafe_function deliveries_ = nullptr;
    std::set<std::shared_ptr<Task>> running_;
    bool ended_ = false;
};

}  // namespace strata_node

// SPDX-License-Identifier: Apache-2.0
#include "task.hpp"

#include <utility>

#include "environment.hpp"
#include "functions.hpp"
#include "handle.hpp"

namespace strata_node {

namespace {

strata_cancellation* new_cancellation(napi_env env) {
    strata_cancellation* made = nullptr;
    ask(env, strata_cancellation_new, &made);
    return made;
}

struct TaskHandle : Handle {
    explicit TaskHandle(std::weak_ptr<Task> started) : task(std::move(started)) {}

    std::weak_ptr<Task> task;
};

napi_value cancel_task(const Call& call) {
    if (const auto task = handle<TaskHandle>(call, 0).task.lock()) {
        task->cancel();
    }
    return undefined(call.env);
}

}  // namespace

Task::Task(napi_env env) : cancellation_(new_cancellation(env), strata_cancellation_free) {}

Task::~Task() = default;

void Task::cancel() noexcept {
    cancelled_.store(true, std::memory_order_relaxed);
    strata_cancellation_request(cancellation_.get());
}

void Task::run() noexcept { status_ = work(&error_); }

napi_value start(napi_env env, std::shared_ptr<Task> task, napi_value callback) {
    const napi_value made = new_handle<TaskHandle>(env, std::weak_ptr<Task>(task));
    Environment::of(env).start(std::move(task), callback);
    return made;
}

void add_task_functions(napi_env env, napi_value exports) {
    add(env, exports, {{"cancelTask", entry<cancel_task>}});
}

}  // namespace strata_node

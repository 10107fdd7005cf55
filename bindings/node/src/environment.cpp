// SPDX-License-Identifier: Apache-2.0
#include "environment.hpp"

#include <utility>

#include "task.hpp"

namespace strata_node {

Environment& Environment::of(napi_env env) {
    void* data = nullptr;
    check(env, napi_get_instance_data(env, &data));
    return *static_cast<Environment*>(data);
}

void Environment::open(napi_env env) {
    auto made = std::make_unique<Environment>(env);
    const auto drop = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
    check(env, napi_set_instance_data(env, made.get(), drop, nullptr));
    Environment& environment = *made.release();
    check(env, napi_create_threadsafe_function(
                   env, nullptr, nullptr, text(env, std::string_view("strata")), 0, 1, nullptr,
                   nullptr, &environment, deliver, &environment.deliveries_));
    check(env, napi_unref_threadsafe_function(env, environment.deliveries_));
    // Hooks run in the opposite order: threads have ended before what they call goes.
    check(env, napi_add_env_cleanup_hook(env, end, &environment));
}

void Environment::set_error_class(napi_value constructor) {
    check(env_, napi_create_reference(env_, constructor, 1, &error_class_));
}

napi_value Environment::new_error(napi_value message, napi_value details) const {
    napi_value constructor = nullptr;
    napi_value error = nullptr;
    const std::array<napi_value, 2> arguments = {message, details};
    check(env_, napi_get_reference_value(env_, error_class_, &constructor));
    check(env_, napi_new_instance(env_, constructor, arguments.size(), arguments.data(), &error));
    return error;
}

void Environment::start(std::shared_ptr<Task> task, napi_value callback) {
    check(env_, napi_create_reference(env_, callback, 1, &task->callback_));
    if (running_.empty()) {
        check(env_, napi_ref_threadsafe_function(env_, deliveries_));
    }
    Task& started = *task;
    const auto place = running_.insert(std::move(task)).first;
    try {
        started.thread_ = std::thread([&started, deliveries = deliveries_] {
            started.run();
            napi_call_threadsafe_function(deliveries, &started, napi_tsfn_blocking);
        });
    } catch (...) {  // there are no more threads to be had
        running_.erase(place);
        if (running_.empty()) {
            check(env_, napi_unref_threadsafe_function(env_, deliveries_));
        }
        throw;
    }
}

// Called with no environment when that has ended with deliveries outstanding.
void Environment::deliver(napi_env env, napi_value, void* context, void* task) noexcept {
    if (env == nullptr) {
        return;
    }
    Environment& environment = *static_cast<Environment*>(context);
    if (environment.ended_) {
        return;
    }
    try {
        environment.finish(*static_cast<Task*>(task));
    } catch (...) {
        // JavaScript's exception is reported as any other that nobody has caught.
    }
}

void Environment::finish(Task& task) {
    task.thread_.join();
    std::shared_ptr<Task> kept;
    for (auto at = running_.begin(); at != running_.end(); ++at) {
        if (at->get() == &task) {
            kept = *at;
            running_.erase(at);
            break;
        }
    }
    if (running_.empty()) {
        check(env_, napi_unref_threadsafe_function(env_, deliveries_));
    }
    napi_value callback = nullptr;
    check(env_, napi_get_reference_value(env_, task.callback_, &callback));
    check(env_, napi_delete_reference(env_, task.callback_));

    std::array<napi_value, 2> arguments = {undefined(env_), undefined(env_)};
    if (task.status_ != STRATA_OK) {
        arguments[0] = make_error(env_, task.status_, task.error_);
    } else {
        try {
            arguments[1] = task.result(env_);
        } catch (const Pending&) {
            check(env_, napi_get_and_clear_last_exception(env_, arguments.data()));
        }
    }
    check(env_, napi_call_function(env_, undefined(env_), callback, arguments.size(),
                                   arguments.data(), nullptr));
}

// The environment ends: a worker is terminated, or the process exits. All waits are ended, so this
// takes no longer than what cannot be cancelled.
void Environment::end(void* data) noexcept {
    Environment& environment = *static_cast<Environment*>(data);
    environment.ended_ = true;
    for (const std::shared_ptr<Task>& task : environment.running_) {
        task->cancel();
    }
    for (const std::shared_ptr<Task>& task : environment.running_) {
        task->thread_.join();
    }
    environment.running_.clear();
    napi_release_threadsafe_function(environment.deliveries_, napi_tsfn_abort);
}

}  // namespace strata_node

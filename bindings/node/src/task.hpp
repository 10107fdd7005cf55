// SPDX-License-Identifier: Apache-2.0
// Work that may take long, and so is done by a thread of its own, not by the event loop's.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "call.hpp"

namespace strata_node {

class Task {
public:
    explicit Task(napi_env env);
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task();

    // Asks the work to end soon; what it returns then is for nobody. From any thread.
    void cancel() noexcept;

protected:
    // In the task's thread, without JavaScript.
    virtual strata_status work(strata_error* error) noexcept = 0;
    // In the event loop's thread, after work that succeeded.
    virtual napi_value result(napi_env env) = 0;

    bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
    strata_cancellation* cancellation() const noexcept { return cancellation_.get(); }

private:
    friend class Environment;

    void run() noexcept;

    std::unique_ptr<strata_cancellation, void (*)(strata_cancellation*)> cancellation_;
    std::atomic<bool> cancelled_ = false;  // a hint: what matters comes with the cancellation
    std::thread thread_;
    napi_ref callback_ = nullptr;
    strata_status status_ = STRATA_OK;
    strata_error error_ = STRATA_ERROR_INIT;
};

// Starts it; what JavaScript gets can be given to cancelTask. `callback` is called with an error or
// a result, never before this returns.
napi_value start(napi_env env, std::shared_ptr<Task> task, napi_value callback);

}  // namespace strata_node

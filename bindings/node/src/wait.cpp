// SPDX-License-Identifier: Apache-2.0
// What waits for the store to change, or to be there.
#include "attach.hpp"
#include "functions.hpp"
#include "handle.hpp"
#include "task.hpp"

namespace strata_node {

namespace {

class WaitTask : public Task {
public:
    WaitTask(napi_env env, std::shared_ptr<strata_consumer> consumer, std::uint64_t seen)
        : Task(env), consumer_(std::move(consumer)), seen_(seen) {
        options.cancellation = cancellation();
    }

    strata_wait_options options = STRATA_WAIT_OPTIONS_INIT;

protected:
    strata_status work(strata_error* error) noexcept override {
        const strata_status status = strata_wait(consumer_.get(), seen_, &options, &result_, error);
        consumer_.reset();  // if it was closed meanwhile, it ends here
        return status;
    }
    napi_value result(napi_env env) override { return number(env, result_); }

private:
    std::shared_ptr<strata_consumer> consumer_;
    std::uint64_t seen_;
    strata_wait_result result_ = STRATA_WAIT_CANCELLED;
};

// wait(consumer, seen, timeout in ms or undefined, whether to wait for a producer, callback)
napi_value wait(const Call& call) {
    const napi_env env = call.env;
    const auto task = std::make_shared<WaitTask>(env, consumer_of(call), to_u64(env, call[1]));
    if (call.given(2)) {
        double milliseconds = 0;
        check(env, napi_get_value_double(env, call[2], &milliseconds));
        if (!(milliseconds >= 0)) {
            throw_range_error(env, "a timeout is not negative");
        }
        constexpr double longest = 1e12;  // some thirty years
        task->options.has_timeout = milliseconds < longest ? 1 : 0;
        task->options.timeout_ns =
            milliseconds < longest ? static_cast<std::int64_t>(milliseconds * 1e6) : 0;
    }
    check(env, napi_get_value_uint32(env, call[3], &task->options.wait_for_producer));
    return start(env, task, call[4]);
}

// Attaches as soon as the store is there. The library waits for it in the kernel; what asks whether
// the task was cancelled is the end of each portion.
class AttachTask : public Task {
public:
    AttachTask(napi_env env, napi_value name, napi_value options)
        : Task(env), given_(env, name, options) {
        given_.options.wait_for_store_ms = 50;
    }
    ~AttachTask() override { strata_detach(attached_); }

protected:
    strata_status work(strata_error* error) noexcept override {
        strata_status status = STRATA_STORE_NOT_FOUND;
        while (status == STRATA_STORE_NOT_FOUND && !cancelled()) {
            status = strata_attach(given_.name.data(), given_.name.size(), &given_.options,
                                   &attached_, error);
        }
        return status == STRATA_STORE_NOT_FOUND ? STRATA_OK : status;
    }
    napi_value result(napi_env env) override {
        if (attached_ == nullptr) {
            return undefined(env);
        }
        const napi_value made = new_handle<ConsumerHandle>(env, attached_);
        attached_ = nullptr;
        return made;
    }

private:
    AttachOptions given_;
    strata_consumer* attached_ = nullptr;
};

// attachWhenPresent(name, options, callback): with undefined if it was cancelled
napi_value attach_when_present(const Call& call) {
    return start(call.env, std::make_shared<AttachTask>(call.env, call[0], call[1]), call[2]);
}

}  // namespace

void add_wait_functions(napi_env env, napi_value exports) {
    add(env, exports, {{"wait", entry<wait>}, {"attachWhenPresent", entry<attach_when_present>}});
}

}  // namespace strata_node

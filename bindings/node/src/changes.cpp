// SPDX-License-Identifier: Apache-2.0
// What two snapshots differ in, and what is wrong with one.
#include "functions.hpp"
#include "look_up.hpp"
#include "task.hpp"

namespace strata_node {

namespace {

// changes(before or undefined, after, dimension or undefined): [BigUint64Array of dimension, layer,
// kind of each]
napi_value changes(const Call& call) {
    const napi_env env = call.env;
    strata_snapshot* const before = call.given(0) ? snapshot_of(call, 0).get() : nullptr;
    strata_snapshot* const after = snapshot_of(call, 1).get();
    strata_changes* list = nullptr;
    if (call.given(2)) {
        ask(env, strata_changes_in, before, after, to_u32(env, call[2]), &list);
    } else {
        ask(env, strata_changes_between, before, after, &list);
    }
    const std::unique_ptr<strata_changes, void (*)(strata_changes*)> kept(list,
                                                                          strata_changes_free);
    const std::size_t size = strata_changes_size(list);
    const strata_change* const data = strata_changes_data(list);
    void* memory = nullptr;
    const napi_value result =
        typed_array(env, napi_biguint64_array, 3 * size, sizeof(std::uint64_t), &memory);
    auto* to = static_cast<std::uint64_t*>(memory);
    for (std::size_t i = 0; i < size; ++i) {
        *to++ = data[i].id.dimension;
        *to++ = data[i].id.layer;
        *to++ = data[i].kind;
    }
    return result;
}

napi_value name_or_nothing(napi_env env, strata_string name) {
    return name.size == 0 ? undefined(env) : text(env, name);
}

// dimensionChanges(before or undefined, after)
napi_value dimension_changes(const Call& call) {
    const napi_env env = call.env;
    strata_snapshot* const before = call.given(0) ? snapshot_of(call, 0).get() : nullptr;
    strata_dimension_changes* list = nullptr;
    ask(env, strata_dimension_changes_between, before, snapshot_of(call, 1).get(), &list);
    const std::unique_ptr<strata_dimension_changes, void (*)(strata_dimension_changes*)> kept(
        list, strata_dimension_changes_free);
    constexpr std::array<std::string_view, 3> kinds = {"added", "removed", "renamed"};
    const std::size_t size = strata_dimension_changes_size(list);
    const napi_value result = array(env, size);
    for (std::size_t i = 0; i < size; ++i) {
        strata_dimension_change known = STRATA_DIMENSION_CHANGE_INIT;
        ask(env, strata_dimension_changes_get, list, i, &known);
        const napi_value one = object(env);
        set(env, one, "dimension", number(env, known.dimension));
        set(env, one, "kind", text(env, kinds.at(known.kind)));
        set(env, one, "before", name_or_nothing(env, known.before));
        set(env, one, "after", name_or_nothing(env, known.after));
        set(env, result, i, one);
    }
    return result;
}

class VerifyTask : public Task {
public:
    VerifyTask(napi_env env, std::shared_ptr<strata_snapshot> snapshot)
        : Task(env), snapshot_(std::move(snapshot)) {}
    ~VerifyTask() override { strata_verification_free(found_); }

protected:
    strata_status work(strata_error* error) noexcept override {
        const strata_status status = strata_verify(snapshot_.get(), nullptr, &found_, error);
        snapshot_.reset();
        return status;
    }
    napi_value result(napi_env env) override {
        strata_verify_summary summary = STRATA_VERIFY_SUMMARY_INIT;
        ask(env, strata_verification_describe, found_, &summary);
        const napi_value failures = array(env, summary.remembered_failures);
        for (std::size_t i = 0; i < summary.remembered_failures; ++i) {
            strata_verify_failure known = STRATA_VERIFY_FAILURE_INIT;
            ask(env, strata_verification_failure, found_, i, &known);
            const napi_value one = object(env);
            set(env, one, "file", text(env, known.file));
            set(env, one, "dimension",
                known.has_dimension != 0 ? number(env, known.dimension) : undefined(env));
            set(env, one, "layer",
                known.has_layer != 0 ? bigint(env, known.layer) : undefined(env));
            set(env, one, "what", text(env, known.what));
            set(env, failures, i, one);
        }
        const napi_value result = object(env);
        set(env, result, "layers", count(env, summary.layers));
        set(env, result, "payloadBytes", count(env, summary.payload_bytes));
        set(env, result, "failureCount", count(env, summary.failures));
        set(env, result, "failures", failures);
        return result;
    }

private:
    std::shared_ptr<strata_snapshot> snapshot_;
    strata_verification* found_ = nullptr;
};

// verify(snapshot, callback)
napi_value verify(const Call& call) {
    return start(call.env, std::make_shared<VerifyTask>(call.env, snapshot_of(call)), call[1]);
}

}  // namespace

void add_change_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"changes", entry<changes>},
         {"dimensionChanges", entry<dimension_changes>},
         {"verify", entry<verify>}});
}

}  // namespace strata_node

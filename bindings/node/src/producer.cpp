// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "functions.hpp"
#include "produce.hpp"
#include "task.hpp"

namespace strata_node {

namespace {

const std::shared_ptr<strata_producer>& producer_of(const Call& call) {
    const auto& producer = handle<ProducerHandle>(call, 0).producer;
    if (producer == nullptr) {
        throw_closed(call.env, "Producer");
    }
    return producer;
}

// produce(name, options)
napi_value produce(const Call& call) {
    const napi_env env = call.env;
    const std::string name = to_text(env, call[0]);
    const napi_value given = call[1];
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    std::string base_path;
    if (const napi_value path = member(env, given, "basePath")) {
        base_path = to_text(env, path);
        options.base_path = base_path.c_str();
    }
    options.open_mode = member_u32(env, given, "mode");
    options.memory_limit = member_u64(env, given, "memoryLimit");
    options.region_max_bytes = member_u64(env, given, "regionMaxBytes");
    options.own_regions = member_u32(env, given, "ownRegions");
    options.retain = member_u32(env, given, "retain");
    options.retain_for_ns = member_u64(env, given, "retainForNs");
    options.retain_bytes = member_u64(env, given, "retainBytes");
    options.access_mode = member_u32(env, given, "accessMode");
    options.slow_readers = member_u32(env, given, "slowReaders");
    options.durability = member_u32(env, given, "durability");
    options.durability_interval_ms = member_u32(env, given, "durabilityInterval");
    options.durability_generations = member_u64(env, given, "durabilityGenerations");
    strata_producer* made = nullptr;
    ask(env, strata_produce, name.data(), name.size(), &options, &made);
    return new_handle<ProducerHandle>(env, made);
}

napi_value close_producer(const Call& call) {
    handle<ProducerHandle>(call, 0).close();
    return undefined(call.env);
}

napi_value new_batch(const Call& call) {
    const auto& producer = producer_of(call);
    strata_batch* made = nullptr;
    ask(call.env, strata_batch_new, producer.get(), &made);
    auto open = std::make_shared<OpenBatch>(producer, made);
    auto& batches = handle<ProducerHandle>(call, 0).batches;
    batches.erase(std::remove_if(batches.begin(), batches.end(),
                                 [](const auto& batch) { return batch.expired(); }),
                  batches.end());
    batches.push_back(open);
    return new_handle<BatchHandle>(call.env, std::move(open));
}

napi_value generation(const Call& call) {
    return count(call.env, strata_producer_generation(producer_of(call).get()));
}

napi_value durable_generation(const Call& call) {
    return count(call.env, strata_producer_durable_generation(producer_of(call).get()));
}

napi_value statistics(const Call& call) {
    char* json = nullptr;
    std::size_t size = 0;
    ask(call.env, strata_producer_statistics_json, producer_of(call).get(), &json, &size);
    const std::unique_ptr<char, void (*)(void*)> kept(json, strata_free);
    return text(call.env, std::string_view(json, size));
}

// addDimension(producer, number, name or undefined, options)
napi_value add_dimension(const Call& call) {
    const napi_env env = call.env;
    const auto& producer = producer_of(call);
    const std::uint32_t dimension = to_u32(env, call[1]);
    const std::string name = call.given(2) ? to_text(env, call[2]) : "";
    strata_dimension_options options = STRATA_DIMENSION_OPTIONS_INIT;
    options.own_region = member_u32(env, call[3], "ownRegion");
    options.initial_bytes = member_u64(env, call[3], "initialBytes");
    options.max_bytes = member_u64(env, call[3], "maxBytes");
    options.access_mode = member_u32(env, call[3], "accessMode");
    std::uint64_t made = 0;
    ask(env, strata_add_dimension, producer.get(), dimension, name.empty() ? nullptr : name.data(),
        name.size(), &options, &made);
    return count(env, made);
}

napi_value add_core_dimensions(const Call& call) {
    std::uint64_t made = 0;
    ask(call.env, strata_add_core_dimensions, producer_of(call).get(), &made);
    return count(call.env, made);
}

napi_value set_memory_limit(const Call& call) {
    ask(call.env, strata_set_memory_limit, producer_of(call).get(), to_u64(call.env, call[1]));
    return undefined(call.env);
}

napi_value trim(const Call& call) {
    std::uint64_t bytes = 0;
    ask(call.env, strata_trim, producer_of(call).get(), &bytes);
    return count(call.env, bytes);
}

// setBookmark(producer, name, generation)
napi_value set_bookmark(const Call& call) {
    const auto& producer = producer_of(call);
    const std::string name = to_text(call.env, call[1]);
    std::uint64_t kept = 0;
    ask(call.env, strata_set_bookmark, producer.get(), name.data(), name.size(),
        to_u64(call.env, call[2]), &kept);
    return count(call.env, kept);
}

napi_value remove_bookmark(const Call& call) {
    const auto& producer = producer_of(call);
    const std::string name = to_text(call.env, call[1]);
    ask(call.env, strata_remove_bookmark, producer.get(), name.data(), name.size());
    return undefined(call.env);
}

// Waits for the disk; the producer is not closed before that has answered.
class DurableTask : public Task {
public:
    // generation 0: the newest
    DurableTask(napi_env env, std::shared_ptr<strata_producer> producer, std::uint64_t generation)
        : Task(env), producer_(std::move(producer)), generation_(generation) {}

protected:
    strata_status work(strata_error* error) noexcept override {
        const strata_status status = generation_ == 0
                                         ? strata_checkpoint(producer_.get(), &generation_, error)
                                         : strata_wait_durable(producer_.get(), generation_, error);
        producer_.reset();
        return status;
    }
    napi_value result(napi_env env) override { return count(env, generation_); }

private:
    std::shared_ptr<strata_producer> producer_;
    std::uint64_t generation_;
};

// makeDurable(producer, generation or 0, callback)
napi_value make_durable(const Call& call) {
    return start(
        call.env,
        std::make_shared<DurableTask>(call.env, producer_of(call), to_u64(call.env, call[1])),
        call[2]);
}

}  // namespace

void add_producer_functions(napi_env env, napi_value exports) {
    add(env, exports,
        {{"produce", entry<produce>},
         {"closeProducer", entry<close_producer>},
         {"newBatch", entry<new_batch>},
         {"producerGeneration", entry<generation>},
         {"producerDurableGeneration", entry<durable_generation>},
         {"producerStatistics", entry<statistics>},
         {"addDimension", entry<add_dimension>},
         {"addCoreDimensions", entry<add_core_dimensions>},
         {"setMemoryLimit", entry<set_memory_limit>},
         {"trim", entry<trim>},
         {"setBookmark", entry<set_bookmark>},
         {"removeBookmark", entry<remove_bookmark>},
         {"makeDurable", entry<make_durable>}});
}

}  // namespace strata_node

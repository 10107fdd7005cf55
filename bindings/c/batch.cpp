// SPDX-License-Identifier: Apache-2.0
#include <span>
#include <vector>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_batch {
    strata::Batch batch;
};

namespace {

strata::Batch& batch_of(strata_batch* batch) { return need(batch, "batch is NULL")->batch; }

strata::LayerOptions layer_options(const strata_layer_options* options) {
    const strata_layer_options given = options_of(options);
    strata::LayerOptions out;
    out.frequency = given.frequency;
    out.type_tag = given.type_tag;
    if (given.alignment != 0) {
        out.alignment = given.alignment;
    }
    if (given.keyword_count > 0) {
        need(given.keywords, "keywords is NULL");
        out.keywords.reserve(given.keyword_count);
        for (const strata_string& keyword : std::span(given.keywords, given.keyword_count)) {
            out.keywords.push_back(text_of(keyword.data, keyword.size, "a keyword is NULL"));
        }
    }
    return out;
}

std::span<const std::byte> payload_of(const void* data, size_t size) {
    return {size == 0 ? nullptr : need(static_cast<const std::byte*>(data), "data is NULL"), size};
}

}  // namespace

strata_status strata_batch_new(strata_producer* producer, strata_batch** batch,
                               strata_error* error) {
    return guarded(__func__, error, [&] {
        need(batch, "batch is NULL");
        *batch = new strata_batch{need(producer, "producer is NULL")->producer.batch()};
    });
}

void strata_batch_free(strata_batch* batch) { delete batch; }

strata_status strata_put(strata_batch* batch, uint32_t dimension, uint64_t layer, const void* data,
                         size_t size, const strata_layer_options* options, strata_error* error) {
    return guarded(__func__, error, [&] {
        batch_of(batch).put({dimension, layer}, payload_of(data, size), layer_options(options));
    });
}

strata_status strata_put_name(strata_batch* batch, uint32_t dimension, const char* name,
                              size_t name_size, const void* data, size_t size,
                              const strata_layer_options* options, uint64_t* layer,
                              strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::LayerId id =
            batch_of(batch).put(dimension, text_of(name, name_size, "name is NULL"),
                                payload_of(data, size), layer_options(options));
        give(layer, uint64_t{id.layer});
    });
}

strata_status strata_loan(strata_batch* batch, uint32_t dimension, uint64_t layer, size_t size,
                          const strata_layer_options* options, void** room, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(room, "room is NULL");
        *room = batch_of(batch).loan({dimension, layer}, size, layer_options(options)).data();
    });
}

strata_status strata_loan_name(strata_batch* batch, uint32_t dimension, const char* name,
                               size_t name_size, size_t size, const strata_layer_options* options,
                               void** room, uint64_t* layer, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(room, "room is NULL");
        const strata::Loan loan = batch_of(batch).loan(
            dimension, text_of(name, name_size, "name is NULL"), size, layer_options(options));
        *room = loan.data();
        give(layer, uint64_t{loan.id().layer});
    });
}

strata_status strata_erase(strata_batch* batch, uint32_t dimension, uint64_t layer,
                           strata_error* error) {
    return guarded(__func__, error, [&] { batch_of(batch).erase({dimension, layer}); });
}

strata_status strata_erase_name(strata_batch* batch, uint32_t dimension, const char* name,
                                size_t name_size, strata_error* error) {
    return guarded(__func__, error, [&] {
        batch_of(batch).erase(dimension, text_of(name, name_size, "name is NULL"));
    });
}

strata_status strata_remove_dimension(strata_batch* batch, uint32_t dimension,
                                      strata_error* error) {
    return guarded(__func__, error, [&] { batch_of(batch).remove_dimension(dimension); });
}

strata_status strata_clear_dimension(strata_batch* batch, uint32_t dimension, strata_error* error) {
    return guarded(__func__, error, [&] { batch_of(batch).clear_dimension(dimension); });
}

strata_status strata_batch_dimension(strata_batch* batch, const char* name, size_t name_size,
                                     uint32_t* dimension, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(dimension, "dimension is NULL");
        *dimension = batch_of(batch).add_dimension(text_of(name, name_size, "name is NULL"));
    });
}

strata_status strata_name_dimension(strata_batch* batch, uint32_t dimension, const char* name,
                                    size_t name_size, strata_error* error) {
    return guarded(__func__, error, [&] {
        batch_of(batch).add_dimension(dimension, text_of(name, name_size, "name is NULL"));
    });
}

strata_status strata_crystallize(strata_batch* batch, uint64_t* generation, strata_error* error) {
    return guarded(__func__, error,
                   [&] { give(generation, uint64_t{batch_of(batch).crystallize()}); });
}

void strata_batch_clear(strata_batch* batch) {
    if (batch != nullptr) {
        batch->batch.clear();
    }
}

size_t strata_batch_size(const strata_batch* batch) {
    return batch == nullptr ? 0 : batch->batch.size();
}

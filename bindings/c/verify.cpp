// SPDX-License-Identifier: Apache-2.0
#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_verification {
    strata::VerifyReport report;
};

strata_status strata_verify(const strata_snapshot* snapshot, const strata_verify_options* options,
                            strata_verification** verification, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(verification, "verification is NULL");
        const strata::Snapshot& known = need(snapshot, "snapshot is NULL")->snapshot;
        const strata_verify_options given = options_of(options);
        strata::VerifyOptions out;
        if (given.max_failures != 0) {
            out.max_failures = given.max_failures;
        }
        *verification = new strata_verification{given.one_dimension != 0
                                                    ? strata::verify(known, given.dimension, out)
                                                    : strata::verify(known, out)};
    });
}

strata_status strata_verification_describe(const strata_verification* verification,
                                           strata_verify_summary* summary, strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::VerifyReport& known = need(verification, "verification is NULL")->report;
        strata_verify_summary out{};
        out.generation = known.generation;
        out.dimensions = known.dimensions;
        out.layers = known.layers;
        out.payload_bytes = known.payload_bytes;
        out.failures = known.failure_count;
        out.remembered_failures = known.failures.size();
        give_struct(need(summary, "summary is NULL"), out);
    });
}

strata_status strata_verification_failure(const strata_verification* verification, size_t index,
                                          strata_verify_failure* failure, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(failure, "failure is NULL");
        if (index >= need(verification, "verification is NULL")->report.failures.size()) {
            throw BadArgument{"index is beyond the remembered failures"};
        }
        const strata::VerifyFailure& known = verification->report.failures[index];
        strata_verify_failure out{};
        out.has_dimension = known.dimension ? 1 : 0;
        out.has_layer = known.layer ? 1 : 0;
        out.dimension = known.dimension.value_or(0);
        out.layer = known.layer.value_or(0);
        out.offset = known.offset;
        out.file = string_of(known.file);
        out.what = string_of(known.what);
        give_struct(failure, out);
    });
}

void strata_verification_free(strata_verification* verification) { delete verification; }

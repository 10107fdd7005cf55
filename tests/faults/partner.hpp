// SPDX-License-Identifier: Apache-2.0
// The process beside the one whose calls are refused: nothing of its own is refused. It makes the
// store, holds a snapshot and compares it, publishes and reclaims beside a consumer.
#pragma once

#include <string>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

namespace strata::test {

enum class Request : std::uint64_t {
    prepare,       ///< make the store, with a past, and end its producer
    produce,       ///< be its producer
    publish,       ///< the next version
    churn,         ///< many versions, reclaiming in between
    publish_on,    ///< one version a millisecond, until the next request
    end_producer,  ///< orderly
    replace,       ///< by a new store of the same name
    die_badly,     ///< end a producer amid its work: retired blocks and a removed dimension's file
                   ///< that a reader holds, and a control file that ends within a page
    abandon,       ///< leave half a store behind, as a creator that was killed does
    hold,          ///< a snapshot
    check,         ///< the held one: are its bytes what they were?
    release,
    mark,  ///< the newest generation, by a bookmark
};

/// Serves requests until the other side hangs up.
void serve(const TempStore& store, const Channel& channel);

/// Empty, or what was wrong.
std::string ask(const Channel& channel, Request request);

}  // namespace strata::test

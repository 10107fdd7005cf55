// SPDX-License-Identifier: Apache-2.0
// libFuzzer's way into the target STRATA_FUZZ_TARGET.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const strata::fuzz::RunInput run = [] {
        const strata::fuzz::Target* const target = strata::fuzz::find_target(STRATA_FUZZ_TARGET);
        if (target == nullptr) {
            std::fprintf(stderr, "there is no target %s\n", STRATA_FUZZ_TARGET);
            std::abort();
        }
        return target->make();
    }();
    run({data, size});
    return 0;
}

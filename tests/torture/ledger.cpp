// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/ledger.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

#include "tests/support/process.hpp"

namespace strata::test {

Ledger& map_ledger(int descriptor) {
    void* const memory =
        ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED) {
        fail_errno("map the ledger");
    }
    // All zero when made, which is the initial state of its atomic words.
    return *static_cast<Ledger*>(memory);
}

void complain(Ledger& ledger, std::string_view text) noexcept {
    ledger.mismatches.fetch_add(1);
    if (!ledger.complained.exchange(true)) {
        const std::size_t size = std::min(text.size(), sizeof(ledger.complaint) - 1);
        std::memcpy(ledger.complaint, text.data(), size);
    }
}

}  // namespace strata::test

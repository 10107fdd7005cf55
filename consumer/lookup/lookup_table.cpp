// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/lookup_table.hpp"

#include <bit>
#include <cstring>
#include <new>

namespace strata::consumer_impl {

LookupTable::LookupTable(Generation base, std::uint64_t capacity, const SeededHash& hash) noexcept
    : base_(base),
      mask_(capacity - 1),
      shift_(64 - static_cast<unsigned>(std::countr_zero(capacity))),
      hash_(hash) {
    for (std::uint64_t at = 0; at < capacity; ++at) {
        ::new (entries() + at) LookupEntry{};
    }
}

LookupTable::Pointer LookupTable::make(Generation base, std::uint64_t capacity,
                                       const SeededHash& hash) {
    // From the C library: the runtime's aligned `new` brings pages of code to a first attachment.
    void* const memory = std::aligned_alloc(alignof(LookupTable), bytes_for(capacity));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return Pointer(::new (memory) LookupTable(base, capacity, hash));
}

}  // namespace strata::consumer_impl

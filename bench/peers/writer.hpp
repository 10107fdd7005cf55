// SPDX-License-Identifier: Apache-2.0
// What the commit rows ask of a contestant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace strata::bench {

/// Overwrites layers of a data set; between `begin` and `commit`, any number.
class Writer {
public:
    virtual ~Writer() = default;
    virtual void begin() = 0;
    virtual void put(std::uint64_t key, std::span<const std::byte> payload) = 0;
    virtual void commit() = 0;
};

}  // namespace strata::bench

// SPDX-License-Identifier: Apache-2.0
// Ceilings: structures of one process, with one version and no protection of any kind.
#pragma once

#include <memory>
#include <vector>

#include "bench/peers/reader.hpp"

namespace strata::bench {

/// Every payload an allocation of its own, as in a program that keeps its data in private memory.
class PrivatePayloads {
public:
    explicit PrivatePayloads(const Dataset& dataset);
    const std::byte* at(std::uint64_t key) const noexcept { return payloads_[key].get(); }
    const Dataset& dataset() const noexcept { return dataset_; }

private:
    Dataset dataset_;
    std::vector<std::unique_ptr<std::byte[]>> payloads_;
};

/// An array of pointers, indexed by the key: the least that a look-up can be.
std::unique_ptr<Reader> array_reader(const PrivatePayloads& payloads);
/// The same over given places (strata's own shared pages, for example).
std::unique_ptr<Reader> array_reader(std::vector<const std::byte*> places,
                                     std::size_t payload_bytes);
std::unique_ptr<Reader> unordered_map_reader(const PrivatePayloads& payloads);
/// Throws NotRun if absl was not there when this was built.
std::unique_ptr<Reader> flat_hash_map_reader(const PrivatePayloads& payloads);

}  // namespace strata::bench

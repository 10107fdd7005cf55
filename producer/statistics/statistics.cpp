// SPDX-License-Identifier: Apache-2.0
#include "strata/statistics.hpp"

#include "ipc/failure.hpp"
#include "producer/open_store.hpp"
#include "strata/producer.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

StoreStatistics statistics(const Producer& producer) {
    return ipc::part_of(producer.store_, "Producer").statistics();
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE

// SPDX-License-Identifier: Apache-2.0
#include "bench/rows/groups.hpp"

namespace strata::bench {

std::span<const Group> all_groups() {
    static constexpr Group groups[] = {
        {"reads", "point reads by one process: uniform, dependent, zipfian, batched", run_reads},
        {"snapshot", "a snapshot taken and dropped for each operation", run_snapshots},
        {"commit", "commits of one layer and of batches, fresh and aged", run_commits},
        {"latency", "publish to seen: spinning and waiting, one core and two", run_latency},
        {"attach", "attach and read the first layer", run_attach},
        {"restart", "a producer takes over a store of a million layers", run_restart},
        {"index", "index memory per layer", run_index_memory},
    };
    return groups;
}

}  // namespace strata::bench

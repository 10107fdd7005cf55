// SPDX-License-Identifier: Apache-2.0
#include "bench/rows/groups.hpp"

namespace strata::bench {

std::span<const Group> all_groups() {
    static constexpr Group groups[] = {
        {"reads", "point reads by one process: uniform, dependent, zipfian, batched", run_reads},
        {"shapes", "look-ups in many dimensions, of random numbers, by name; after a commit",
         run_shapes},
        {"snapshot", "a snapshot taken and dropped for each operation", run_snapshots},
        {"commit", "commits of one layer and of batches, fresh and aged", run_commits},
        {"durable", "commits that survive a power failure, on a disk", run_durable},
        {"latency", "publish to seen: spinning and waiting, one core and two", run_latency},
        {"waiters", "commits while other processes wait for them", run_waiters},
        {"retention", "what retained generations cost: commits, taking one, heap", run_retention},
        {"readers", "1 to 128 reader processes, idle and while a producer publishes", run_readers},
        {"ycsb", "YCSB B and C: zipfian, 95 or 100 % reads", run_ycsb},
        {"scan", "all layers of a dimension in order", run_scan},
        {"churn", "memory and commit time under steady overwriting", run_churn},
        {"kill", "readers killed at any time", run_kill},
        {"attach", "attach and read the first layer", run_attach},
        {"restart", "a producer takes over a store of a million layers", run_restart},
        {"index", "index memory per layer", run_index_memory},
        {"consumers", "memory of 128 consumers of a million layers", run_consumer_memory},
        {"growth", "look-up, commit, attach and index from 100 to 10 million layers", run_growth},
        {"volume", "archives and backups of a gibibyte, on a disk", run_volumes},
        {"mapped", "files of a mapped directory beside pread, fread, ifstream", run_mapped},
    };
    return groups;
}

}  // namespace strata::bench
